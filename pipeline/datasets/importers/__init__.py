"""Writes manifests for data sets in the layouts that other toolkits use: a module for each.

A layout gives rows; writing them, and saying what was left out, is the same for all and is here.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel

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
from pipeline.datasets.importers.row import Row, Skipped
from schemas.errors import DataError

Importer = Callable[[Path], Iterator[Row | Skipped]]

IMPORTERS: dict[str, Importer] = {
    "commonvoice": commonvoice.list_rows,
    "fsdd": fsdd.list_rows,
    "kaldi": kaldi.list_rows,
    "lhotse": lhotse.list_rows,
    "librispeech": librispeech.list_rows,
    "nemo": nemo.list_rows,
    "speech_commands": speech_commands.list_rows,
}

_SKIPPED_SHOWN = 5


class Imported(BaseModel):
    """What an import wrote: rows, and what it left out by reason with the first places.

    `root` is the folder above all recordings, where that is not the manifest's.
    """

    manifest: Path
    rows: int = 0
    root: Path | None = None
    skipped: Counter[str] = Counter()
    first_skipped: list[Skipped] = []


def import_manifest(layout: str, source: Path, output: Path) -> Imported:
    """Writes the manifest `output` for the data set `source`, all of it or nothing.

    Paths of audio are relative to the manifest. Audio is neither read nor copied; what is missing
    or damaged is found by ingest.

    Raises:
        DataError: `source` is not of that layout, or no row of it can be used.
    """
    imported = Imported(manifest=output)
    folder = output.absolute().parent
    storage, name = storage_of(output)
    with storage.create(name) as file:
        for row in IMPORTERS[layout](source):
            if isinstance(row, Skipped):
                imported.skipped[row.reason] += 1
                if len(imported.first_skipped) < _SKIPPED_SHOWN:
                    imported.first_skipped.append(row)
                continue
            relative = os.path.relpath(str(row["audio_filepath"]), folder)
            if relative.startswith(".."):
                outside = os.path.normpath(folder / Path(relative).parent)
                imported.root = Path(os.path.commonpath([imported.root or folder, outside]))
            line = json.dumps(row | {"audio_filepath": relative}, ensure_ascii=False)
            file.write(f"{line}\n".encode())
            imported.rows += 1
        if not imported.rows:
            raise DataError(
                f"{source}: no row of this {layout} data set can be used{_why(imported)}"
            )
    return imported


def _why(imported: Imported) -> str:
    first = imported.first_skipped[:1]
    return "".join(f"; the first: {skipped.place}: {skipped.reason}" for skipped in first)
