"""The examples of ingest on disk: TFRecord files, in a folder for each split."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from schemas.tfrecord import read_records


def split_files(splits: Iterable[str | Path]) -> list[Path]:
    """The files in the folders of splits, in order."""
    return [file for split in splits for file in sorted(Path(split).glob("*tfrecord*"))]


def read_files(files: Iterable[str | Path]) -> Iterator[bytes]:
    """The records of `files`, one file after the other.

    Raises:
        AuricleError: a checksum is wrong or a file ends inside a record.
    """
    return itertools.chain.from_iterable(map(read_records, files))
