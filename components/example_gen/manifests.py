"""The rows of one manifest: JSON lines, or a table with a header (`.csv`, or `.tsv` with tabs).

What a row says is not looked at here, except that a table has text alone: a number is read from it
where a key has numbers, and an empty cell says nothing.
"""

import contextlib
import posixpath
from collections.abc import Generator

from components.example_gen.text_tables import Found, Row, read_objects, read_table
from components.storage.location import Location
from schemas.errors import ClipError
from schemas.manifest import CHANNEL

MANIFEST_SUFFIXES = (".jsonl", ".csv", ".tsv")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_NUMBERS = ("offset", "duration", CHANNEL)
_AUDIO = "audio_filepath"


def read_rows(manifest: Location) -> Generator[Found, None, None]:
    """Each row with the number of the line it begins on; or `bad_row`, where it cannot be read.

    Raises:
        DataError: the manifest cannot be read, or a table whose first line does not name its
            columns.
    """
    delimiter = _DELIMITERS.get(posixpath.splitext(manifest.name)[1].lower())
    if delimiter is None:
        yield from read_objects(manifest)
        return
    for number, row in read_table(manifest, delimiter, [_AUDIO]):
        yield number, row if isinstance(row, ClipError) else _with_numbers(row)


def _with_numbers(row: Row) -> Row:
    """The cells as JSON would have them."""
    for name in _NUMBERS:
        if name in row:
            with contextlib.suppress(ValueError):
                row[name] = float(str(row[name]))
    return row
