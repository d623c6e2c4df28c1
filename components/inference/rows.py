"""The clips that a model is to be asked about, in one file, and parts of it: what workers share.

A worker gets a part's place in the file, not its rows. A part's digest names its rows, where each
lies and as which version of it, and the model: what was answered for a part of that digest is never
asked again.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypedDict

from components.storage.location import location_of

Format = Literal["jsonl", "parquet"]  # of files of answers

ROWS_IN_PART = 512
_DIGITS = 16
ANSWERS = "answers-"  # names of files begin so


class ClipRow(TypedDict):
    """A clip: the file `path`, or the part of it from `offset_s` on, and one channel of it.

    `size_bytes` and `stamp` are what its storage said of the file when it was listed.
    """

    id: str
    path: str
    offset_s: float | None
    duration_s: float | None
    channel: int | None
    size_bytes: int
    stamp: str


@dataclass(frozen=True)
class Part:
    """Rows that are answered together: where they are in the file of rows, in bytes."""

    number: int
    digest: str
    start: int
    length: int
    rows: int

    @property
    def name(self) -> str:
        """Of the files that are made of it, without an ending."""
        return f"{ANSWERS}{self.number:06d}-{self.digest}"


def write_rows(
    rows: Iterable[ClipRow], settings: str, write: Callable[[bytes], object]
) -> Iterator[Part]:
    """The parts of `rows`, which are written meanwhile; the digest covers `settings`."""
    lines: list[bytes] = []
    number = start = 0
    for row in rows:
        lines.append(json.dumps(row).encode() + b"\n")
        if len(lines) == ROWS_IN_PART:
            yield (part := _write_part(lines, number, start, settings, write))
            number, start, lines = number + 1, start + part.length, []
    if lines:
        yield _write_part(lines, number, start, settings, write)


def _write_part(
    lines: list[bytes], number: int, start: int, settings: str, write: Callable[[bytes], object]
) -> Part:
    text = b"".join(lines)
    write(text)
    digest = hashlib.sha256(settings.encode() + b"\0" + text).hexdigest()[:_DIGITS]
    return Part(number, digest, start, len(text), len(lines))


def read_part(uri: str, part: Part) -> list[ClipRow]:
    """The rows of a part of the file at `uri`."""
    with location_of(uri).open() as file:
        file.seek(part.start)
        rows: list[ClipRow] = json.loads(b"[%b]" % b",".join(file.read(part.length).splitlines()))
    return rows
