"""An object store in a private folder: no rename, no folders, compare-and-swap by generation.

An object is one file whose name is the hash of its own, so that nobody can come around the store;
several processes may use one store.
"""

import fcntl
import hashlib
import io
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from components.storage.interface import ABSENT, Entry, StaleError, Stored
from components.storage.objects import ObjectStorage


class FakeStore(ObjectStorage):
    """`fake://<name>`; `on_wait` stands for the time that a taker of a lease lets pass."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.bytes_read = 0
        self.waits = 0
        self.on_wait = lambda: None
        self.written_s = time.time

    def wait(self, seconds: float) -> None:
        self.waits += 1
        self.on_wait()

    def uri(self, name: str) -> str:
        return f"fake://{name}"

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.read(name).content)

    def read(self, name: str) -> Stored:
        header, content = self._object(name)
        self.bytes_read += len(content)
        return Stored(content, header["generation"])

    def put(self, name: str, content: bytes, *, if_match: str | None = None) -> str:
        with self._exclusively():
            if if_match is not None and if_match != self._generation(name):
                raise StaleError(f"{self.uri(name)} was written by another process")
            generation = uuid.uuid4().hex
            header = {
                "name": name,
                "generation": generation,
                "sha256": hashlib.sha256(content).hexdigest(),
                "size": len(content),
                "written_s": self.written_s(),
            }
            self._file(name).write_bytes(json.dumps(header).encode() + b"\n" + content)
        return generation

    def entry(self, name: str) -> Entry | None:
        try:
            return _entry(self._object(name)[0])
        except FileNotFoundError:
            return None

    def list_files(self, folder: str) -> Iterator[Entry]:
        with self._exclusively():
            headers = [
                json.loads(file.read_bytes().partition(b"\n")[0])
                for file in self._folder.glob("*.object")
            ]
        found = [_entry(h) for h in headers if h["name"].startswith(f"{folder}/")]
        yield from sorted(found)

    def delete(self, name: str) -> None:
        with self._exclusively():
            self._file(name).unlink(missing_ok=True)

    def copy(self, source: str, target: str) -> None:
        self.put(target, self.read(source).content)

    def digest(self, name: str) -> str:
        digest: str = self._object(name)[0]["sha256"]
        return digest

    def _generation(self, name: str) -> str:
        try:
            header = json.loads(self._file(name).read_bytes().partition(b"\n")[0])
        except FileNotFoundError:
            return ABSENT
        generation: str = header["generation"]
        return generation

    def _object(self, name: str) -> tuple[dict[str, str], bytes]:
        with self._exclusively():
            header, _, content = self._file(name).read_bytes().partition(b"\n")
        return json.loads(header), content

    def _file(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.object"

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _entry(header: dict[str, str]) -> Entry:
    size_bytes, written_s = int(header["size"]), float(header["written_s"])
    return Entry(header["name"], size_bytes, header["generation"], written_s, header["sha256"])
