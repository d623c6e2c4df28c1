"""The index: every row of a data set, resolved, split and laid out in shards, in one file.

It is written once a run, before any worker starts, and is all that workers read: a table of shards
on the first line, then each shard's rows as JSON lines, then the rows that were rejected. A worker
gets a shard's place in the file, not its rows. Its digest stands for the content of the data set,
wherever it lies; the absolute paths in it do not count.
"""

import hashlib
import itertools
import json
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from components.example_gen.shard_entry import Shard
from components.example_gen.sources import Listing
from components.example_gen.splits import assign_split, hash_unit, split_by
from components.storage.digests import FileDigests
from components.storage.location import Location, location_of, storage_of
from schemas.errors import AuricleError
from schemas.reports.ingest import SPLITS, SplitBy
from schemas.reports.rejects import Reject
from schemas.utterance import Utterance
from schemas.workflow.data import Data
from schemas.workflow.generated import Generated

INDEX_FORMAT = 3

# 1 s clips at 16 kHz make shards of 128 MiB, the size TensorFlow's readers and Beam's workers like.
_MOST_ROWS_IN_SHARD = 4096
# Small data sets are still divided, so that a few workers have something to do.
_FEWEST_ROWS_IN_SHARD = 512
_SHARDS_FOR_SMALL_DATA = 16
_KEY_DIGITS = 32


@dataclass(frozen=True)
class Index:
    """What an index says before its rows: the table of shards, and how the data was made."""

    shards: list["Shard"]
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


def write_index(
    listing: Listing, data: Data, directory: Path | Location, cache_path: Path | None = None
) -> IndexRef:
    """Writes `index-<digest>.jsonl` into `directory`, which reads what files have changed.

    The digest covers ids, labels, speakers, splits, the content of every file, bad rows and the
    settings of generated speech; not where files lie, when they changed, or the order of rows.

    Raises:
        OSError: the directory cannot be written.
    """
    with FileDigests(cache_path) as digests:
        # Empty for a file that cannot be read: its worker will say why.
        contents = dict(digests.digest_all({row.path for row in listing.utterances if row.path}))
    shards = _lay_out(listing.utterances, data)
    digest = hashlib.sha256()
    lines: list[bytes] = []
    table = []
    start = 0
    for (split, number, of), rows in shards:
        block = []
        shard_digest = hashlib.sha256()
        for row in rows:
            sha256 = contents.get(row.path, "")
            content = _content_line(row, sha256)
            digest.update(content)
            # What cannot be read now may be readable next time: it is never known again.
            key = _key(content) if sha256 or not row.path else ""
            shard_digest.update(key.encode() or uuid.uuid4().bytes)
            place = {"path": row.path, "key": key}
            block.append(b"%b, %b" % (json.dumps(place).encode()[:-1], content[1:]))
        digest.update(split.encode())
        text = b"".join(block)
        shard = Shard(
            split, number, of, start, len(text), len(rows), shard_digest.hexdigest()[:_KEY_DIGITS]
        )
        table.append(asdict(shard))
        lines.append(text)
        start += len(text)
    rejects = [_line(reject.model_dump()) for reject in listing.rejects]
    header: dict[str, Any] = {
        "format": INDEX_FORMAT,
        "split_by": split_by(listing.utterances, data.split),
        "generated": listing.generated.model_dump(mode="json") if listing.generated else None,
    }
    digest.update(b"".join([_line(header), *rejects]))
    header |= {"shards": table, "rejects_start": start, "bad_rows": len(rejects)}
    uri = location_of(directory) / _index_name(digest.hexdigest())
    write_whole(uri, b"".join([_line(header), *lines, *rejects]))
    return IndexRef(str(uri), digest.hexdigest())


def index_file(directory: Path, digest: str) -> Path:
    """Where `write_index` writes the index with this digest."""
    return directory / _index_name(digest)


def _index_name(digest: str) -> str:
    return f"index-{digest[:16]}.jsonl"


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
        split_by=header["split_by"],
        generated=generated,
        bad_rows=header["bad_rows"],
        rejects_start=header["rejects_start"] + len(line),
    )


def read_rows(file: BinaryIO, shard: Shard) -> list[dict[str, Any]]:
    """The rows of a shard, sorted by id: id, uri, path, label, speaker, split_key, offset_s,
    duration_s, metadata, sha256 of the file, and the key that stands for all these but path.
    """
    file.seek(shard.start)
    # Parsed at once: a call for each of many short lines costs more than the parsing.
    rows: list[dict[str, Any]] = json.loads(
        b"[%b]" % b",".join(file.read(shard.length).splitlines())
    )
    return rows


def read_row_keys(file: Path) -> dict[str, str]:
    """The key of each row by its id; empty for one whose recording could not be read.

    Raises:
        AuricleError: not an index, or of another format.
        OSError: it cannot be read.
    """
    with file.open("rb") as lines:
        shards = read_index(lines).shards
        return {row["id"]: row["key"] for shard in shards for row in read_rows(lines, shard)}


def read_rejects(file: BinaryIO, index: Index) -> list[Reject]:
    """The rows that never became utterances."""
    file.seek(index.rejects_start)
    return [Reject.model_validate_json(line) for line in file.read().splitlines()]


def drop_rows(file: Path, speaker: str) -> None:
    """Takes a speaker's rows, and rejects that name them, out of an index, if any are in it.

    It then tells who else was in the data; it is not what its digest stands for, so no run reads
    it.

    Raises:
        AuricleError: not an index, or of another format.
    """
    with file.open("rb") as lines:
        index = read_index(lines)
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
    content = b"".join([_line(header), *itertools.chain(*blocks), *rejects])
    if content != file.read_bytes():
        write_whole(file, content)


def shard_count(rows: int) -> int:
    """How many files `rows` clips of a split are divided into; depends on nothing else.

    >>> shard_count(0), shard_count(100), shard_count(1600), shard_count(1_000_000)
    (0, 1, 3, 245)
    """
    small = min(_SHARDS_FOR_SMALL_DATA, -(-rows // _FEWEST_ROWS_IN_SHARD))
    return max(small, -(-rows // _MOST_ROWS_IN_SHARD))


def _lay_out(
    utterances: Iterable[Utterance], data: Data
) -> list[tuple[tuple[str, int, int], list[Utterance]]]:
    """(split, number, of) of each shard with its rows sorted by id; a shard may have none."""
    by_split: dict[str, list[Utterance]] = {name: [] for name in SPLITS}
    for row in sorted(utterances, key=lambda row: row.id):
        by_split[assign_split(row, data.split)].append(row)
    shards: dict[tuple[str, int, int], list[Utterance]] = {}
    for split, rows in by_split.items():
        of = shard_count(len(rows))
        shards |= {(split, number, of): [] for number in range(of)}
        for row in rows:  # by recording, so that one worker reads a long recording's many pieces
            shards[split, int(hash_unit(f"shard {row.uri}") * of), of].append(row)
    return list(shards.items())


def _content_line(row: Utterance, sha256: str) -> bytes:
    """What the digest covers of a row: all but its path."""
    content = {
        "id": row.id,
        "uri": row.uri,
        "label": row.label,
        "speaker": row.speaker,
        "split_key": row.split_key,
        "offset_s": row.offset_s,
        "duration_s": row.duration_s,
        "metadata": row.metadata,
        "sha256": sha256,
    }
    return _line(content)


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_KEY_DIGITS]


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"


def write_whole(path: Path | Location, content: bytes) -> None:
    """`path` has `content`, or what it had before; its folder is made."""
    storage, name = storage_of(str(path))
    with storage.create(name) as file:
        file.write(content)
