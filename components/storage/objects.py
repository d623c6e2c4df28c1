"""What an object store is not born with, made of what it has: compare-and-swap by generation.

A store gives `uri`, `open`, `read`, `put`, `entry`, `list`, `delete`, `copy` and `digest`; here
they become folders that are published whole, leases that end with their holder, and local copies.
"""

import contextlib
import fnmatch
import itertools
import os
import shutil
import socket
import tempfile
import threading
import uuid
from abc import abstractmethod
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

from components.storage.interface import (
    ABSENT,
    Entry,
    HeldError,
    StaleError,
    Storage,
    Stored,
    Writer,
)

_CLAIM = ".publishing"
_MAGIC = frozenset("*?[")
_BLOCK_BYTES = 1 << 20
_ENDED = b""


class ObjectStorage(Storage):
    """Base of object stores. A holder beats every third of `lease_s`; it is taken for dead when
    its lease stayed the same for `lease_s` as this process' clock measures it."""

    own_files = frozenset((_CLAIM,))
    lease_s = 30.0

    @abstractmethod
    def wait(self, seconds: float) -> None:
        """Lets `seconds` pass."""

    def append(self, name: str, content: bytes) -> None:
        while True:
            try:
                before = self.read(name)
            except FileNotFoundError:
                before = Stored(b"", ABSENT)
            with contextlib.suppress(StaleError):
                self.put(name, before.content + content, if_match=before.generation)
                return

    @contextlib.contextmanager
    def create(self, name: str, scratch: str | None = None) -> Iterator[Writer]:
        content = BytesIO()
        yield content  # type: ignore[misc]
        self.put(name, content.getvalue())

    def put_file(self, name: str, file: Path) -> None:
        """Writes a file of this machine; a store that can sends it in parts."""
        self.put(name, file.read_bytes())

    def scan(self, folder: str) -> Iterator[Entry | str]:
        last = None
        for entry in self.list_files(folder):
            first, slash, _ = entry.name[len(folder) + 1 :].partition("/")
            if slash:
                if first != last:
                    yield (last := first)
            elif first:  # a name that ends in a slash is only the mark of a folder
                yield entry

    def children(self, folder: str) -> tuple[list[str], list[str]]:
        files: list[str] = []
        folders: set[str] = set()
        for found in self.scan(folder):
            if isinstance(found, str):
                folders.add(found)
            else:
                files.append(found.name[len(folder) + 1 :])
        return sorted(files), sorted(folders)

    def glob(self, folder: str, pattern: str) -> list[str]:
        parts = tuple(pattern.split("/"))
        # Only what the pattern names without a sign is asked for: a bucket may hold millions.
        fixed = list(itertools.takewhile(lambda part: not _MAGIC & set(part), parts[:-1]))
        depth = len(folder) + 1
        top = "/".join((folder, *fixed))
        found = (entry.name[depth:] for entry in self.list_files(top))
        return [name for name in found if matches(tuple(name.split("/")), parts)]

    def delete_all(self, folder: str) -> None:
        for entry in list(self.list_files(folder)):
            self.delete(entry.name)

    @contextlib.contextmanager
    def stage(self, parent: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            staged = Path(folder) / "staged"
            staged.mkdir()
            yield staged

    def publish(self, staged: Path, name: str, manifest: str) -> None:
        taken = FileExistsError(f"{name} is there already")
        try:  # files of two publishers must not lie in one folder
            self.put(f"{name}/{_CLAIM}", uuid.uuid4().hex.encode(), if_match=ABSENT)
        except StaleError as error:
            raise taken from error
        if self.entry(f"{name}/{manifest}") is not None:  # asked under the claim: nobody is at it
            self.delete(f"{name}/{_CLAIM}")
            raise taken
        self._send(staged, name, but=manifest)
        try:
            self.put(f"{name}/{manifest}", (staged / manifest).read_bytes(), if_match=ABSENT)
        except StaleError as error:
            raise taken from error
        self.delete(f"{name}/{_CLAIM}")

    def published(self, parent: str, manifest: str) -> list[str]:
        depth = len(parent) + 1
        found = {e.name[depth:].partition("/")[::2] for e in self.list_files(parent)}
        return sorted(folder for folder, inside in found if inside == manifest)

    def withdraw(self, name: str, manifest: str) -> None:
        self.delete(f"{name}/{manifest}")
        self.delete_all(name)

    def sweep(self, parent: str, manifest: str) -> int:
        whole = self.published(parent, manifest)
        left = [folder for folder in self.children(parent)[1] if folder not in whole]
        for folder in left:
            self.delete_all(f"{parent}/{folder}")
        for folder in whole:  # killed between the manifest and the end of the claim
            self.delete(f"{parent}/{folder}/{_CLAIM}")
        return len(left)

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[None]:
        generation = self.put(name, _holder(), if_match=self._free_generation(name))
        ended = threading.Event()
        beat = threading.Thread(target=self._beat, args=(name, generation, ended), daemon=True)
        beat.start()
        try:
            yield
        finally:
            ended.set()
            beat.join()

    def _beat(self, name: str, generation: str, ended: threading.Event) -> None:
        with contextlib.suppress(StaleError):  # taken over: this process was away for too long
            while not ended.wait(self.lease_s / 3):
                generation = self.put(name, _holder(), if_match=generation)
            self.put(name, _ENDED, if_match=generation)

    def _free_generation(self, name: str) -> str:
        """The generation of a lease that nobody holds.

        Raises:
            HeldError: somebody does.
        """
        try:
            held = self.read(name)
        except FileNotFoundError:
            return ABSENT
        if held.content == _ENDED:
            return held.generation
        self.wait(self.lease_s)
        if self.read(name) != held:
            raise HeldError(held.content.decode().partition("\n")[0])
        return held.generation

    def is_held(self, name: str) -> bool:
        try:
            self._free_generation(name)
        except HeldError:
            return True
        return False

    @contextlib.contextmanager
    def local_copy(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / PurePosixPath(name).name
            if self.entry(name) is not None:
                self._bring(name, target)
            else:
                for entry in self.list_files(name):
                    file = target / entry.name[len(name) + 1 :]
                    file.parent.mkdir(parents=True, exist_ok=True)
                    self._bring(entry.name, file)
            yield target

    @contextlib.contextmanager
    def local_draft(self, folder: str, last: str = "") -> Iterator[Path]:
        with self.stage(folder) as draft:
            yield draft
            self._send(draft, folder, but=last)
            if last and (draft / last).is_file():
                self.put_file(f"{folder}/{last}", draft / last)

    def _send(self, local: Path, folder: str, but: str) -> None:
        """Writes all files below `local` to `folder`, but one."""
        for file in sorted(local.rglob("*")):
            if file.is_file() and file != local / but:
                self.put_file(f"{folder}/{file.relative_to(local).as_posix()}", file)

    def _bring(self, name: str, file: Path) -> None:
        with self.open(name) as source, file.open("wb") as target:
            shutil.copyfileobj(source, target, _BLOCK_BYTES)


def matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether the parts of a name are those of a pattern, as `Storage.glob` has it."""
    if not pattern:
        return not parts
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        is_deeper = bool(parts) and not parts[0].startswith(".")
        return matches(parts, rest) or (is_deeper and matches(parts[1:], pattern))
    if not parts or (parts[0].startswith(".") and not first.startswith(".")):
        return False
    return fnmatch.fnmatchcase(parts[0], first) and matches(parts[1:], rest)


def _holder() -> bytes:
    return f"process {os.getpid()} on {socket.gethostname()}\n{uuid.uuid4().hex}".encode()
