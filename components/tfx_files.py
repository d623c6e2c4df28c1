"""TFX's own reading and writing of `gs://` and `s3://`, over `components/storage`.

TFX asks a file system by the scheme of a path. Without this one it would ask TensorFlow's, which
reads `s3://` only with another package, and knows neither our patience nor our words. Who imports
this module has it registered; `components.artifacts` does, which every step of ours imports.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tfx.dsl.io import filesystem
from tfx.dsl.io.filesystem_registry import DEFAULT_FILESYSTEM_REGISTRY

from components.storage.location import Location, location_of

_BEFORE_TENSORFLOW = 0  # whose own file system has 10
_Path = str | bytes


class Status(NamedTuple):
    """What TFX asks of a file; `length` in bytes."""

    length: int


class StoreFilesystem(filesystem.Filesystem):
    """Files in object stores. A folder is what has files below it: making one does nothing."""

    SUPPORTED_SCHEMES = ("gs://", "s3://")

    @staticmethod
    def open(name: _Path, mode: str = "r") -> Any:
        place = _located(name)
        if mode.rstrip("b") not in ("r", "w"):
            raise ValueError(f"{place}: files of a store are read or written whole, got {mode!r}")
        if "w" in mode:
            return _Draft(place) if "b" in mode else _TextDraft(_Draft(place), "utf-8")
        with _translated():
            content = place.open()
        return content if "b" in mode else io.TextIOWrapper(content, "utf-8")

    @staticmethod
    def copy(src: _Path, dst: _Path, overwrite: bool = False) -> None:
        target = _located(dst)
        if not overwrite and target.is_present():
            raise OSError(f"{target} is there already")
        with _translated():
            _located(src).copy_to(target)

    @staticmethod
    def exists(path: _Path) -> bool:
        return _located(path).is_present() or StoreFilesystem.isdir(path)

    @staticmethod
    def glob(pattern: _Path) -> list[str]:
        place = _located(pattern)
        bucket = place
        while bucket.parent.name:
            bucket = bucket.parent
        return [str(found) for found in bucket.matching(place.relative_to(bucket))]

    @staticmethod
    def isdir(path: _Path) -> bool:
        return _located(path).has_files()

    @staticmethod
    def listdir(path: _Path) -> list[str]:
        files, folders = _located(path).children()
        return files + folders

    @staticmethod
    def makedirs(path: _Path) -> None:
        """Nothing: see the class."""

    @staticmethod
    def mkdir(path: _Path) -> None:
        """Nothing: see the class."""

    @staticmethod
    def remove(path: _Path) -> None:
        _located(path).delete()

    @staticmethod
    def rename(src: _Path, dst: _Path, overwrite: bool = False) -> None:
        StoreFilesystem.copy(src, dst, overwrite)
        _located(src).delete()

    @staticmethod
    def rmtree(path: _Path) -> None:
        _located(path).delete_all()

    @staticmethod
    def stat(path: _Path) -> Status:
        place = _located(path)
        if (entry := place.entry()) is None:
            raise filesystem.NotFoundError(f"there is no {place}")
        return Status(entry.size_bytes)

    @staticmethod
    def walk(
        top: _Path, topdown: bool = True, onerror: Callable[..., None] | None = None
    ) -> Iterator[tuple[str, list[str], list[str]]]:
        return _walk(_located(top), topdown)


class _Draft(io.BytesIO):
    """What is written; put into the store when it is closed, unless an error came before."""

    def __init__(self, place: Location) -> None:
        super().__init__()
        self._place = place

    def write(self, content: Any) -> int:
        """Bytes, or a text, which TensorFlow takes for a binary file too, and TFX gives it."""
        return super().write(content.encode() if isinstance(content, str) else content)

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is not None:
            self.abandon()
        self.close()

    def abandon(self) -> None:
        super().close()

    def close(self) -> None:
        if not self.closed:
            self._place.put(self.getvalue())
        super().close()


class _TextDraft(io.TextIOWrapper):
    """The same for text."""

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is not None:
            self.detach().abandon()  # type: ignore[attr-defined]
        else:
            self.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """What is not there, as TFX says it."""
    try:
        yield
    except FileNotFoundError as error:
        raise filesystem.NotFoundError(*error.args) from error


def _walk(place: Location, topdown: bool) -> Iterator[tuple[str, list[str], list[str]]]:
    files, folders = place.children()
    if topdown:
        yield str(place), folders, files
    for name in folders:
        yield from _walk(place / name, topdown)
    if not topdown:
        yield str(place), folders, files


def _located(path: _Path) -> Location:
    return location_of(path.decode() if isinstance(path, bytes) else path)


DEFAULT_FILESYSTEM_REGISTRY.register(StoreFilesystem, _BEFORE_TENSORFLOW)
