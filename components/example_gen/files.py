"""Files that are there whole or not at all, on any file system that Beam knows."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from schemas.errors import RunDirectoryError

_BUFFER_BYTES = 1 << 20


def open_uncompressed(uri: str) -> Any:
    """A seekable binary file, open for reading."""
    return FileSystems.open(uri, compression_type=CompressionTypes.UNCOMPRESSED)


class WholeFile:
    """Writes `<folder>/<name>` under another name and renames it when it is complete.

    The other name lies in `scratch`: a folder that no reader lists, on the same file system. An
    error inside the block leaves nothing behind; a file of that name is replaced.

    Raises:
        RunDirectoryError: there is no room left.
        OSError: the file system refuses for another reason.
    """

    def __init__(self, folder: str, name: str, scratch: str) -> None:
        self._folder = folder
        self._path = FileSystems.join(folder, name)
        self._unfinished = FileSystems.join(scratch, f"{name}.{uuid.uuid4().hex}")
        self._parts: list[bytes] = []
        self._held_bytes = 0

    def __enter__(self) -> "WholeFile":
        with _naming_full_disks(self._path):
            self._file: BinaryIO = FileSystems.create(
                self._unfinished, compression_type=CompressionTypes.UNCOMPRESSED
            )
        return self

    def write(self, content: bytes) -> None:
        """Appends `content`; held in memory until there is enough to write."""
        self._parts.append(content)
        self._held_bytes += len(content)
        if self._held_bytes >= _BUFFER_BYTES:
            self._flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                with _naming_full_disks(self._path):
                    self._flush()
                    self._file.close()
                    make_folder(self._folder)
                    FileSystems.rename([self._unfinished], [self._path])
        except BaseException:
            self._discard()
            raise
        if error is not None:
            self._discard()

    def _flush(self) -> None:
        with _naming_full_disks(self._path):
            self._file.write(b"".join(self._parts))
        self._parts.clear()
        self._held_bytes = 0

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            FileSystems.delete([self._unfinished])


def link_or_copy(source: str, folder: str, name: str) -> None:
    """`<folder>/<name>` with the content of `source`, which is never written again.

    Shares the blocks of `source` where the file system can; a file of that name is replaced.

    Raises:
        RunDirectoryError: there is no room left.
        OSError: the file system refuses for another reason.
    """
    target = FileSystems.join(folder, name)
    with _naming_full_disks(target):
        make_folder(folder)
        unfinished = f"{source}.{uuid.uuid4().hex}"
        try:
            os.link(source, unfinished)  # on object stores there is no such path
        except OSError:
            FileSystems.copy([source], [unfinished])
        try:
            FileSystems.rename([unfinished], [target])
        finally:  # a link renamed over another link to the same file stays where it is
            delete_files([unfinished])


def delete_files(uris: list[str]) -> None:
    """Deletes files and folders; those that are not there count as deleted."""
    for uri in uris:
        with contextlib.suppress(OSError):
            FileSystems.delete([uri])


def make_folder(uri: str) -> None:
    """The folder is there."""
    try:
        FileSystems.mkdirs(uri)
    except OSError:  # another worker was first; object stores have no folders
        if not FileSystems.exists(uri):
            raise


@contextlib.contextmanager
def _naming_full_disks(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunDirectoryError(f"no room left to write {path}: {error.strerror}") from error
        raise
