"""Finished shards, kept where the next ingest finds them, so that it redoes only what changed.

A stored shard is a data file, the TFRecords themselves, and a ledger: an entry for each row with
its key, where its record is, or why it was rejected. The ledger is written last and commits the
shard, so an ingest that was killed leaves whole shards or nothing. A shard with the same rows is
taken over as it is; of one with other rows, every record whose row is the same, in blocks. Nothing
is believed without its checksum, which each record has; the ledger has one of all of those. What
was damaged is made again.
"""

import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from components.example_gen.files import (
    delete_files,
    delete_folder,
    open_uncompressed,
    whole_file,
)
from components.example_gen.shard_entry import Block, Entry, Shard
from components.storage.location import location_of
from schemas.tfrecord import CHECKSUM_BYTES, crc32c, is_framed, unframe_record

_UNFINISHED = ".unfinished"
_DATA = ".tfrecord"
_BLOCK_BYTES = 1 << 20  # that are read at once, or a record more


@dataclass(frozen=True)
class StoredShard:
    """A finished shard: where its data file is, and its entries in the order of the rows."""

    data_uri: str
    entries: list[Entry]


class ShardStore:
    """The stored shards in the folder `uri`; only those of the same `settings` are seen."""

    def __init__(self, uri: str, settings: str) -> None:
        self._uri = uri
        self._settings = settings
        self._scratch = f"{uri}/{_UNFINISHED}"

    def find(self, shard: Shard) -> StoredShard | None:
        """The stored shard with the very rows of `shard`, where there is one and it is whole."""
        name = self._name(shard)
        checksum, entries = self._read_ledger(name)
        if checksum is None or not _is_whole(self._data_uri(name), entries, checksum):
            return None
        return StoredShard(self._data_uri(name), entries)

    def write(self, shard: Shard, blocks: Iterable[Block]) -> StoredShard:
        """Stores the entries of all rows with their framed records."""
        name, entries, start, checksum = self._name(shard), [], 0, 0
        with whole_file(self._uri, f"{name}{_DATA}", self._scratch) as file:
            for block, records in blocks:
                file.write(records)
                checksum = crc32c(_checksums(block, records), checksum)
                for entry in block:
                    entries.append(entry._replace(start=start))
                    start += entry.length
        ledger = json.dumps(entries).encode()
        with whole_file(self._uri, f"{name}.jsonl", self._scratch) as file:
            file.write(b"%d %d\n%b" % (checksum, crc32c(ledger), ledger))
        return StoredShard(self._data_uri(name), entries)

    def entries(self, shard: Shard) -> list[Entry]:
        """What became of the rows of a stored shard."""
        return self._read_ledger(self._name(shard))[1]

    def read(self, shard: Shard, entry: Entry) -> bytes:
        """The framed record of an entry of a stored shard."""
        with open_uncompressed(self._data_uri(self._name(shard))) as file:
            file.seek(entry.start)
            framed: bytes = file.read(entry.length)
        return framed

    @contextmanager
    def earlier(self, shard: Shard) -> Iterator["EarlierRecords"]:
        """The rows of other stored shards that may also be rows of `shard`."""
        records = EarlierRecords()
        try:
            for name in self._names(f"{self._settings}-"):
                _, number, of, _ = name.split("-")
                if _overlap(shard, int(number), int(of)):
                    records.add(self._data_uri(name), self._read_ledger(name)[1])
            yield records
        finally:
            records.close()

    def keep_only(self, shards: Iterable[Shard]) -> None:
        """Deletes every other shard, and what a killed ingest left half written."""
        kept = {self._name(shard) for shard in shards}
        gone = [name for name in self._names() if name not in kept]
        delete_files([self._data_uri(name) for name in gone])
        delete_files([self._ledger_uri(name) for name in gone])
        delete_folder(self._scratch)

    def _name(self, shard: Shard) -> str:
        return f"{self._settings}-{shard.number}-{shard.of}-{shard.digest}"

    def _names(self, prefix: str = "") -> list[str]:
        files, _ = location_of(self._uri).children()
        stems = [file.removesuffix(_DATA) for file in files if file.endswith(_DATA)]
        return [stem for stem in stems if stem.startswith(prefix)]

    def _read_ledger(self, name: str) -> tuple[int | None, list[Entry]]:
        """Checksum of the records' own, and the entries; None where there is no whole ledger."""
        try:
            with open_uncompressed(self._ledger_uri(name)) as file:
                checksums, _, ledger = file.read().partition(b"\n")
        except OSError:
            return None, []
        of_data, _, of_ledger = checksums.partition(b" ")
        if of_ledger != b"%d" % crc32c(ledger):
            return None, []
        return int(of_data), [Entry(*values) for values in json.loads(ledger)]

    def _data_uri(self, name: str) -> str:
        return f"{self._uri}/{name}{_DATA}"

    def _ledger_uri(self, name: str) -> str:
        return f"{self._uri}/{name}.jsonl"


