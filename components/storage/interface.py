"""What every storage can do, and the errors that a caller can meet."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

ABSENT = ""  # the generation of what is not there


class StaleError(Exception):
    """The file is not of the generation that the caller expected: another process wrote it."""


class HeldError(Exception):
    """Another process holds the lease; the message is what it says of itself."""


class Entry(NamedTuple):
    """A file in a listing; `stamp` differs whenever its content may: of an object it is the
    generation that `read` tells. `written_s` is when it was written, in seconds since 1970, by the
    storage's clock. `digest` is what `Storage.digest` says, where a listing says it as well.
    """

    name: str
    size_bytes: int
    stamp: str
    written_s: float
    digest: str = ""


class Stored(NamedTuple):
    """A file's content, and the generation that `put` compares with."""

    content: bytes
    generation: str


class Writer(Protocol):
    """What `create` yields."""

    def write(self, content: bytes) -> None:
        """Appends `content`."""


class Storage(ABC):
    """Files by name. A name has `/` between its parts; folders are not files and need not exist.

    Every reader raises FileNotFoundError for a file that is not there, and OSError where the
    storage refuses for another reason.
    """

    own_files: frozenset[str] = frozenset()  # that `publish` has in a folder beside its files

    @abstractmethod
    def uri(self, name: str) -> str:
        """What `location_of` finds `name` by."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """The file, open for reading; it can be sought in."""

    @abstractmethod
    def read(self, name: str) -> Stored:
        """The whole content, with its generation."""

    @abstractmethod
    def put(self, name: str, content: bytes, *, if_match: str | None = None) -> str:
        """Replaces the file, whole or not at all, also if the power is cut; returns its generation.

        With `if_match`, only while the file is of that generation (`ABSENT`: while there is none).
        Either all writers of a file compare or none does.

        Raises:
            StaleError: it is of another generation; nothing was written.
        """

    @abstractmethod
    def append(self, name: str, content: bytes) -> None:
        """Adds to the end of a file, which is there afterwards; of several that append at once none
        is lost.
        """

    @abstractmethod
    def create(self, name: str, scratch: str | None = None) -> AbstractContextManager[Writer]:
        """Writes a file in parts; it is there, whole, once the block has ended without an error.

        What is unfinished lies in the folder `scratch`, which no reader lists. A cut of the power
        may lose the file, but leaves no half of it under its name.
        """

    @abstractmethod
    def entry(self, name: str) -> Entry | None:
        """The file's size and stamp; None where there is no such file."""

    @abstractmethod
    def list_files(self, folder: str) -> Iterator[Entry]:
        """All files below `folder`, also in folders of it, by name; none where it is not there."""

    def irregular(self, folder: str) -> list[str]:
        """Names below `folder`, relative to it, of what is neither a folder nor a file of its own:
        links, pipes; `.` where the folder itself is a link. Sorted.
        """
        return []  # what a store holds is files

    @abstractmethod
    def scan(self, folder: str) -> Iterator[Entry | str]:
        """What is directly in `folder`, of one listing, a page at a time: of a file its entry, of a
        folder its name. In any order; a folder may come twice.
        """

    @abstractmethod
    def children(self, folder: str) -> tuple[list[str], list[str]]:
        """Names of the files and of the folders directly in `folder`, without it, sorted."""

    def oddities(self, folder: str) -> dict[str, str]:
        """What is directly in `folder` and neither file nor folder, and in words what it is."""
        return {}

    @abstractmethod
    def glob(self, folder: str, pattern: str) -> list[str]:
        """Names below `folder` that `pattern` matches, relative to it, sorted: `*`, `?` and `[]`
        match within a part, `**` matches parts. A part that begins with `.` has to be named.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """The file is not there; it need not have been."""

    @abstractmethod
    def delete_all(self, folder: str) -> None:
        """No file is below `folder`, and it is gone."""

    @abstractmethod
    def copy(self, source: str, target: str) -> None:
        """`target` has the content of `source`; it is there whole or not at all.

        May share its blocks, so neither may be written in place afterwards.
        """

    @abstractmethod
    def digest(self, name: str) -> str:
        """What stands for a file's content: equal for equal contents in the same storage.

        A storage that keeps a checksum answers with it; others read the file.
        """

    @abstractmethod
    def stage(self, parent: str) -> AbstractContextManager[Path]:
        """A new local folder for what is to be published below `parent`; gone afterwards.

        Raises:
            OSError: nothing can be written there.
        """

    @abstractmethod
    def publish(self, staged: Path, name: str, manifest: str) -> None:
        """Makes the folder of `stage` the folder `name`: a reader sees all of it or nothing.

        `manifest` is the file in it that says that it is whole, where a storage has no rename.

        Raises:
            FileExistsError: `name` is there already, or another process is about to publish it.
        """

    @abstractmethod
    def published(self, parent: str, manifest: str) -> list[str]:
        """Names of the folders directly in `parent` that are whole, sorted."""

    @abstractmethod
    def withdraw(self, name: str, manifest: str) -> None:
        """Takes a published folder away: at once for who asks what is published."""

    @abstractmethod
    def sweep(self, parent: str, manifest: str) -> int:
        """Deletes what a killed `publish` or `withdraw` left in `parent`; returns of how many.

        Only to be called while nobody else publishes there.
        """

    @abstractmethod
    def lease(self, name: str) -> AbstractContextManager[None]:
        """Holds `name` for this process, until the block ends or the process dies.

        Raises:
            HeldError: another process holds it.
        """

    @abstractmethod
    def is_held(self, name: str) -> bool:
        """Whether a process that lives holds the lease `name`."""

    @abstractmethod
    def local_copy(self, name: str) -> AbstractContextManager[Path]:
        """A local path to the file or folder `name`, for libraries that need one; only to read."""

    @abstractmethod
    def local_draft(self, folder: str, last: str = "") -> AbstractContextManager[Path]:
        """A local folder whose files are in `folder` once the block has ended without an error, for
        libraries that write to none but local ones. The file `last` comes after all others.
        """
