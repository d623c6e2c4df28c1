"""Where something is: a storage and a name in it, found from a path or a URI."""

import hashlib
import os
import posixpath
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from components.storage.interface import Entry, Storage, Stored, Writer
from components.storage.local import LocalStorage

_BLOCK_BYTES = 1 << 20
_LOCAL = LocalStorage()


def _open_gcs() -> Storage:
    from components.storage.gcs import GcsStorage

    return GcsStorage()


def _open_s3() -> Storage:
    from components.storage.s3 import S3Storage

    return S3Storage()


# Makes the storage of a scheme when a URI of it is first met, so that its client loads late.
_SCHEMES: dict[str, Callable[[], Storage]] = {"gs": _open_gcs, "s3": _open_s3}
_made: dict[str, Storage] = {}


def register_scheme(scheme: str, make: Callable[[], Storage]) -> None:
    """URIs that begin with `<scheme>://` are names in the storage that `make` returns."""
    _SCHEMES[scheme] = make
    _made.pop(scheme, None)


def storage_of(uri: str | Path) -> tuple[Storage, str]:
    """The storage that `uri` lies in, and its name there; what has no scheme is a local path.

    Raises:
        ValueError: no storage is known for its scheme.
    """
    scheme, separator, name = str(uri).partition("://")
    if not separator:
        return _LOCAL, str(uri)
    if scheme not in _SCHEMES:
        known = ", ".join(sorted(_SCHEMES)) or "none"
        raise ValueError(f"{uri}: no storage for {scheme}://; known: local paths, and {known}")
    if scheme not in _made:
        _made[scheme] = _SCHEMES[scheme]()
    return _made[scheme], name.rstrip("/")  # of a folder that is written with a slash


def location_of(place: "str | Path | Location") -> "Location":
    """The location of a path or a URI.

    Raises:
        ValueError: no storage is known for its scheme.
    """
    return place if isinstance(place, Location) else Location(*storage_of(place))


class Location:
    """A file or folder in a storage; what it can do is documented at `Storage`."""

    __slots__ = ("_name", "storage")

    def __init__(self, storage: Storage, name: str) -> None:
        self.storage = storage
        self._name = name

    def __truediv__(self, inside: str | int) -> "Location":
        return Location(self.storage, f"{self._name}/{inside}")

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return location_of, (str(self),)  # in another process, of the storage that it has there

    def __str__(self) -> str:
        return self.storage.uri(self._name)

    def __repr__(self) -> str:
        return f"Location({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Location) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self._name).name

    @property
    def parent(self) -> "Location":
        """The folder that it lies in."""
        return Location(self.storage, os.path.dirname(self._name))  # noqa: PTH120 - not local

    @property
    def path(self) -> Path:
        """The local path.

        Raises:
            ValueError: it has none; `local_copy` makes one.
        """
        if not self.is_local:
            raise ValueError(f"{self} is not on this machine")
        return Path(self._name)

    @property
    def is_local(self) -> bool:
        """Whether it has a local path."""
        return isinstance(self.storage, LocalStorage)

    def is_in(self, folder: "Location") -> bool:
        """Whether it is `folder`, or below it, by its name."""
        top = folder._name.rstrip("/")
        return self.storage is folder.storage and (
            not folder._name or self._name == top or self._name.startswith(f"{top}/")
        )

    def normalised(self) -> "Location":
        """The same without `.` and `..` in its name; links are taken as they are."""
        return Location(self.storage, posixpath.normpath(self._name))

    def relative_to(self, folder: "Location") -> str:
        """Its name from a folder that it is in; empty of the folder itself."""
        return self._name[len(folder._name) :].lstrip("/")

    def open(self) -> BinaryIO:
        return self.storage.open(self._name)

    def read(self) -> bytes:
        return self.storage.read(self._name).content

    def stored(self) -> Stored:
        """The content with its generation."""
        return self.storage.read(self._name)

    def put(self, content: bytes, *, if_match: str | None = None) -> str:
        return self.storage.put(self._name, content, if_match=if_match)

    def create(self, scratch: str | None = None) -> AbstractContextManager[Writer]:
        return self.storage.create(self._name, scratch)

    def append(self, content: bytes) -> None:
        self.storage.append(self._name, content)

    def entry(self) -> Entry | None:
        return self.storage.entry(self._name)

    def is_present(self) -> bool:
        return self.storage.entry(self._name) is not None

    def has_files(self) -> bool:
        """Whether there is a file below this folder."""
        return next(self.entries(), None) is not None

    def files(self) -> Iterator[tuple[str, "Location"]]:
        """Each file below this folder: its name from here, and its location."""
        for inside, entry in self.entries():
            yield inside, Location(self.storage, entry.name)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Each file below this folder: its name from here, and its entry."""
        for entry in self.storage.list_files(self._name):
            inside = entry.name[len(self._name) + 1 :]
            if inside not in self.storage.own_files:
                yield inside, entry

    def irregular(self) -> list[str]:
        return self.storage.irregular(self._name)

    def scan(self) -> Iterator[Entry | str]:
        return self.storage.scan(self._name)

    def children(self) -> tuple[list[str], list[str]]:
        return self.storage.children(self._name)

    def oddities(self) -> dict[str, str]:
        return self.storage.oddities(self._name)

    def matching(self, pattern: str) -> list["Location"]:
        return [self / name for name in self.storage.glob(self._name, pattern)]

    def delete(self) -> None:
        self.storage.delete(self._name)

    def delete_all(self) -> None:
        self.storage.delete_all(self._name)

    def copy_to(self, target: "Location") -> None:
        """`target` has the content of this file; through this process between two storages."""
        if target.storage is self.storage:
            self.storage.copy(self._name, target._name)
        else:
            with self.open() as source, target.create() as copy:
                while block := source.read(_BLOCK_BYTES):
                    copy.write(block)

    def digest(self) -> str:
        return self.storage.digest(self._name)

    def sha256(self) -> str:
        """SHA-256 of the file's content, in hex, which is read."""
        digest = hashlib.sha256()
        with self.open() as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()

    def stage(self) -> AbstractContextManager[Path]:
        return self.storage.stage(self._name)

    def publish(self, staged: Path, manifest: str) -> None:
        self.storage.publish(staged, self._name, manifest)

    def published(self, manifest: str) -> list[str]:
        return self.storage.published(self._name, manifest)

    def withdraw(self, manifest: str) -> None:
        self.storage.withdraw(self._name, manifest)

    def sweep(self, manifest: str) -> int:
        return self.storage.sweep(self._name, manifest)

    def lease(self) -> AbstractContextManager[None]:
        return self.storage.lease(self._name)

    def is_held(self) -> bool:
        return self.storage.is_held(self._name)

    def local_copy(self) -> AbstractContextManager[Path]:
        return self.storage.local_copy(self._name)

    def local_draft(self, last: str = "") -> AbstractContextManager[Path]:
        return self.storage.local_draft(self._name, last)
