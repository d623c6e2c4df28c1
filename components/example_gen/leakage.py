"""The split certificate: that nothing the model is judged on was heard in training.

Looks for a speaker, the very same samples, or the same recording encoded another way in two splits,
and, wherever they are, for the very same samples with two labels, of which one has to be wrong.
Near-duplicates are found in three steps, each on what the one before left: equal pieces of
fingerprints, joined by sorting; fingerprints that agree where they overlap; correlation of the
stored samples. Time and memory grow with the number of clips, not of pairs.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np

from components.audio.fingerprint import SAME_RECORDING, correlation
from schemas.reports.leakage import Leak, LeakKind, SplitCertificate

LEAKS_LISTED = 100  # of each kind

_MOST_TARGET = 60  # characters of a target that are said
_KEY_FRAMES = (
    0,
    4,
    8,
)  # of which a key takes half the bits: 24, equal by chance once in 17 million
_HALVES = (0, 8)
_MOST_IN_BUCKET = 64  # a piece that many clips share is a hum, not a recording
_MOST_KEYS = 1 << 25  # of larger sets every second, third, ... frame is used
_KEYS_AT_ONCE = 1 << 20
_MOST_DIFFERENT_BITS = 0.25  # copies differ by 0.05 to 0.2, other recordings by 0.3 to 0.5
_FEWEST_FRAMES = 8
_MOST_CANDIDATES = 16  # of one clip, the nearest first


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
    copies = [group for group in by_audio.values() if len(group) > 1]
    leaks = [
        *_shared_speakers(clips),
        *(_leak("identical", clips, group) for group in copies if _crosses(clips, group)),
        *_near_duplicates(clips, [group[0] for group in by_audio.values()], read_waveform),
        *_two_labels(clips, copies),
    ]
    leaks.sort(key=lambda leak: (leak.kind, leak.what))
    found = {kind: [leak for leak in leaks if leak.kind == kind] for kind in get_args(LeakKind)}
    return SplitCertificate(
        clips=len(clips),
        counts={kind: len(of_kind) for kind, of_kind in found.items()},
        leaks=[leak for kind in sorted(found) for leak in found[kind][:LEAKS_LISTED]],
        copies_within_splits=sum(not _crosses(clips, group) for group in copies),
        same_recording=SAME_RECORDING,
    )


def _crosses(clips: list[StoredClip], group: list[int]) -> bool:
    return len({clips[number].split for number in group}) > 1


def _leak(kind: LeakKind, clips: list[StoredClip], group: list[int]) -> Leak:
    names = sorted(f"{clips[number].id} ({clips[number].split})" for number in group)
    return Leak(kind=kind, what=names)


def _two_labels(clips: list[StoredClip], copies: list[list[int]]) -> Iterator[Leak]:
    """Groups of identical clips that have more than one target: the first clip of each."""
    for group in copies:
        first = {
            clip.target: f"{clip.id} ({clip.target[:_MOST_TARGET]}, {clip.split})"
            for clip in sorted((clips[number] for number in group), key=_by_id, reverse=True)
        }
        if len(first) > 1:
            yield Leak(kind="two_labels", what=sorted(first.values()))


def _by_id(clip: StoredClip) -> tuple[str, str]:
    return clip.id, clip.split


def _shared_speakers(clips: list[StoredClip]) -> Iterator[Leak]:
    splits: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        splits[clip.speaker].add(clip.split)
    for speaker, found in splits.items():
        if speaker and len(found) > 1:
            yield Leak(kind="speaker", what=[speaker, *sorted(found)])


def _near_duplicates(
    clips: list[StoredClip], numbers: list[int], read_waveform: Callable[[int], np.ndarray]
) -> Iterator[Leak]:
    """Pairs of clips in two splits, among `numbers`, that are one recording."""
    numbers = sorted(numbers, key=lambda number: clips[number].id)
    splits = np.array([clips[number].split for number in numbers])
    prints = [clips[number].fingerprint for number in numbers]
    nearest: dict[int, dict[int, float]] = defaultdict(dict)
    for one, other, shift in _candidates(prints, splits):
        difference = _difference(prints[one], prints[other], shift)
        if difference <= min(_MOST_DIFFERENT_BITS, nearest[one].get(other, 1.0)):
            nearest[one][other] = difference
    for one, found in sorted(nearest.items()):
        waveform = read_waveform(numbers[one])
        for other in sorted(found, key=lambda number: (found[number], number))[:_MOST_CANDIDATES]:
            if correlation(waveform, read_waveform(numbers[other])) >= SAME_RECORDING:
                yield _leak("near_duplicate", clips, [numbers[one], numbers[other]])


def _candidates(prints: list[np.ndarray], splits: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(one, other, shift): clips of two splits that share a key, `shift` frames apart.

    Of clips in train and another split, the one in train comes second.
    """
    keys, owners, places = _keys(prints)
    order = np.argsort(keys, kind="stable")
    keys, owners, places = keys[order], owners[order], places[order]
    asked = np.flatnonzero(splits[owners] != "train")
    for start in range(0, len(asked), _KEYS_AT_ONCE):
        ones = asked[start : start + _KEYS_AT_ONCE]
        first = np.searchsorted(keys, keys[ones], "left")
        sizes = np.searchsorted(keys, keys[ones], "right") - first
        kept = sizes <= _MOST_IN_BUCKET
        ones, first, sizes = ones[kept], first[kept], sizes[kept]
        before = np.repeat(np.cumsum(sizes) - sizes, sizes)
        others = np.repeat(first, sizes) + np.arange(sizes.sum()) - before
        ones = np.repeat(ones, sizes)
        is_leak = splits[owners[ones]] != splits[owners[others]]
        ones, others = ones[is_leak], others[is_leak]
        shifts = places[ones].astype(np.int32) - places[others]
        found = np.unique(np.stack([owners[ones], owners[others], shifts]), axis=1)
        for one, other, shift in found.T.tolist():
            if splits[other] == "train" or one < other:
                yield one, other, shift


