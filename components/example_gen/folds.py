"""Divides a small data set into folds, each of which judges a model that the other folds taught.

Whole groups are dealt: a speaker's clips, or a recording's where nobody knows who speaks. The
largest group goes first, each to the fold that has the fewest clips of its labels, so that folds
are alike in size and labels. The order of rows does not matter.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from schemas.errors import DataError
from schemas.splits import TEST, TRAIN, fold_names
from schemas.text import some
from schemas.utterance import Utterance

_NAMED = 8


def fold_of(utterances: Iterable[Utterance], folds: int) -> Callable[[Utterance], str]:
    """What gives the split of each of the rows: `fold_1`, `fold_2`, ...

    Clips that have to pass are of the split `test`.
    """
    dealt = _deal((row for row in utterances if not row.is_must_pass), folds)
    return lambda row: TEST if row.is_must_pass else dealt[row.split_key]


def _deal(rows: Iterable[Utterance], folds: int) -> dict[str, str]:
    """The fold of each group, by its key."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        labels[row.split_key][row.target] += 1
    has = {name: Counter[str]() for name in fold_names(folds)}
    dealt = {}
    for key in sorted(labels, key=lambda key: (-sum(labels[key].values()), _hash(key))):
        own = labels[key]
        fold = min(has, key=lambda name: (_overlap(has[name], own), sum(has[name].values())))
        has[fold].update(own)
        dealt[key] = fold
    return dealt


def check_folds(utterances: Iterable[Utterance], folds: int) -> None:
    """Refuses rows that cannot be cross-validated in so many folds.

    Raises:
        DataError: fewer speakers or recordings than folds, a label that a fold alone has, or rows
            whose manifest says that they test.
    """
    fixed = [row for row in utterances if row.split not in ("", TRAIN)]
    if fixed:
        raise DataError(
            f"data.split.folds: the manifest says of {len(fixed):,} rows that they are of the"
            f" {fixed[0].split} split (such as {fixed[0].id}), but with folds every clip tests a"
            " model once. Take `split` out of the manifest, or data.split.folds out of the workflow"
        )
    clips_of: dict[str, Counter[str]] = defaultdict(Counter)
    for row in utterances:
        clips_of[row.target][row.split_key] += 1
    groups = sorted({key for clips in clips_of.values() for key in clips})
    by_speaker = all(row.speaker for row in utterances)
    if len(groups) < folds:
        raise DataError(_too_few(groups, folds, by_speaker))
    for label, clips in clips_of.items():
        if len(clips) < 2:
            raise DataError(_heard_by_one(label, clips, by_speaker))


def _overlap(has: Counter[str], labels: Counter[str]) -> int:
    return sum(has[label] * clips for label, clips in labels.items())


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _too_few(groups: list[str], folds: int, by_speaker: bool) -> str:
    unit = "speaker" if by_speaker else "recording"
    plural = "" if len(groups) == 1 else "s"
    named = f" ({some([repr(name) for name in groups], _NAMED)})" if groups else ""
    cures = [f"add {unit}s"]
    if len(groups) > 1:
        cures.insert(0, f"set data.split.folds to {len(groups)} or fewer")
    if by_speaker:
        cures.append("leave `speaker` out of the manifest, so that clips are divided")
    return (
        f"data.split.folds: {folds} folds need at least {folds} {unit}s, but there"
        f" {'is' if len(groups) == 1 else 'are'} {len(groups)} {unit}{plural}{named}. You can"
        f" {', '.join(cures[:-1])}{', or ' if len(cures) > 1 else ''}{cures[-1]}"
    )


def _heard_by_one(label: str, clips: Counter[str], by_speaker: bool) -> str:
    [(group, count)] = clips.items()
    number = f"{count} clip" + ("" if count == 1 else "s")
    if by_speaker:
        return (
            f"data: {label!r} has {number}, all spoken by {group!r}: the model that is tested on"
            " them was never taught this label. Add recordings of another speaker, or leave the"
            " label out"
        )
    return (
        f"data: {label!r} has {number}, all of one recording ({group!r}): the model that is tested"
        " on it was never taught this label. Add recordings, or leave the label out"
    )
