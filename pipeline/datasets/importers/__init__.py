"""Writes manifests for data sets in the layouts that other toolkits use: a module for each.

A layout gives rows; writing them, and saying what was left out, is the same for all and is here.
"""

import json
import os
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel

from components.example_gen.file_names import is_of_macos
from components.example_gen.spellings import Spellings
from components.storage.interface import Writer
from components.storage.location import storage_of
from pipeline.datasets.importers import (
    commonvoice,
    fsdd,
    kaldi,
    lhotse,
    librispeech,
    nemo,
    speech_commands,
)
from pipeline.datasets.importers.row import Found, Item, Noted, Row, RowError, Skipped
from pipeline.datasets.importers.values import as_manifest_row
from schemas.errors import DataError

Importer = Callable[[Path], Iterator[Item]]

IMPORTERS: dict[str, Importer] = {
    "commonvoice": commonvoice.list_rows,
    "fsdd": fsdd.list_rows,
    "kaldi": kaldi.list_rows,
    "lhotse": lhotse.list_rows,
    "librispeech": librispeech.list_rows,
    "nemo": nemo.list_rows,
    "speech_commands": speech_commands.list_rows,
}


class Imported(BaseModel):
    """What an import wrote: rows, and what it left out by reason with the first of each.

    `noted` counts what a person should know of rows that were written, with the first of each, and
    `notes` are such sentences. `root` is the folder above all recordings, where that is not the
    manifest's.
    """

    manifest: Path
    rows: int = 0
    root: Path | None = None
    skipped: Counter[str] = Counter()
    first_skipped: list[Skipped] = []
    noted: Counter[str] = Counter()
    first_noted: list[Noted] = []
    notes: list[str] = []

    def skip(self, skipped: Skipped) -> None:
        """Counts something that is left out."""
        reason = _as_text(skipped.reason)
        self.skipped[reason] += 1
        if self.skipped[reason] == 1:
            self.first_skipped.append(Skipped(_as_text(skipped.place), reason, skipped.got))

    def note(self, noted: Noted) -> None:
        """Counts something that a person should know."""
        note = _as_text(noted.note)
        self.noted[note] += 1
        if self.noted[note] == 1:
            self.first_noted.append(Noted(_as_text(noted.place), note))


def import_manifest(layout: str, source: Path, output: Path) -> Imported:
    """Writes the manifest `output` for the data set `source`, all of it or nothing.

    Paths of audio are relative to the manifest. Audio is neither read nor copied; what is missing
    or damaged is found by ingest. Each row of the source is written or skipped.

    Raises:
        DataError: `source` is not of that layout, a file of it is damaged or no text, or no row of
            it can be used.
    """
    imported = Imported(manifest=output)
    storage, name = storage_of(output)
    with storage.create(name) as file:
        rows = _Rows(imported, file, output.absolute().parent)
        for item in IMPORTERS[layout](source):
            if isinstance(item, Found):
                rows.add(item)
            elif isinstance(item, Skipped):
                imported.skip(item)
            else:
                imported.note(item)
        if not imported.rows:
            raise DataError(
                f"{source}: no row of this {layout} data set can be used{_why(imported)}"
            )
    imported.notes += rows.spellings.notes()
    return imported


class _Rows:
    """Writes rows, each under an id of its own."""

    def __init__(self, imported: Imported, file: Writer, folder: Path) -> None:
        self.spellings = Spellings()
        self._imported = imported
        self._file = file
        self._folder = folder
        self._ids: set[object] = set()

    def add(self, found: Found) -> None:
        """Writes a row, or counts why it cannot be."""
        try:
            row = as_manifest_row(found.row, self.spellings)
            if is_of_macos(str(row["audio_filepath"])):
                raise RowError(
                    "a file of macOS beside a recording, and none", row["audio_filepath"]
                )
            if row.get("id") in self._ids:
                raise RowError("another row has its id", row["id"])
            line = self._line(row)
        except RowError as error:
            self._imported.skip(error.at(found.place))
            return
        if "id" in row:
            self._ids.add(row["id"])
        self._file.write(line)
        self._imported.rows += 1

    def _line(self, row: Row) -> bytes:
        path = str(row["audio_filepath"])
        relative = path if "://" in path else os.path.relpath(path, self._folder)
        try:
            line = json.dumps(row | {"audio_filepath": relative}, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise RowError("what UTF-8 cannot hold") from error
        if relative.split("/")[0] == "..":
            outside = os.path.normpath(self._folder / posixpath.dirname(relative))
            above = os.path.commonpath([self._imported.root or self._folder, outside])
            self._imported.root = Path(above)
        return line + b"\n"


def _as_text(name: str) -> str:
    """A name of a file, which need not be UTF-8, as JSON can hold it."""
    return name.encode(errors="backslashreplace").decode()


def _why(imported: Imported) -> str:
    first = imported.first_skipped[:1]
    return "".join(f"; the first: {skipped.place}: {skipped.reason}" for skipped in first)
