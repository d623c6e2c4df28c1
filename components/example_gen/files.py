"""Ingest's files in any storage; says in words that a disk is full."""

import contextlib
import errno
from collections.abc import Iterator
from typing import BinaryIO

from components.storage.interface import Writer
from components.storage.location import location_of, storage_of
from schemas.errors import RunDirectoryError


def open_uncompressed(uri: str) -> BinaryIO:
    """A seekable binary file, open for reading."""
    return location_of(uri).open()


@contextlib.contextmanager
def whole_file(folder: str, name: str, scratch: str) -> Iterator[Writer]:
    """Writes `<folder>/<name>`, which is there, whole, when the block has ended.

    What is unfinished lies in `scratch`: a folder that no reader lists, in the same storage. An
    error inside the block leaves nothing behind; a file of that name is replaced.

    Raises:
        RunDirectoryError: there is no room left.
        OSError: the storage refuses for another reason.
    """
    storage, path = storage_of(f"{folder}/{name}")
    with _naming_full_disks(path), storage.create(path, storage_of(scratch)[1]) as file:
        yield file


def link_or_copy(source: str, folder: str, name: str) -> None:
    """`<folder>/<name>` with the content of `source`, which is never written again.

    Shares the blocks of `source` where the storage can; a file of that name is replaced.

    Raises:
        RunDirectoryError: there is no room left.
        OSError: the storage refuses for another reason.
    """
    target = f"{folder}/{name}"
    with _naming_full_disks(target):
        location_of(source).copy_to(location_of(target))


def delete_files(uris: list[str]) -> None:
    """Deletes files; those that are not there count as deleted."""
    for uri in uris:
        with contextlib.suppress(OSError):
            location_of(uri).delete()


def delete_folder(uri: str) -> None:
    """Deletes a folder; one that is not there counts as deleted."""
    with contextlib.suppress(OSError):
        location_of(uri).delete_all()


@contextlib.contextmanager
def _naming_full_disks(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunDirectoryError(f"no room left to write {path}: {error.strerror}") from error
        raise
