"""The examples of ingest: TFRecord files in a folder for each split, on a disk or in a store."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from components.storage.location import Location, location_of
from schemas.errors import AuricleError
from schemas.tfrecord import read_open_records


def split_files(splits: Iterable[str | Path | Location]) -> list[Location]:
    """The files in the folders of splits, in order."""
    return [file for split in splits for file in location_of(split).matching("*tfrecord*")]


def read_files(files: Iterable[str | Path | Location]) -> Iterator[bytes]:
    """The records of `files`, one file after the other.

    Raises:
        AuricleError: a checksum is wrong or a file ends inside a record.
    """
    return itertools.chain.from_iterable(map(read_file, files))


def read_file(file: str | Path | Location) -> Iterator[bytes]:
    """The records of one file; raises as `read_files`."""
    place = location_of(file)
    with place.open() as content:
        yield from read_open_records(content, str(place))


def read_record(file: str | Path | Location, offset: int) -> bytes:
    """The record that begins at byte `offset` of a file; nothing before it is read.

    Raises:
        AuricleError: a checksum is wrong, or the file ends before or inside the record.
    """
    place = location_of(file)
    with place.open() as content:
        content.seek(offset)
        for record in read_open_records(content, f"{place}, from byte {offset:,} on"):
            return record
    raise AuricleError(f"{place}: no record at byte {offset:,}")
