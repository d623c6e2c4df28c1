"""The rows of one manifest: JSON lines, or a table with a header (`.csv`, or `.tsv` with tabs).

What a row says is not looked at here, except that a table has text alone: a number is read from
it where a key has numbers, and an empty cell says nothing.
"""

import contextlib
import csv
import io
import json
import posixpath
from collections.abc import Generator, Iterator
from typing import BinaryIO, TextIO

from components.storage.location import Location
from schemas.errors import ClipError, DataError
from schemas.manifest import CHANNEL

Row = dict[str, object]

MANIFEST_SUFFIXES = (".jsonl", ".csv", ".tsv")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_NUMBERS = ("offset", "duration", CHANNEL)
_AUDIO = "audio_filepath"


def read_rows(manifest: Location) -> Generator[tuple[int, Row | ClipError], None, None]:
    """Each row with the number of the line it begins on; or `bad_row`, where it cannot be read.

    Raises:
        DataError: a table whose first line does not name its columns.
        OSError: the manifest cannot be read.
    """
    delimiter = _DELIMITERS.get(posixpath.splitext(manifest.name)[1].lower())
    with manifest.open() as file:
        if delimiter is None:
            yield from _json_rows(file)
            return
        # What is no UTF-8 stays in its own row, where it is refused as any text that cannot be.
        with io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="") as text:
            yield from _table_rows(text, delimiter, manifest)


def _json_rows(lines: BinaryIO) -> Iterator[tuple[int, Row | ClipError]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, ClipError("bad_row", f"not JSON: {error}")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            name = type(row).__name__
            yield number, ClipError("bad_row", f"expected a JSON object, got {name}")


def _table_rows(
    text: TextIO, delimiter: str, manifest: Location
) -> Iterator[tuple[int, Row | ClipError]]:
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True)
    columns = _columns(reader, manifest)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, ClipError("bad_row", f"no row of a table: {error}")
            continue
        if not any(cells):
            continue
        if len(cells) != len(columns):
            expected = f"expected {len(columns)} cells as in the first line, got {len(cells)}"
            yield number, ClipError("bad_row", expected)
            continue
        yield (
            number,
            {name: _value(name, cell) for name, cell in zip(columns, cells, strict=True) if cell},
        )


def _columns(reader: Iterator[list[str]], manifest: Location) -> list[str]:
    columns: list[str] = []
    with contextlib.suppress(csv.Error):
        columns = [name.strip() for name in next(reader, [])]
    if _AUDIO not in columns or len(set(columns)) < len(columns):
        raise DataError(
            f"{manifest}: its first line has to name the columns, each once, among them {_AUDIO};"
            f" got {columns!r:.200}"
        )
    return columns


def _value(name: str, cell: str) -> object:
    """The cell as JSON would have it."""
    if name in _NUMBERS:
        with contextlib.suppress(ValueError):
            return float(cell)
    return cell
