"""Stamps of recordings, which differ whenever their content may: sorted by path, on disk.

However many there are, only a few are in memory.
"""

import heapq
import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator

from components.storage.contents import stamp_files
from components.storage.location import Location

_AT_ONCE = 20_000

Stamp = tuple[str, str]  # the path or URI of a file, and its stamp


class Stamps:
    """Stamps by path, each path once, in a scratch file that is gone with this object.

    Raises:
        sqlite3.OperationalError: this machine's folder for scratch files is full.
    """

    def __init__(self, stamps: Iterable[Stamp]) -> None:
        self._table = sqlite3.connect("")  # a file without a name, once it is large
        self._table.execute("CREATE TABLE stamps (path BLOB PRIMARY KEY, stamp TEXT) WITHOUT ROWID")
        self._table.executemany(
            "INSERT OR REPLACE INTO stamps VALUES (?, ?)",
            ((_encoded(path), stamp) for path, stamp in stamps),
        )

    def __iter__(self) -> Iterator[Stamp]:
        for path, stamp in self._table.execute("SELECT path, stamp FROM stamps ORDER BY path"):
            yield path.decode(errors="surrogateescape"), stamp


def write_stamps(stamps: Iterable[Stamp], file: Location) -> None:
    """Has `read_stamps` give `stamps`, in their order."""
    with file.create() as lines:
        for stamp in stamps:
            lines.write(json.dumps(stamp).encode() + b"\n")


def read_stamps(file: Location) -> Iterator[Stamp]:
    """What was written, in its order; before it was a line each, it was one object.

    Raises:
        OSError: it cannot be read.
        ValueError: it was written otherwise, or is damaged from here on.
    """
    with file.open() as lines:
        for line in lines:
            match json.loads(line):
                case dict() as found:
                    yield from Stamps(found.items())
                case [str() as path, str() as stamp]:
                    yield path, stamp
                case _:
                    raise ValueError(f"{file}: no stamp of a recording")


def stamps_now(paths: Iterable[str]) -> Iterator[Stamp]:
    """The stamps of those that are there, in any order; of sorted paths few at a time, but those of
    one folder together, since a store tells of a folder at once.

    Raises:
        OSError: a store refuses.
    """
    part: list[str] = []
    for path in paths:
        if len(part) >= _AT_ONCE and _folder(path) != _folder(part[-1]):
            yield from stamp_files(part)
            part = []
        part.append(path)
    yield from stamp_files(part)


def are_same(some: Iterable[Stamp], others: Iterable[Stamp]) -> bool:
    """Whether both, sorted by path, are the same."""
    return all(one == other for one, other in itertools.zip_longest(some, others))


def differences(before: Stamps, now: Stamps) -> tuple[int, int]:
    """How many have another stamp `now` or are new, and how many are gone."""
    changed = gone = 0
    both = heapq.merge(
        ((_encoded(path), 0, stamp) for path, stamp in before),
        ((_encoded(path), 1, stamp) for path, stamp in now),
    )
    for _, same_path in itertools.groupby(both, key=lambda each: each[0]):
        stamps = {when: stamp for _, when, stamp in same_path}
        gone += 1 not in stamps
        changed += 1 in stamps and stamps.get(0) != stamps[1]
    return changed, gone


def _encoded(path: str) -> bytes:
    return path.encode(errors="surrogateescape")


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
