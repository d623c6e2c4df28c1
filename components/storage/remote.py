"""What the stores of the clouds share: one client a process, patience, words, conditional writes.

A store of its own scheme (`gcs.py`, `s3.py`) says how a request is made and what an error of its
client means; here lies what follows from it.
"""

import contextlib
import errno
import functools
import hashlib
import os
import random
import tempfile
import threading
import time
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Generic, NamedTuple, TypeVar

from components.storage.interface import ABSENT, Entry, StaleError, Stored, Writer
from components.storage.objects import ObjectStorage
from components.storage.ranged import Stream, open_object, read_object
from components.storage.trouble import (
    BucketError,
    Meaning,
    StoreError,
    Trouble,
    error_of,
)

_IN_MEMORY_BYTES = 8 << 20
_BLOCK_BYTES = 1 << 20
_TRIES_UNREACHABLE = 4
Client = TypeVar("Client")
Answer = TypeVar("Answer")


def md5_digest(md5: str) -> str:
    """The digest of a content by its MD5 in hex; empty where there is none."""
    return md5 and f"md5:{md5}"


class Key(NamedTuple):
    """An object of a bucket."""

    bucket: str
    key: str


class Kept(NamedTuple):
    """What a store says of an object; `token` is what `_write` was given. The entry has a digest
    where the store keeps one of the content.
    """

    entry: Entry
    token: str


class Page(NamedTuple):
    """A part of a listing; `folders` end in a slash, `after` is empty at its end."""

    entries: list[Entry]
    folders: list[str]
    after: str