def drop_records(
    uri: str, is_dropped: Callable[[bytes], bool], dropped_keys: frozenset[str] = frozenset()
) -> int:
    """Takes records and the entries of `dropped_keys` out of all shards in the folder `uri`; says
    of how many rows.

    What is left of a shard is stored under another name: it has no longer the rows that its name
    stands for, but each of them is found by the next ingest. A damaged shard is deleted. Only to be
    called while nobody ingests there.
    """
    dropped = 0
    delete_folder(f"{uri}/{_UNFINISHED}")
    for name in ShardStore(uri, "")._names():
        settings, number, of, _ = name.split("-")
        store = ShardStore(uri, settings)
        checksum, entries = store._read_ledger(name)
        is_whole = checksum is not None and _is_whole(store._data_uri(name), entries, checksum)
        kept = list(_kept(store._data_uri(name), entries, is_dropped, dropped_keys, is_whole))
        if is_whole and len(kept) == len(entries):
            continue
        dropped += len(entries) - len(kept)
        if kept:
            rest = Shard("", int(number), int(of), 0, 0, len(kept), uuid.uuid4().hex)
            store.write(rest, kept)
        delete_files([store._data_uri(name), store._ledger_uri(name)])
    return dropped


def _kept(
    data_uri: str,
    entries: list[Entry],
    is_dropped: Callable[[bytes], bool],
    dropped_keys: frozenset[str],
    is_whole: bool,
) -> Iterator[Block]:
    if not is_whole:
        return
    with open_uncompressed(data_uri) as file:
        for entry in entries:
            file.seek(entry.start)
            framed = file.read(entry.length)
            is_hers = bool(framed) and is_dropped(unframe_record(framed))
            if not is_hers and entry.key not in dropped_keys:
                yield [entry], framed


class EarlierRecords:
    """What earlier ingests made of rows, by the rows' keys."""

    def __init__(self) -> None:
        self.taken = 0
        self._found: dict[str, tuple[Entry, str]] = {}
        self._files: dict[str, BinaryIO] = {}

    def add(self, data_uri: str, entries: Iterable[Entry]) -> None:
        """Adds a stored shard."""
        self._found |= {entry.key: (entry, data_uri) for entry in entries if entry.key}

    def __contains__(self, key: str) -> bool:
        """Whether the row `key` is known; its record may still turn out to be damaged."""
        return key in self._found

    def take(self, keys: Iterable[str]) -> Iterator[tuple[list[Entry], bytes | None]]:
        """The entries of the rows `keys`, all of which are known, in their order, and their framed
        records: as many at a time as lie together. None of an entry whose record is damaged.
        """
        found = (self._found[key] for key in keys)
        for uri, some in itertools.groupby(found, key=lambda found: found[1]):
            for block in _blocks(entry for entry, _ in some):
                records = self._read(uri, block)
                parts = [(block, records)]
                if records is None and len(block) > 1:
                    parts = [([entry], self._read(uri, [entry])) for entry in block]
                self.taken += sum(len(part) for part, records in parts if records is not None)
                yield from parts

    def _read(self, uri: str, block: list[Entry]) -> bytes | None:
        if not any(entry.length for entry in block):
            return b""
        try:
            if uri not in self._files:
                self._files[uri] = open_uncompressed(uri)
            return _read_block(self._files[uri], block)
        except OSError:
            return None

    def close(self) -> None:
        """Closes the data files."""
        for file in self._files.values():
            file.close()


def _overlap(shard: Shard, number: int, of: int) -> bool:
    """Whether rows of shard `number` of `of` may be rows of `shard`: both are cut from [0, 1)."""
    return (
        number * shard.of < (shard.number + 1) * of and (number + 1) * shard.of > shard.number * of
    )


def _is_whole(uri: str, entries: list[Entry], checksum: int) -> bool:
    """Whether a data file has the records of `entries`, undamaged, and nothing else."""
    found, end = 0, 0
    try:
        with open_uncompressed(uri) as file:
            for block in _blocks(entries):
                if (records := _read_block(file, block)) is None:
                    return False
                found = crc32c(_checksums(block, records), found)
                end += len(records)
            file.seek(end)
            return found == checksum and not file.read(1)
    except OSError:
        return False


def _blocks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries, as many at a time as lie together, up to so many bytes that a read is worth it.

    What is copied in blocks costs a third of what is copied record by record.
    """
    block: list[Entry] = []
    end = size = 0
    for entry in entries:
        if block and (size >= _BLOCK_BYTES or (entry.length and size and entry.start != end)):
            yield block
            block, size = [], 0
        block.append(entry)
        if entry.length:
            end, size = entry.start + entry.length, size + entry.length
    if block:
        yield block


def _read_block(file: BinaryIO, block: list[Entry]) -> bytes | None:
    """The framed records of entries that lie together; None where one is damaged."""
    lengths = [entry.length for entry in block if entry.length]
    start = next((entry.start for entry in block if entry.length), 0)
    file.seek(start)
    records = file.read(sum(lengths))
    ends = itertools.accumulate(lengths)
    if all(
        is_framed(records[end - length : end]) for end, length in zip(ends, lengths, strict=True)
    ):
        return records
    return None


def _checksums(block: list[Entry], records: bytes) -> bytes:
    """The checksums that end the framed records of a block."""
    ends = itertools.accumulate(entry.length for entry in block if entry.length)
    return b"".join([records[end - CHECKSUM_BYTES : end] for end in ends])
