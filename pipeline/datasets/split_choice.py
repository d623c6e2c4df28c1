"""How `auricle init` divides recordings, and how much it asks of a model that they judge."""

from collections import Counter

import numpy as np

from components.evaluation.clusters import effective_clips
from components.evaluation.intervals import accuracy_interval
from components.example_gen.splits import check_data_set, divide
from pipeline.datasets.checks import unanswered
from schemas.errors import DataError
from schemas.splits import judging
from schemas.utterance import Utterance
from schemas.workflow.data import Split
from schemas.workflow.gate import Gate

_FEW_TEST_CLIPS = 100  # so few decide little: then every clip tests
_FOLDS = 5
_FEWEST_SPEAKERS = 3
_FEW_SPEAKERS = 10  # hashing so few leaves a split empty too easily
_SHARES = (0.1, 0.15, 0.2, 0.25, 0.3)  # of eval and of test, where clips are divided
_LIMITS = tuple(n / 100 for n in range(90, 0, -5))
_EXPECTED = 0.9  # a model that is right on so many clips is to be published


def choose_split(rows: list[Utterance]) -> Split:
    """Train, eval and test where the test clips are enough to decide, else folds.

    Raises:
        DataError: no split makes a data set.
    """
    speakers = {row.speaker for row in rows}
    if "" not in speakers and len(speakers) < _FEWEST_SPEAKERS:
        raise DataError(
            f"{len(speakers)} speaker(s) only ({', '.join(sorted(speakers))}); expected at least"
            " three: one each to train, to validate and to judge on. Without `speaker` in the"
            " manifest clips are split instead, and the model is tested on voices that it was"
            " trained on"
        )
    if any(row.split for row in rows):  # the manifest has decided
        check_data_set(rows, Split())
        return Split()
    fixed, folds = _fixed_split(rows), _folds(rows)
    if fixed is not None:
        enough = _test_clips(rows, fixed) >= _FEW_TEST_CLIPS
        if enough or not _makes_data_set(rows, folds):
            return fixed
    check_data_set(rows, folds)
    return folds


def choose_limit(rows: list[Utterance], split: Split) -> float:
    """The accuracy to ask for: 0.9, or less where a good model could not show that on so few clips;
    at the least more than chance, which it may take a model without a fault to show.

    Raises:
        DataError: on so few clips no model could be told from chance.
    """
    clips, confidence = unanswered(rows, split), Gate().confidence
    independent = float(len(clips.targets))
    if clips.is_clustered:
        none_wrong = np.zeros(len(clips.targets))
        independent = effective_clips(none_wrong, clips.speakers, confidence)
    chance = 1 / len({row.target for row in rows})
    for share in (_EXPECTED, 1.0):
        shown, _ = accuracy_interval(share * independent, independent, confidence)
        if limits := [limit for limit in _LIMITS if chance < limit <= shown]:
            return limits[0]
    raise DataError(
        f"{len(clips.targets):,} clips to judge a model by are too few: one that is right on all of"
        f" them could not be told from chance ({chance:.2f}). Record more, by more speakers where"
        " speakers are named"
    )


def _fixed_split(rows: list[Utterance]) -> Split | None:
    """By hash where that makes a data set, few speakers by name; None where neither does."""
    speakers = sorted({row.speaker for row in rows if row.speaker})
    if not speakers:
        shares = [Split(eval=share, test=share) for share in _SHARES]
        return next((split for split in shares if _makes_data_set(rows, split)), None)
    if len(speakers) >= _FEW_SPEAKERS and _makes_data_set(rows, Split()):
        return Split()
    named = _name_speakers(rows, speakers)
    return named if _makes_data_set(rows, named) else None


def _folds(rows: list[Utterance]) -> Split:
    groups = {row.split_key for row in rows if not row.is_must_pass}
    return Split(folds=max(2, min(_FOLDS, len(groups))))


def _test_clips(rows: list[Utterance], split: Split) -> int:
    divided = divide(rows, split)
    return sum(len(divided[name]) for name in judging(divided))


def _makes_data_set(rows: list[Utterance], split: Split) -> bool:
    try:
        check_data_set(rows, split)
    except DataError:
        return False
    return True


def _name_speakers(rows: list[Utterance], speakers: list[str]) -> Split:
    """A fifth each to judge and to validate: who said most labels, and of them the fewest clips."""
    labels = {name: {row.target for row in rows if row.speaker == name} for name in speakers}
    clips = Counter(row.speaker for row in rows)
    ranked = sorted(speakers, key=lambda name: (-len(labels[name]), clips[name], name))
    each = max(1, len(speakers) // 5)
    return Split(test_speakers=sorted(ranked[:each]), eval_speakers=sorted(ranked[each : 2 * each]))
