"""A reader of a serving directory, as a model server is one: looks every 50 ms, loads what is new.

    with reading(serving, check) as reader:
        ...
    print(reader)

It runs in a process of its own. Each time it looks, the newest version has to be whole, by its
manifest; a version that it sees for the first time also has to pass `check`, which is given its
folder.
"""

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path

from components.versions.manifest import verify
from components.versions.serving import newest_version
from schemas.errors import AuricleError

EVERY_S = 0.05


@dataclass
class Reader:
    """What it saw: how often it looked, the versions in order, and what was wrong with them."""

    looks: int = 0
    versions: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        seen = f"{self.looks:,} looks, {len(self.versions)} versions loaded"
        return (
            f"{seen}, {len(self.wrong)} wrong{': ' + '; '.join(self.wrong) if self.wrong else ''}"
        )


@contextlib.contextmanager
def reading(serving: Path, check: Callable[[Path], str]) -> Iterator[Reader]:
    """Reads until the block ends; `check` says what is wrong with a version, or nothing."""
    context = multiprocessing.get_context("spawn")
    stop, found = context.Event(), context.Queue()
    process = context.Process(target=_read, args=(serving, check, stop, found))
    process.start()
    reader = Reader()
    try:
        yield reader
    finally:
        stop.set()
        seen = found.get(timeout=120)
        process.join()
        reader.looks, reader.versions, reader.wrong = seen.looks, seen.versions, seen.wrong


def _read(
    serving: Path,
    check: Callable[[Path], str],
    stop: Event,
    found: "multiprocessing.Queue[Reader]",
) -> None:
    reader = Reader()
    while not stop.is_set():
        started = time.monotonic()
        version = newest_version(serving)
        if version is not None:
            reader.looks += 1
            try:
                verify(version.folder)
                if not reader.versions or reader.versions[-1] != version.number:
                    reader.versions.append(version.number)
                    if said := check(version.folder.path):
                        reader.wrong.append(f"version {version.number}: {said}")
            except AuricleError as error:
                reader.wrong.append(str(error))
        time.sleep(max(0.0, EVERY_S - (time.monotonic() - started)))
    found.put(reader)
