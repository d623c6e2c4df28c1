"""Columns of a table of scores that stay in its files until a few of their rows are asked for.

Ids and the outputs of models are most of what a table weighs, and no number is made of them.
"""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, overload

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import DTypeLike, NDArray

from components.evaluation.coded import Chosen, Places, Texts
from components.storage.location import Location

Array = NDArray[Any]
_ROWS_AT_ONCE = 100_000


class StoredRows:
    """Some of the rows of a table in several files, whose numbers of clips are `clips`, in their
    order; all of them where no `places` are given.
    """

    def __init__(
        self, files: Sequence[Location], clips: Sequence[int], places: Places | None = None
    ) -> None:
        self._files, self._clips = files, clips
        self._ends = np.cumsum(clips, dtype=np.intp)
        self._places = places

    def __len__(self) -> int:
        return sum(self._clips) if self._places is None else len(self._places)

    def select(self, chosen: Chosen | Places) -> "StoredRows":
        """Some of these rows."""
        places = chosen if self._places is None else self._places[chosen]
        if places.dtype == np.bool_:
            places = np.flatnonzero(places)
        return StoredRows(self._files, self._clips, places.astype(np.intp, copy=False))

    def read(self, name: str) -> Array:
        """The stored array `name` of all these rows: [rows, ...]."""
        parts = list(self._parts(name))
        values = np.concatenate([values for _, values in parts])
        if self._places is None:
            return values
        found = np.empty_like(values)
        found[np.concatenate([places for places, _ in parts])] = values
        return found

    def names(self, prefix: str) -> list[str]:
        """Names of the stored arrays that begin with `prefix`."""
        with opened(self._files[0]) as stored:
            return [name for name in stored.files if name.startswith(prefix)]

    def _parts(self, name: str) -> Iterator[tuple[Places, Array]]:
        """Of each file with some of the rows where they belong among these, and their values."""
        if self._places is None:
            for number in range(len(self._files)):
                yield np.empty(0, np.intp), self._values(number, name)
            return
        holders = np.searchsorted(self._ends, self._places, side="right")
        for number in np.unique(holders).tolist() or [0]:  # of no rows: of which type and shape
            wanted = np.flatnonzero(holders == number)
            start = self._ends[number] - self._clips[number]
            yield wanted, self._values(number, name)[self._places[wanted] - start]

    def _values(self, number: int, name: str) -> Array:
        with opened(self._files[number]) as stored:
            values: Array = stored[name]
        if len(values) != self._clips[number]:
            raise ValueError(
                f"{self._files[number]}: got {len(values):,} rows of {name},"
                f" expected {self._clips[number]:,}"
            )
        return values


class StoredTexts:
    """Texts of some rows, read whenever they are asked for: all where numpy takes it for an array,
    some at a time where they are walked.
    """

    def __init__(self, rows: StoredRows, name: str) -> None:
        self._rows, self._name = rows, name

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, chosen: int | np.integer[Any]) -> str: ...
    @overload
    def __getitem__(self, chosen: Chosen | Places) -> Texts: ...
    def __getitem__(self, chosen: int | np.integer[Any] | Chosen | Places) -> str | Texts:
        if isinstance(chosen, np.ndarray):
            return self._rows.select(chosen).read(self._name)
        return str(self._rows.select(np.array([int(chosen)], np.intp)).read(self._name)[0])

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _ROWS_AT_ONCE):
            yield from self[np.arange(start, min(start + _ROWS_AT_ONCE, len(self)))].tolist()

    def __array__(self, dtype: DTypeLike = None) -> Array:
        texts = self._rows.read(self._name)
        return texts if dtype is None else texts.astype(dtype)

    def select(self, chosen: Chosen | Places) -> "StoredTexts":
        """The texts of some of these rows, none of which is read yet."""
        return StoredTexts(self._rows.select(chosen), self._name)

    def tolist(self) -> list[str]:
        """All of them."""
        texts: list[str] = self._rows.read(self._name).tolist()
        return texts


class StoredOutputs(Mapping[str, Array]):
    """What a model's signature answered, by name: [rows, ...] each, read whenever it is asked for.

    They are stored under their name after `prefix`.
    """

    def __init__(self, rows: StoredRows, prefix: str, names: Sequence[str]) -> None:
        self._rows, self._prefix, self._names = rows, prefix, names

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise KeyError(name)
        return self._rows.read(f"{self._prefix}{name}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def select(self, chosen: Chosen | Places) -> "StoredOutputs":
        """Of some of these rows, none of which is read yet."""
        return StoredOutputs(self._rows.select(chosen), self._prefix, self._names)


@contextlib.contextmanager
def opened(file: Location) -> Iterator[NpzFile]:
    """Numpy's arrays in a file, each read when it is asked for.

    Raises:
        OSError: it is not there.
        ValueError: it is another file, or damaged.
    """
    try:
        with file.open() as content, _load(content, file) as stored:
            yield stored
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error


def _load(content: BinaryIO, file: Location) -> NpzFile:
    try:
        stored = np.load(content, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    if not isinstance(stored, NpzFile):
        raise ValueError(f"{file}: got one array, expected several by name")
    return stored