class RemoteStorage(ObjectStorage, Generic[Client]):
    """Base of the stores; a name is `<bucket>/<key>`, and a client lives in one process.

    What passes (too many requests, an error of the store's own) is asked again after each of
    `waits_s`, a little varied, so that many workers do not come back at once.
    """

    scheme: str
    credentials: str  # where the client looks for them, in words
    batch = 1000  # names that `_remove` takes
    page = 1000  # names of a listing
    waits_s: tuple[float, ...] = (0.5, 1, 2, 4, 8, 16, 32)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: tuple[int, Client] | None = None  # with the process that made it
        self._seen: set[str] = set()  # buckets that have answered
        self._comparing: set[str] = set()  # buckets that were seen to compare

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(self), ()  # a client does not cross to another process

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(self.scheme)

    @abstractmethod
    def _connect(self) -> Client:
        """A client, with the credentials of the platform."""

    @abstractmethod
    def _meaning(self, error: Exception) -> Meaning | None:
        """What an error of the client means; None where it is not the store's."""

    @abstractmethod
    def _fetch(self, place: Key, start: int, generation: str) -> Stream:
        """The content from `start`, of any generation where that is empty."""

    @abstractmethod
    def _write(self, place: Key, content: bytes, if_match: str | None, token: str) -> str:
        """Writes an object in one request; returns its generation."""

    @abstractmethod
    def _upload(self, place: Key, file: BinaryIO, size_bytes: int) -> None:
        """Writes an object of any size from an open file."""

    @abstractmethod
    def _look(self, place: Key) -> Kept:
        """What is kept of an object."""

    @abstractmethod
    def _list(self, folder: Key, after: str, *, deep: bool, some: int | None = None) -> Page:
        """The page behind `after` of what begins with `folder.key`: all, or up to the next slash.
        Names in it are those of this storage.
        """

    @abstractmethod
    def _remove(self, places: list[Key]) -> None:
        """Deletes up to `batch` objects of one bucket, which need not be there."""

    @abstractmethod
    def _copy(self, source: Key, target: Key) -> None:
        """Copies an object without reading it."""

    def client(self) -> Client:
        """The client of this process, made when it is first asked for; after a fork, anew."""
        with self._lock:
            if self._client is None or self._client[0] != os.getpid():
                self._client = os.getpid(), self._connect()
            return self._client[1]

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def uri(self, name: str) -> str:
        return f"{self.scheme}://{name}"

    def open(self, name: str) -> BinaryIO:
        fetch = functools.partial(self._fetch, self._place(name))
        return open_object(fetch, functools.partial(self._ask_reading, name))[0]

    def read(self, name: str) -> Stored:
        fetch = functools.partial(self._fetch, self._place(name))
        return Stored(*read_object(fetch, functools.partial(self._ask, name)))

    def put(self, name: str, content: bytes, *, if_match: str | None = None) -> str:
        place = self._place(name)
        # By its token a write is known as ours where its answer was lost and it was sent again.
        token = "" if if_match is None else uuid.uuid4().hex
        try:
            write = functools.partial(self._write, place, content, if_match, token)
            generation = self._ask(name, write)
        except StaleError:
            kept = self._kept(name)
            if kept is None or not token or kept.token != token:
                raise
            generation = kept.entry.stamp
        if if_match is not None and place.bucket not in self._comparing:
            self._see_it_compare(name, content)
            self._comparing.add(place.bucket)
        return generation

    @contextlib.contextmanager
    def create(self, name: str, scratch: str | None = None) -> Iterator[Writer]:
        place = self._place(name)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as content:
            yield _Spool(content, self.uri(name))
            size_bytes = content.tell()

            def upload() -> None:
                content.seek(0)
                self._upload(place, content, size_bytes)  # type: ignore[arg-type]

            self._ask(name, upload)

    def put_file(self, name: str, file: Path) -> None:
        place = self._place(name)

        def upload() -> None:
            with file.open("rb") as content:
                self._upload(place, content, file.stat().st_size)

        self._ask(name, upload)

    def entry(self, name: str) -> Entry | None:
        kept = self._kept(name)
        return None if kept is None else kept.entry

    def digest(self, name: str) -> str:
        """`md5:` and the digest that the store keeps; where it keeps none, that of what is read."""
        kept = self._ask(name, functools.partial(self._look, self._place(name)))
        if kept.entry.digest:
            return kept.entry.digest
        digest = hashlib.md5(usedforsecurity=False)
        with self.open(name) as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        return md5_digest(digest.hexdigest())

    def list_files(self, folder: str) -> Iterator[Entry]:
        for page in self._pages(folder, deep=True):
            for entry in page.entries:
                if not entry.name.endswith("/"):  # which some tools make, to stand for a folder
                    yield entry

    def scan(self, folder: str) -> Iterator[Entry | str]:
        start = len(folder) + 1
        for page in self._pages(folder, deep=False):
            yield from (entry for entry in page.entries if not entry.name.endswith("/"))
            yield from filter(None, (name[start:-1] for name in page.folders))

    def delete(self, name: str) -> None:
        self._ask(name, functools.partial(self._remove, [self._place(name)]))

    def delete_all(self, folder: str) -> None:
        found: list[Key] = []
        for page in self._pages(folder, deep=True):
            found += [self._place(entry.name) for entry in page.entries]
        for start in range(0, len(found), self.batch):
            some = found[start : start + self.batch]
            self._ask(folder, functools.partial(self._remove, some))

    def copy(self, source: str, target: str) -> None:
        places = self._place(source), self._place(target)
        self._ask(source, functools.partial(self._copy, *places))

    def _place(self, name: str) -> Key:
        bucket, _, key = name.partition("/")
        if not bucket:
            words = f"{self.scheme}:// is followed by the name of a bucket and a slash"
            raise BucketError(errno.EINVAL, words, self.uri(name))
        return Key(bucket, key)

    def _kept(self, name: str) -> Kept | None:
        place = self._place(name)
        if not place.key or place.key.endswith("/"):
            return None
        try:
            return self._ask(name, functools.partial(self._look, place))
        except FileNotFoundError:
            return None

    def _pages(self, folder: str, *, deep: bool) -> Iterator[Page]:
        bucket, key = self._place(folder)
        inside = Key(bucket, f"{key}/" if key else "")
        after = ""
        while True:
            page = self._ask(folder, functools.partial(self._list, inside, after, deep=deep))
            yield page
            after = page.after
            if not after:
                return

    def _ask(self, name: str, call: Callable[[], Answer]) -> Answer:
        """What `call` returns; asked again where what went wrong passes.

        Raises:
            StaleError, FileNotFoundError, OSError: what the store refused, in words.
        """
        tries = 0
        while True:
            try:
                answer = call()
            except (StaleError, StoreError):
                raise
            except Exception as error:
                meaning = self._meaning(error)
                if meaning is None:
                    raise
                if self._is_worth_a_wait(meaning.trouble, tries):
                    self.wait(self.waits_s[tries] * random.uniform(0.7, 1.3))
                    tries += 1
                    continue
                raise self._translated(meaning, name) from error
            self._seen.add(self._place(name).bucket)
            return answer

    def _ask_reading(self, name: str, call: Callable[[], Answer]) -> Answer:
        """As `_ask`; of a file that is read, another generation is an error of the file."""
        try:
            return self._ask(name, call)
        except StaleError as error:
            words = "it was replaced while it was read; read it again"
            raise StoreError(errno.ESTALE, words, self.uri(name)) from error

    def _is_worth_a_wait(self, trouble: Trouble, tries: int) -> bool:
        if trouble is Trouble.UNREACHABLE:
            return tries < min(_TRIES_UNREACHABLE - 1, len(self.waits_s))
        return trouble is Trouble.BUSY and tries < len(self.waits_s)

    def _translated(self, meaning: Meaning, name: str) -> Exception:
        place = self._place(name)
        if meaning.trouble is Trouble.STALE:
            return StaleError(f"{self.uri(name)} was written by another process")
        if meaning.trouble is Trouble.ABSENT and not self._has_bucket(place.bucket):
            meaning = meaning._replace(trouble=Trouble.NO_BUCKET)
        return error_of(meaning, self.uri(name), self.credentials)

    def _has_bucket(self, bucket: str) -> bool:
        """Whether there is such a bucket, as far as it says so: of an object that is not there, and
        of its bucket, a store says the same.
        """
        if bucket in self._seen:
            return True
        try:
            self._list(Key(bucket, ""), "", deep=False, some=1)
        except Exception as error:
            meaning = self._meaning(error)
            if meaning is None:
                raise
            return meaning.trouble not in (Trouble.ABSENT, Trouble.NO_BUCKET)
        self._seen.add(bucket)
        return True

    def _see_it_compare(self, name: str, content: bytes) -> None:
        """Refuses a store behind another address than the cloud's that takes a conditional write
        for any write: two runs would take one run directory.
        """
        if not self._is_elsewhere():
            return
        again = functools.partial(self._write, self._place(name), content, ABSENT, "")
        with contextlib.suppress(StaleError):
            self._ask(name, again)
            words = (
                "this store writes over an object that it was asked to keep: it knows no"
                " conditional writes, which keep two runs apart; use another"
            )
            raise StoreError(errno.ENOTSUP, words, self.uri(name))

    @abstractmethod
    def _is_elsewhere(self) -> bool:
        """Whether the client talks to another server than the cloud's own."""


class _Spool:
    """What `create` writes into; an error of this machine's disk names the file that was meant."""

    def __init__(self, file: Any, uri: str) -> None:
        self._file, self._uri = file, uri

    def write(self, content: bytes) -> None:
        try:
            self._file.write(content)
        except OSError as error:
            error.filename = self._uri
            raise
