"""Pieces of fingerprints, by which clips that may be one recording find each other.

A piece is half the bits of three frames, and is the same in copies that differ little; clips of two
splits that share one are candidates. Sorting joins them: time and memory grow with the number of
clips, not of pairs. Whether candidates are one recording is not known here.
"""

from collections.abc import Iterator, Sequence

import numpy as np

TEACHING = "train"
_FRAMES = (0, 4, 8)  # of which a piece takes half the bits: 24, equal by chance once in 17 million
_HALVES = (0, 8)
_MOST_IN_BUCKET = 64  # a piece that many clips share is a hum, not a recording
_AT_ONCE = 1 << 20
_MIXER = np.uint32(0x9E3779B1)  # 2 ** 32 over the golden ratio, as Knuth spreads keys
_SAMPLED_BITS = 20  # those above them decide which pieces are left out


def split_codes(splits: Sequence[str]) -> np.ndarray:
    """int64 [splits]: 0 for train, others in the order of their names from 1 on."""
    others = sorted(set(splits) - {TEACHING})
    codes = {TEACHING: 0} | {name: number for number, name in enumerate(others, 1)}
    return np.array([codes[name] for name in splits], np.int64)


def find_pieces(
    prints: list[np.ndarray], fewest: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pieces of fingerprints, uint16 [frames] each: what they are (uint32), whose, and at which
    frame (int64 each).

    Two halves, so that a copy which lost its high frequencies still shares the low ones. With
    `fewest`, a clip with twice as many or more has a half, a quarter, ... of its pieces, about that
    many at least: of two clips the same ones, since the pieces themselves say which.
    """
    lengths = np.array([len(each) for each in prints], np.int64)
    whole = np.concatenate([*prints, np.zeros(_FRAMES[-1], np.uint16)]).astype(np.uint32)
    owners = np.repeat(np.arange(len(prints)), lengths)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    starts = np.flatnonzero(places < lengths[owners] - _FRAMES[-1])
    frames = [whole[starts + offset] for offset in _FRAMES]
    active = np.all([frame != 0 for frame in frames], axis=0)
    starts, frames = starts[active], [frame[active] for frame in frames]
    pieces = np.concatenate(
        [
            half << 24 | sum((frame >> half & 0xFF) << 8 * n for n, frame in enumerate(frames))
            for half in _HALVES
        ]
    )
    owners, places = np.tile(owners[starts], len(_HALVES)), np.tile(places[starts], len(_HALVES))
    if fewest is not None:
        surplus = np.maximum(1, np.bincount(owners, minlength=len(prints)) // fewest)
        one_in = 1 << np.log2(surplus).astype(np.int64)
        kept = (_mixed(pieces) >> _SAMPLED_BITS) & (one_in[owners] - 1) == 0
        pieces, owners, places = pieces[kept], owners[kept], places[kept]
    return pieces, owners, places


def parts_of(pieces: np.ndarray, parts: int) -> np.ndarray:
    """int64 [pieces]: in which of so many parts each belongs; equal ones in the same."""
    return (_mixed(pieces) & ((1 << _SAMPLED_BITS) - 1)).astype(np.int64) % parts


def shared_pieces(
    pieces: np.ndarray, owners: np.ndarray, places: np.ndarray, codes: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(one, other, shift) of clips of two splits that share a piece, `shift` frames apart: int64.

    `codes` are `split_codes` of each piece's clip; `one` is that of the larger code, so that of a
    clip in train and another it is the other. None comes twice in one of the arrays.
    """
    order = np.argsort(pieces, kind="stable")
    pieces, owners, places, codes = pieces[order], owners[order], places[order], codes[order]
    asked = np.flatnonzero(codes)
    for start in range(0, len(asked), _AT_ONCE):
        ones = asked[start : start + _AT_ONCE]
        first = np.searchsorted(pieces, pieces[ones], "left")
        sizes = np.searchsorted(pieces, pieces[ones], "right") - first
        kept = sizes <= _MOST_IN_BUCKET
        ones, first, sizes = ones[kept], first[kept], sizes[kept]
        before = np.repeat(np.cumsum(sizes) - sizes, sizes)
        others = np.repeat(first, sizes) + np.arange(sizes.sum()) - before
        ones = np.repeat(ones, sizes)
        apart = codes[ones] > codes[others]
        ones, others = ones[apart], others[apart]
        shifts = places[ones] - places[others]
        yield tuple(np.unique(np.stack([owners[ones], owners[others], shifts]), axis=1))


def _mixed(pieces: np.ndarray) -> np.ndarray:
    return pieces * _MIXER