def _keys(prints: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every key (uint32), its clip and its frame: half the bits of three frames of a fingerprint.

    Two halves, so that a copy which lost its high frequencies still shares the low ones.
    """
    lengths = np.array([len(each) for each in prints], np.int64)
    whole = np.concatenate([*prints, np.zeros(_KEY_FRAMES[-1], np.uint16)]).astype(np.uint32)
    owners = np.repeat(np.arange(len(prints), dtype=np.int32), lengths)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    ends = lengths[owners] - _KEY_FRAMES[-1]
    stride = -(-len(_HALVES) * len(owners) // _MOST_KEYS) or 1
    starts = np.flatnonzero((places < ends) & (places % stride == 0))
    frames = [whole[starts + offset] for offset in _KEY_FRAMES]
    active = np.all([frame != 0 for frame in frames], axis=0)
    starts, frames = starts[active], [frame[active] for frame in frames]
    keys = [
        half << 24 | sum((frame >> half & 0xFF) << 8 * n for n, frame in enumerate(frames))
        for half in _HALVES
    ]
    both = len(_HALVES)
    return np.concatenate(keys), np.tile(owners[starts], both), np.tile(places[starts], both)


def _difference(one: np.ndarray, other: np.ndarray, shift: int) -> float:
    """The share of different bits where both clips are active; 1 where that is too short.

    Frame `shift` of `one` lies on the first frame of `other`.
    """
    start, begin = max(0, shift), max(0, -shift)
    length = min(len(one) - start, len(other) - begin)
    ours, theirs = one[start : start + length], other[begin : begin + length]
    active = (ours != 0) & (theirs != 0)
    frames = int(np.count_nonzero(active))
    if frames < _FEWEST_FRAMES:
        return 1.0
    different = np.unpackbits((ours ^ theirs)[active].view(np.uint8))
    return int(np.count_nonzero(different)) / (16 * frames)
