"""Texts of very many clips, few of which differ: a number for each clip, and each text once.

Labels, answers, speakers and slices are such texts. Numpy's own texts take four bytes a letter, and
as many letters for every clip as the longest text has.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

Texts = NDArray[np.str_]
Chosen = NDArray[np.bool_]  # of which clips, [clips]
Places = NDArray[np.intp]
Codes = NDArray[np.unsignedinteger[Any]]


class Coded:
    """Texts of clips, [clips]: `values[codes]`, with `values` in order.

    Numpy's functions take it as the array of its texts. A table of 1,000,000 clips with 35 labels
    has 1 byte a clip for them; with 10,000 speakers, 2 bytes.
    """

    __slots__ = ("codes", "values")
    __hash__ = None  # type: ignore[assignment] # compares clip by clip, as an array does

    def __init__(self, codes: Codes, values: Texts) -> None:
        self.codes = codes.astype(np.min_scalar_type(max(0, len(values) - 1)), copy=False)
        self.values = values

    @classmethod
    def of(cls, texts: "Coded | Texts | Sequence[str]") -> "Coded":
        """These texts."""
        if isinstance(texts, Coded):
            return texts
        values, codes = np.unique(np.asarray(texts, np.str_), return_inverse=True)
        return cls(codes.ravel().astype(np.uint32), values)

    @classmethod
    def all(cls, text: str, clips: int) -> "Coded":
        """The same text for all clips."""
        return cls(np.zeros(clips, np.uint8), np.array([text], np.str_))

    @classmethod
    def joined(cls, parts: Iterable["Coded"], clips: int) -> "Coded":
        """The texts of `parts`, which have `clips` in all, one part after the other."""
        numbers: dict[str, int] = {}
        codes = np.empty(clips, np.uint8)
        start = 0
        for part in parts:
            own = [numbers.setdefault(text, len(numbers)) for text in part.values.tolist()]
            codes = codes.astype(np.promote_types(codes.dtype, np.min_scalar_type(len(numbers))))
            codes[start : start + len(part)] = np.array(own, codes.dtype)[part.codes]
            start += len(part)
        values = np.array(list(numbers), np.str_)
        order = np.argsort(values)
        ranks = np.empty(len(values), codes.dtype)
        ranks[order] = np.arange(len(values))
        return cls(ranks[codes] if clips else codes, values[order])

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, chosen: int | np.integer[Any]) -> str: ...
    @overload
    def __getitem__(self, chosen: Chosen | Places | slice) -> "Coded": ...
    def __getitem__(self, chosen: int | np.integer[Any] | Chosen | Places | slice) -> "str | Coded":
        codes = self.codes[chosen]
        return Coded(codes, self.values) if isinstance(codes, np.ndarray) else self._text(codes)

    def __iter__(self) -> Iterator[str]:
        return map(self._text, self.codes)

    def __eq__(self, other: object) -> Chosen:  # type: ignore[override]
        if isinstance(other, str):
            place = int(np.searchsorted(self.values, other))
            if place == len(self.values) or self.values[place] != other:
                return np.zeros(len(self), np.bool_)
            found: Chosen = self.codes == place
            return found
        if isinstance(other, Coded):
            places = {text: place for place, text in enumerate(self.values.tolist())}
            # A text that only the other has is the code of none here.
            theirs = np.array([places.get(text, -1) for text in other.values.tolist()], np.int64)
            same: Chosen = self.codes == (theirs[other.codes] if len(other) else other.codes)
            return same
        equal: Chosen = np.asarray(self) == other
        return equal

    def __ne__(self, other: object) -> Chosen:  # type: ignore[override]
        return ~(self == other)

    def __array__(self, dtype: DTypeLike = None) -> NDArray[Any]:
        texts = self.values[self.codes] if len(self) else np.empty(0, np.str_)
        return texts if dtype is None else texts.astype(dtype)

    def __repr__(self) -> str:
        return f"Coded({self.values.tolist()!r}, {len(self):,} clips)"

    def astype(self, dtype: DTypeLike) -> NDArray[Any]:
        """The texts as another type, [clips]: each that differs is converted once."""
        return self.values.astype(dtype)[self.codes] if len(self) else np.empty(0, dtype)

    def matching(self, is_meant: Callable[[str], bool]) -> Chosen:
        """Of which clips the text is meant; asks once for each text that differs."""
        return self.spread(list(map(is_meant, self.values.tolist())), np.bool_)

    def spread(self, numbers: Sequence[Any], dtype: DTypeLike) -> NDArray[Any]:
        """What `numbers` has for each of the `values`, of all clips: [clips]."""
        found: NDArray[Any] = (
            np.array(numbers, dtype)[self.codes] if len(self) else (np.empty(0, dtype))
        )
        return found

    def tolist(self) -> list[str]:
        """All texts."""
        texts: list[str] = np.asarray(self).tolist()
        return texts

    def distinct(self) -> list[str]:
        """The texts that clips have, in order."""
        if len(self.values) == 1 and len(self):
            return self.values.tolist()
        has_clips = np.bincount(self.codes, minlength=len(self.values)) > 0
        return self.values[has_clips].tolist() if len(self.values) else []

    def compact(self) -> "Coded":
        """The same, without a text that no clip has."""
        used, codes = np.unique(self.codes, return_inverse=True)
        return Coded(codes.astype(np.uint32), self.values[used])

    def _text(self, code: Any) -> str:
        return str(self.values[code])
