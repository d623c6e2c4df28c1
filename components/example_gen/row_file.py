"""Rows of a data set, of which only a few are in memory: a list while they are few, else a scratch
file without a name. What reads rows takes either for a sequence.
"""

import dataclasses
import heapq
import itertools
import marshal
import os
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from schemas.utterance import Seen, Utterance

_MOST_IN_MEMORY = 20_000  # rows: some 15 MB
_AT_ONCE = 256  # rows that are read with one call
_FIELDS = [field.name for field in dataclasses.fields(Utterance)]  # `seen` is the last


def kept(rows: Iterable[Utterance]) -> Sequence[Utterance]:
    """The rows, to be read several times.

    Raises:
        OSError: this machine's folder for scratch files is full.
    """
    rows = iter(rows)
    few = list(itertools.islice(rows, _MOST_IN_MEMORY + 1))
    return few if len(few) <= _MOST_IN_MEMORY else RowFile(itertools.chain(few, rows))


def in_order(rows: Iterable[Utterance], key: Callable[[Utterance], Any]) -> Iterator[Utterance]:
    """The rows sorted by a key, as `sorted` does it.

    Raises:
        OSError: this machine's folder for scratch files is full.
    """
    rows = iter(rows)
    few = sorted(itertools.islice(rows, _MOST_IN_MEMORY), key=key)
    if len(few) < _MOST_IN_MEMORY:
        return iter(few)
    ends = [0]

    def parts(part: list[Utterance]) -> Iterator[Utterance]:
        while part:
            ends.append(ends[-1] + len(part))
            yield from part
            part = sorted(itertools.islice(rows, _MOST_IN_MEMORY), key=key)

    file = RowFile(parts(few))
    few.clear()
    runs = (file.between(*ends[n : n + 2]) for n in range(len(ends) - 1))
    return heapq.merge(*runs, key=key)


def picked(rows: Sequence[Utterance], numbers: np.ndarray) -> Sequence[Utterance]:
    """The rows with these numbers (int [picked], from 0), in their order."""
    if isinstance(rows, list):
        return [rows[number] for number in numbers.tolist()]
    return _Picked(rows, numbers)


class RowFile(Sequence[Utterance]):
    """Rows in a scratch file, which is gone when nobody holds it any more: 8 bytes of memory each.

    Raises:
        OSError: this machine's folder for scratch files is full.
    """

    def __init__(self, rows: Iterable[Utterance]) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, file.close)
        starts = array("q", [0])
        for row in rows:
            starts.append(starts[-1] + file.write(_packed(row)))
        file.flush()
        self._descriptor = file.fileno()
        self._starts = np.frombuffer(starts, np.int64)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __iter__(self) -> Iterator[Utterance]:
        return self.between(0, len(self))

    @overload
    def __getitem__(self, number: int) -> Utterance: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Utterance]: ...

    def __getitem__(self, number: int | slice) -> Utterance | Sequence[Utterance]:
        if isinstance(number, slice):
            return _Picked(self, np.arange(len(self))[number])
        start, end = self._starts[:-1][number], self._starts[1:][number]
        return _unpacked(os.pread(self._descriptor, int(end - start), int(start)))

    def between(self, first: int, last: int) -> Iterator[Utterance]:
        """The rows from the number `first` on, before `last`."""
        for number in range(first, last, _AT_ONCE):
            starts = self._starts[number : min(number + _AT_ONCE, last) + 1].tolist()
            block = os.pread(self._descriptor, starts[-1] - starts[0], starts[0])
            view = memoryview(block)
            for start in starts[:-1]:
                yield _unpacked(view[start - starts[0] :])


class _Picked(Sequence[Utterance]):
    """Some rows of others."""

    def __init__(self, rows: Sequence[Utterance], numbers: np.ndarray) -> None:
        self._rows, self._numbers = rows, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Utterance]:
        for start in range(0, len(self._numbers), _AT_ONCE):
            for number in self._numbers[start : start + _AT_ONCE].tolist():
                yield self._rows[number]

    @overload
    def __getitem__(self, number: int) -> Utterance: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Utterance]: ...

    def __getitem__(self, number: int | slice) -> Utterance | Sequence[Utterance]:
        if isinstance(number, slice):
            return _Picked(self._rows, self._numbers[number])
        return self._rows[int(self._numbers[number])]


def _packed(row: Utterance) -> bytes:
    fields: list[Any] = [getattr(row, name) for name in _FIELDS]
    fields[-1] = row.seen and tuple(row.seen)
    return marshal.dumps(fields)


def _unpacked(packed: bytes | memoryview) -> Utterance:
    fields = marshal.loads(packed)
    fields[-1] = fields[-1] and Seen(*fields[-1])
    return Utterance(*fields)
