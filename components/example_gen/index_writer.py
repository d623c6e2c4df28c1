"""Writes the index of a data set, and lays its rows out in shards."""

import hashlib
import itertools
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from components.example_gen.index import (
    INDEX_FORMAT,
    IndexRef,
    index_file,
    index_line,
)
from components.example_gen.row_file import in_order, kept, picked
from components.example_gen.shard_entry import LABELS, Shard, TargetFeatures
from components.example_gen.sources import Listing
from components.example_gen.splits import hash_unit, numbers_by_split, split_by
from components.storage.contents import digest_files
from components.storage.location import Location
from components.tasks import feeding
from schemas.example import FeatureValue
from schemas.utterance import Utterance
from schemas.workflow.data import Data

# 1 s clips at 16 kHz make shards of 128 MiB, the size TensorFlow's readers and Beam's workers like.
_MOST_ROWS_IN_SHARD = 4096
# Small data sets are still divided, so that a few workers have something to do.
_FEWEST_ROWS_IN_SHARD = 512
_SHARDS_FOR_SMALL_DATA = 16
_KEY_DIGITS = 32
_ROWS_AT_ONCE = 20_000


def write_index(
    listing: Listing, data: Data, directory: Path | Location, cache_path: Path | None = None
) -> IndexRef:
    """Writes `index-<digest>.jsonl` into `directory`, which reads what files have changed.

    The digest covers ids, labels, speakers, splits, the content of every file, bad rows and the
    settings of generated speech; not where files lie, when they changed, or the order of rows.

    Raises:
        OSError: the directory cannot be written.
    """
    rows = listing.utterances
    if any(row.id > after.id for row, after in itertools.pairwise(rows)):  # windows of recordings
        rows = kept(in_order(rows, lambda row: row.id))
    contents = _contents(rows, cache_path)
    targeting = feeding.features(listing.task)
    digest = hashlib.sha256()
    table = []
    start = 0
    with tempfile.TemporaryFile() as lines:
        for (split, number, of), numbers in _lay_out(rows, data):
            length = 0
            shard_digest = hashlib.sha256()
            found = zip(picked(rows, numbers), contents[numbers].tolist(), strict=True)
            for row, sha256 in found:
                content = _content_line(row, targeting.encode_target(row.target), sha256.decode())
                digest.update(content)
                # What cannot be read now may be readable next time: it is never known again.
                key = _key(content) if sha256 or not row.path else ""
                shard_digest.update(key.encode() or uuid.uuid4().bytes)
                length += lines.write(_line(row, key, content))
            digest.update(split.encode())
            key = shard_digest.hexdigest()[:_KEY_DIGITS]
            table.append(asdict(Shard(split, number, of, start, length, len(numbers), key)))
            start += length
        rejects = [index_line(reject.model_dump()) for reject in listing.rejects]
        header = _header(listing, data, targeting)
        digest.update(b"".join([index_line(header), *rejects]))
        header |= {"shards": table, "rejects_start": start, "bad_rows": len(rejects)}
        place = index_file(directory, digest.hexdigest())
        lines.seek(0)
        with place.create() as file:
            file.write(index_line(header))
            shutil.copyfileobj(lines, file)
            file.write(b"".join(rejects))
    return IndexRef(str(place), digest.hexdigest())


def _header(listing: Listing, data: Data, targeting: feeding.Features) -> dict[str, object]:
    """What the digest covers of the first line."""
    header: dict[str, object] = {
        "format": INDEX_FORMAT,
        "split_by": split_by(listing.utterances, data.split),
        "generated": listing.generated.model_dump(mode="json") if listing.generated else None,
    }
    target = TargetFeatures(targeting.FEATURES, targeting.GROUPED_BY, targeting.VARIABLE_LENGTH)
    if target != LABELS:  # which an index had before there were other targets
        header["target"] = asdict(target)
    return header


def _line(row: Utterance, key: str, content: bytes) -> bytes:
    """A row: where it lies, and its content."""
    place: dict[str, object] = {"path": row.path, "key": key}
    if row.seen:
        place["seen"] = row.seen
    return b"%b, %b" % (json.dumps(place).encode()[:-1], content[1:])


def _contents(rows: Sequence[Utterance], cache_path: Path | None) -> np.ndarray:
    """What stands for the content of each row's file, bytes [rows]: what its store said of it, or
    its digest. Empty for a file that cannot be read: its worker will say why.
    """
    blocks = [np.zeros(0, np.bytes_)]
    known: dict[str, str] = {}
    left = iter(rows)
    while some := list(itertools.islice(left, _ROWS_AT_ONCE)):
        paths = {row.path for row in some if row.path and not _is_seen(row)}
        # Of the rows before, those of the last files may go on.
        known = {path: known[path] for path in paths & known.keys()}
        known |= digest_files(paths - known.keys(), cache_path)
        said = (row.seen.digest if row.seen else "" for row in some)
        found = [each or known.get(row.path, "") for each, row in zip(said, some, strict=True)]
        blocks.append(np.array(found, np.bytes_))
    return np.concatenate(blocks)


def shard_count(rows: int) -> int:
    """How many files `rows` clips of a split are divided into; depends on nothing else.

    >>> shard_count(0), shard_count(100), shard_count(1600), shard_count(1_000_000)
    (0, 1, 3, 245)
    """
    small = min(_SHARDS_FOR_SMALL_DATA, -(-rows // _FEWEST_ROWS_IN_SHARD))
    return max(small, -(-rows // _MOST_ROWS_IN_SHARD))


def _lay_out(
    rows: Sequence[Utterance], data: Data
) -> Iterator[tuple[tuple[str, int, int], np.ndarray]]:
    """(split, number, of) of each shard with the numbers of its rows, in order; a shard may have
    none.
    """
    # By recording, so that one worker reads a long recording's many pieces.
    places = np.fromiter((hash_unit(f"shard {row.uri}") for row in rows), np.float64)
    for split, numbers in numbers_by_split(rows, data.split).items():
        of = shard_count(len(numbers))
        shards = (places[numbers] * of).astype(np.int64)
        order = np.argsort(shards, kind="stable")
        ends = np.searchsorted(shards[order], np.arange(of + 1))
        for number in range(of):
            yield (split, number, of), numbers[order[ends[number] : ends[number + 1]]]


def _content_line(row: Utterance, target: Mapping[str, FeatureValue], sha256: str) -> bytes:
    """What the digest covers of a row: all but its path."""
    content: dict[str, object] = {
        "id": row.id,
        "uri": row.uri,
        **target,
        "speaker": row.speaker,
        "split_key": row.split_key,
        "offset_s": row.offset_s,
        "duration_s": row.duration_s,
        "metadata": row.metadata,
        "sha256": sha256,
    }
    if row.channel is not None:  # else the line is that of before rows named channels
        content["channel"] = row.channel
    return index_line(content)


def _is_seen(row: Utterance) -> bool:
    """Whether its store said what stands for its content."""
    return row.seen is not None and bool(row.seen.digest)


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_KEY_DIGITS]
