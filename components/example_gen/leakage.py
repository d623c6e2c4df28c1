"""The split certificate: that nothing the model is judged on was heard in training.

Looks for a speaker, the very same samples, or the same recording encoded another way in two splits,
and, wherever they are, for the very same samples with two labels, of which one has to be wrong.
Near-duplicates are found in three steps, each on what the one before left: equal pieces of
fingerprints, joined by sorting; fingerprints that agree where they overlap; correlation of the
stored samples. Here all clips are in one process; `certificate` has the same for any number.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

import numpy as np

from components.audio.fingerprint import SAME_RECORDING, correlation
from components.example_gen.pieces import find_pieces, shared_pieces, split_codes
from schemas.reports.leakage import Leak, LeakKind, SplitCertificate

LEAKS_LISTED = 100  # of each kind

_KINDS: tuple[LeakKind, ...] = get_args(LeakKind)

_MOST_TARGET = 60  # characters of a target that are said
_MOST_PIECES = 1 << 24  # of larger sets each clip has fewer, but not less than so many:
_FEWEST_PIECES = 16
PAIRS_AT_ONCE = 1 << 13  # that are compared with one call
_ONES = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16).sum(1)
_ONES = _ONES.astype(np.uint8)  # bits of each number
MOST_DIFFERENT_BITS = 0.25  # copies differ by 0.05 to 0.2, other recordings by 0.3 to 0.5
_FEWEST_FRAMES = 8
MOST_CANDIDATES = 16  # of one clip, the nearest first


@dataclass(frozen=True, slots=True)
class StoredClip:
    """An example as the certificate sees it; `fingerprint` is uint16 [frames], `target` text."""

    id: str
    split: str
    speaker: str
    pcm_sha256: str
    fingerprint: np.ndarray
    target: str = ""


def certify(
    clips: list[StoredClip], read_waveform: Callable[[int], np.ndarray]
) -> SplitCertificate:
    """What is in two splits, and so leaks, and what has two labels.

    `read_waveform(number)` gives the samples of a clip, float32 [samples]; it is asked for few of
    them. The order of `clips` does not matter to what is found.
    """
    by_audio: dict[str, list[int]] = defaultdict(list)
    for number, clip in enumerate(clips):
        by_audio[clip.pcm_sha256].append(number)
    found = Found(clips=len(clips))
    for group in by_audio.values():
        if len(group) > 1:
            found.add_copies([clips[number] for number in group])
    for leak in _shared_speakers(clips):
        found.add(leak)
    firsts = [group[0] for group in by_audio.values()]
    for leak in _near_duplicates(clips, firsts, read_waveform):
        found.add(leak)
    return found.certificate()


@dataclass
class Found:
    """What was found so far: `counts` and the first `leaks` of each kind, in their order."""

    clips: int = 0
    copies_within_splits: int = 0
    counts: dict[LeakKind, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    leaks: dict[LeakKind, list[list[str]]] = field(
        default_factory=lambda: {kind: [] for kind in _KINDS}
    )

    def add(self, leak: Leak) -> None:
        """One more."""
        self.counts[leak.kind] += 1
        self._list(leak.kind, [leak.what])

    def add_copies(self, group: Sequence[StoredClip]) -> None:
        """A group of clips with the very same samples."""
        if len({clip.split for clip in group}) > 1:
            self.add(leak_of("identical", map(_by_id, group)))
        else:
            self.copies_within_splits += 1
        if leak := _two_labels(group):
            self.add(leak)

    def merged(self, other: "Found") -> "Found":
        """Itself, with all that `other` has."""
        self.clips += other.clips
        self.copies_within_splits += other.copies_within_splits
        for kind, count in other.counts.items():
            self.counts[kind] += count
            self._list(kind, other.leaks[kind])
        return self

    def certificate(self) -> SplitCertificate:
        """What it says in the end, whatever the order in which it was found."""
        return SplitCertificate(
            clips=self.clips,
            counts=self.counts,
            leaks=[
                Leak(kind=kind, what=what)
                for kind in sorted(self.leaks)
                for what in sorted(self.leaks[kind])[:LEAKS_LISTED]
            ],
            copies_within_splits=self.copies_within_splits,
            same_recording=SAME_RECORDING,
        )

    def _list(self, kind: LeakKind, more: list[list[str]]) -> None:
        """Keeps the first ones; sorts when there are twice as many."""
        self.leaks[kind] += more
        if len(self.leaks[kind]) > 2 * LEAKS_LISTED:
            self.leaks[kind] = sorted(self.leaks[kind])[:LEAKS_LISTED]


def leak_of(kind: LeakKind, clips: Iterable[tuple[str, str]]) -> Leak:
    """The leak that clips are, of which it is told (id, split)."""
    return Leak(kind=kind, what=sorted(f"{id_} ({split})" for id_, split in clips))


def _two_labels(group: Iterable[StoredClip]) -> Leak | None:
    """That identical clips have more than one target: the first clip of each."""
    first = {
        clip.target: f"{clip.id} ({clip.target[:_MOST_TARGET]}, {clip.split})"
        for clip in sorted(group, key=_by_id, reverse=True)
    }
    return Leak(kind="two_labels", what=sorted(first.values())) if len(first) > 1 else None


def _by_id(clip: StoredClip) -> tuple[str, str]:
    return clip.id, clip.split


def _shared_speakers(clips: list[StoredClip]) -> Iterator[Leak]:
    splits: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        splits[clip.speaker].add(clip.split)
    for speaker, found in splits.items():
        if speaker and len(found) > 1:
            yield leak_of_speaker(speaker, found)


def leak_of_speaker(speaker: str, splits: Iterable[str]) -> Leak:
    """That a speaker is in several splits."""
    return Leak(kind="speaker", what=[speaker, *sorted(splits)])


def _near_duplicates(
    clips: list[StoredClip], numbers: list[int], read_waveform: Callable[[int], np.ndarray]
) -> Iterator[Leak]:
    """Pairs of clips in two splits, among `numbers`, that are one recording."""
    numbers = sorted(numbers, key=lambda number: clips[number].id)
    codes = split_codes([clips[number].split for number in numbers])
    prints = [clips[number].fingerprint for number in numbers]
    pieces, owners, places = find_pieces(prints, fewest_pieces(len(prints)))
    nearest: dict[int, dict[int, float]] = defaultdict(dict)
    packed = Prints.of(prints)
    for found in shared_pieces(pieces, owners, places, codes[owners]):
        pairs = np.stack(found, axis=1)
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            some = pairs[start : start + PAIRS_AT_ONCE]
            bits = different_bits(packed, packed, some)
            for place in np.flatnonzero(bits <= MOST_DIFFERENT_BITS).tolist():
                one, other, _ = some[place].tolist()
                nearest[one][other] = min(float(bits[place]), nearest[one].get(other, 1.0))
    for one, near in sorted(nearest.items()):
        waveform = read_waveform(numbers[one])
        for other in sorted(near, key=lambda number: (near[number], number))[:MOST_CANDIDATES]:
            if correlation(waveform, read_waveform(numbers[other])) >= SAME_RECORDING:
                yield leak_of("near_duplicate", [_by_id(clips[numbers[n]]) for n in (one, other)])


def fewest_pieces(clips: int) -> int:
    """How many pieces each of so many clips keeps, at least, where it has them."""
    return max(_FEWEST_PIECES, _MOST_PIECES // max(1, clips))


class Prints(NamedTuple):
    """Fingerprints one after another, uint16, and where each ends, int64 [clips]."""

    frames: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, prints: Sequence[np.ndarray]) -> "Prints":
        """Of clips, uint16 [frames] each."""
        frames = np.concatenate([*prints, np.empty(0, np.uint16)])
        return cls(frames, np.cumsum([len(each) for each in prints], dtype=np.int64))


def different_bits(ours: Prints, theirs: Prints, pairs: np.ndarray) -> np.ndarray:
    """The share of different bits where both clips of a pair are active, float64 [pairs]; 1 where
    that is too short.

    `pairs` int64 [pairs, 3] are a clip of ours, one of theirs, and the frame of the first that lies
    on the first frame of the other.
    """
    ones, others, shifts = pairs.T
    our_start, our_length = _places(ours, ones, np.maximum(shifts, 0))
    their_start, their_length = _places(theirs, others, np.maximum(-shifts, 0))
    lengths = np.minimum(our_length, their_length)
    frame = np.arange(max(0, lengths.max(initial=0)))
    is_both = frame < lengths[:, None]
    our_frames, their_frames = (
        prints.frames[np.where(is_both, start[:, None] + frame, 0)]
        for prints, start in ((ours, our_start), (theirs, their_start))
    )
    active = is_both & (our_frames != 0) & (their_frames != 0)
    frames = np.count_nonzero(active, axis=1)
    different = np.sum(_ONES[our_frames ^ their_frames], axis=1, where=active, dtype=np.int64)
    return np.where(frames < _FEWEST_FRAMES, 1.0, different / np.maximum(16 * frames, 1))


def _places(prints: Prints, clips: np.ndarray, skipped: np.ndarray) -> tuple[np.ndarray, ...]:
    """Where what is compared of each clip starts, and how many frames it has: int64 [pairs]."""
    starts = np.concatenate([[0], prints.ends[:-1]])[clips] + skipped
    return starts, prints.ends[clips] - starts
