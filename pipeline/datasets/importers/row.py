"""What an importer yields, and how it says that a folder is not of its layout."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.example_gen.file_names import visible
from components.example_gen.text_tables import read_objects
from components.storage.location import location_of
from schemas.errors import ClipError, DataError

# A manifest row; `audio_filepath` absolute or relative to the working folder.
Row = dict[str, object]


@dataclass(frozen=True)
class Found:
    """A row, and where in the source it is."""

    place: str
    row: Row


@dataclass(frozen=True)
class Skipped:
    """Something in the source that cannot be a row: where it is, why, and what was there instead of
    what was expected.
    """

    place: str
    reason: str
    got: str = ""


@dataclass(frozen=True)
class Noted:
    """Something in the source that a person should know of, and that costs no row."""

    place: str
    note: str


Item = Found | Skipped | Noted


class RowError(Exception):
    """Something in the source cannot be a row, for this reason."""

    def __init__(self, reason: str, got: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.got = "" if got is None else f"{got!r:.80}"

    def at(self, place: str) -> Skipped:
        """What the import says of it."""
        return Skipped(place, self.reason, self.got)


def require(source: Path, *patterns: str, layout: str) -> None:
    """Refuses a `source` in which nothing matches one of `patterns`.

    Raises:
        DataError: with what was looked for and what is there.
    """
    if not source.is_dir():
        raise DataError(f"{source} is not a folder")
    for pattern in patterns:
        if not any(visible(source, [path]) for path in source.glob(pattern)):
            names = [path.name for path in visible(source, source.iterdir())]
            found = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") or "nothing"
            raise DataError(
                f"{source} is not a {layout} data set: expected {pattern}, found {found}"
            )


def read_json_lines(path: Path) -> Iterator[tuple[str, Row | RowError]]:
    """(place, object) of each line of a file, gzipped or not; or why it is none.

    Raises:
        DataError: the file is damaged, no text, or one JSON list: with the line.
    """
    for number, row in read_objects(location_of(path), strict=True):
        place = f"{path.name}:{number}"
        yield place, RowError("no JSON object", row.detail) if isinstance(row, ClipError) else row


def audio_path(folder: Path, written: str) -> str:
    """The path of audio that a file in `folder` names; a URI is as it is."""
    return written if "://" in written else posixpath.join(folder, written)


def transcript(text: str) -> Row:
    """A text; one word of it is also the label."""
    return {"text": text, "label": text if len(text.split()) == 1 else None}
