"""Writes the index of a data set, and lays its rows out in shards."""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from components.example_gen.index import (
    INDEX_FORMAT,
    IndexRef,
    index_file,
    index_line,
    write_whole,
)
from components.example_gen.shard_entry import LABELS, Shard, TargetFeatures
from components.example_gen.sources import Listing
from components.example_gen.splits import divide, hash_unit, split_by
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


def write_index(
    listing: Listing, data: Data, directory: Path | Location, cache_path: Path | None = None
) -> IndexRef:
    """Writes `index-<digest>.jsonl` into `directory`, which reads what files have changed.

    The digest covers ids, labels, speakers, splits, the content of every file, bad rows and the
    settings of generated speech; not where files lie, when they changed, or the order of rows.

    Raises:
        OSError: the directory cannot be written.
    """
    # Empty for a file that cannot be read: its worker will say why.
    unseen = {row.path for row in listing.utterances if row.path and not _is_seen(row)}
    contents = digest_files(unseen, cache_path)
    shards = _lay_out(listing.utterances, data)
    targeting = feeding.features(listing.task)
    digest = hashlib.sha256()
    lines: list[bytes] = []
    table = []
    start = 0
    for (split, number, of), rows in shards:
        block = []
        shard_digest = hashlib.sha256()
        for row in rows:
            sha256 = row.seen.digest if row.seen else ""
            sha256 = sha256 or contents.get(row.path, "")
            content = _content_line(row, targeting.encode_target(row.target), sha256)
            digest.update(content)
            # What cannot be read now may be readable next time: it is never known again.
            key = _key(content) if sha256 or not row.path else ""
            shard_digest.update(key.encode() or uuid.uuid4().bytes)
            place: dict[str, object] = {"path": row.path, "key": key}
            if row.seen:
                place["seen"] = row.seen
            block.append(b"%b, %b" % (json.dumps(place).encode()[:-1], content[1:]))
        digest.update(split.encode())
        text = b"".join(block)
        shard = Shard(
            split, number, of, start, len(text), len(rows), shard_digest.hexdigest()[:_KEY_DIGITS]
        )
        table.append(asdict(shard))
        lines.append(text)
        start += len(text)
    rejects = [index_line(reject.model_dump()) for reject in listing.rejects]
    header: dict[str, object] = {
        "format": INDEX_FORMAT,
        "split_by": split_by(listing.utterances, data.split),
        "generated": listing.generated.model_dump(mode="json") if listing.generated else None,
    }
    target = TargetFeatures(targeting.FEATURES, targeting.GROUPED_BY, targeting.VARIABLE_LENGTH)
    if target != LABELS:  # which an index had before there were other targets
        header["target"] = asdict(target)
    digest.update(b"".join([index_line(header), *rejects]))
    header |= {"shards": table, "rejects_start": start, "bad_rows": len(rejects)}
    file = index_file(directory, digest.hexdigest())
    write_whole(file, b"".join([index_line(header), *lines, *rejects]))
    return IndexRef(str(file), digest.hexdigest())


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
    shards: dict[tuple[str, int, int], list[Utterance]] = {}
    by_split = divide(sorted(utterances, key=lambda row: row.id), data.split)
    for split, rows in by_split.items():
        of = shard_count(len(rows))
        shards |= {(split, number, of): [] for number in range(of)}
        for row in rows:  # by recording, so that one worker reads a long recording's many pieces
            shards[split, int(hash_unit(f"shard {row.uri}") * of), of].append(row)
    return list(shards.items())


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
