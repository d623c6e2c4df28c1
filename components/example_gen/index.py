"""The index: every row of a data set, resolved, split and laid out in shards, in one file.

It is written once a run, before any worker starts, and is all that workers read: a table of shards
on the first line, then each shard's rows as JSON lines, then the rows that were rejected. A worker
gets a shard's place in the file, not its rows. Its digest stands for the content of the data set,
wherever it lies; the absolute paths in it do not count.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from components.example_gen.shard_entry import LABELS, Row, Shard, TargetFeatures
from components.storage.location import Location, location_of
from schemas.errors import AuricleError
from schemas.reports.ingest import SplitBy
from schemas.reports.rejects import Reject, parse_rejects
from schemas.workflow.generated import Generated

INDEX_FORMAT = 3


@dataclass(frozen=True)
class Index:
    """What an index says before its rows: the table of shards, and how the data was made.

    `target` says in which features of an example its target is.
    """

    shards: list["Shard"]
    target: TargetFeatures
    split_by: SplitBy
    generated: Generated | None
    bad_rows: int
    rejects_start: int

    @property
    def rows(self) -> int:
        """Rows of all shards; the rejects of the listing are not among them."""
        return sum(shard.rows for shard in self.shards)


class IndexRef(NamedTuple):
    """Where an index is, and the SHA-256 that stands for its content."""

    uri: str
    digest: str


def index_file(directory: Path | Location, digest: str) -> Location:
    """Where `write_index` writes the index with this digest."""
    return location_of(directory) / f"index-{digest[:16]}.jsonl"


def read_index(file: BinaryIO) -> Index:
    """The first line of an index file.

    Raises:
        AuricleError: not an index, or of another format.
    """
    try:
        header = json.loads(line := file.readline())
        form = header["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise AuricleError(f"not an index of utterances: {error!r}") from error
    if form != INDEX_FORMAT:
        raise AuricleError(f"index format {form!r}; expected {INDEX_FORMAT}")
    shards = [Shard(**shard | {"start": shard["start"] + len(line)}) for shard in header["shards"]]
    generated = header["generated"] and Generated.model_validate(header["generated"])
    return Index(
        shards=shards,
        target=TargetFeatures(**header["target"]) if "target" in header else LABELS,
        split_by=header["split_by"],
        generated=generated,
        bad_rows=header["bad_rows"],
        rejects_start=header["rejects_start"] + len(line),
    )


def read_rows(file: BinaryIO, shard: Shard) -> list[Row]:
    """The rows of a shard, sorted by id.

    Raises:
        AuricleError: they are damaged.
    """
    file.seek(shard.start)
    # Parsed at once: a call for each of many short lines costs more than the parsing.
    try:
        rows: list[Row] = json.loads(b"[%b]" % b",".join(file.read(shard.length).splitlines()))
    except ValueError as error:
        raise AuricleError(f"an index of utterances is damaged: {error}") from error
    return rows


def read_row_keys(file: Location) -> Iterator[tuple[str, str]]:
    """Ids and keys of the rows, shard by shard; the key is empty for one whose recording could not
    be read.

    Raises:
        AuricleError: not an index, or of another format.
        OSError: it cannot be read.
    """
    with file.open() as lines:
        for shard in read_index(lines).shards:
            yield from ((row["id"], row["key"]) for row in read_rows(lines, shard))


def read_rejects(file: BinaryIO, index: Index) -> Iterator[Reject]:
    """The rows that never became utterances."""
    file.seek(index.rejects_start)
    for line in file:
        yield from parse_rejects(line)


def drop_rows(file: Location, speaker: str) -> None:
    """Takes a speaker's rows, and rejects that name them, out of an index, if any are in it.

    It then tells who else was in the data; it is not what its digest stands for, so no run reads
    it.

    Raises:
        AuricleError: not an index, or of another format, or damaged.
    """
    with file.open() as lines:
        index = read_index(lines)
        for shard in index.shards:
            read_rows(lines, shard)
        lines.seek(0)
        header = json.loads(lines.readline())
        blocks = []
        for shard in index.shards:
            lines.seek(shard.start)
            block = lines.read(shard.length).splitlines(keepends=True)
            blocks.append([line for line in block if json.loads(line)["speaker"] != speaker])
        lines.seek(index.rejects_start)
        names = (speaker.encode(), json.dumps(speaker)[1:-1].encode())
        rejects = [line for line in lines if not any(name in line for name in names)]
    start = 0
    for entry, block in zip(header["shards"], blocks, strict=True):
        length = sum(map(len, block))
        entry |= {"start": start, "length": length, "rows": len(block)}
        start += length
    header |= {"rejects_start": start, "bad_rows": len(rejects)}
    content = b"".join([index_line(header), *itertools.chain(*blocks), *rejects])
    if content != file.read():
        write_whole(file, content)


def index_line(content: Mapping[str, object]) -> bytes:
    """One line of an index."""
    return json.dumps(content).encode() + b"\n"


def write_whole(place: Location, content: bytes) -> None:
    """`place` has `content`, or what it had before; its folder is made."""
    with place.create() as file:
        file.write(content)
