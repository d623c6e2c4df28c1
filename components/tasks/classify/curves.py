"""Curves of a table of scores: whether scores can be believed, and what a threshold would cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.evaluation.scores import ClipScores
from components.tasks.classify.scoring import labels_of, scores_of

BINS = 15
_POINTS = 200
_FINER_BITS = 10  # of a float32, that are not told apart
_STEPS = (int(np.float32(1).view(np.uint32)) >> _FINER_BITS) + 1

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """Mean score, share right and number of the clips in each bin of the highest score."""

    score: Values
    accuracy: Values
    clips: NDArray[np.int64]


@dataclass(frozen=True)
class DetectionErrors:
    """By threshold, rising: words missed (their score is below it), others accepted (at or above).

    Every clip counts once for its own word and once for every other word.
    """

    threshold: Values
    false_rejects: Values
    false_accepts: Values

    @property
    def equal_error_rate(self) -> float:
        """Where both are the same; NaN without clips."""
        if not len(self.threshold):
            return float("nan")
        place = int(np.abs(self.false_rejects - self.false_accepts).argmin())
        return float(self.false_rejects[place] + self.false_accepts[place]) / 2


def reliability(scores: ClipScores) -> Reliability:
    """How the candidate's highest scores compare with how often they are right."""
    top = np.nan_to_num(scores.candidate.confidence).astype(np.float64)
    right = scores.candidate.is_right
    bins = np.minimum((top * BINS).astype(np.int64), BINS - 1)
    clips = np.bincount(bins, minlength=BINS)
    filled = clips > 0
    return Reliability(
        score=np.bincount(bins, top, BINS)[filled] / clips[filled],
        accuracy=np.bincount(bins, right, BINS)[filled] / clips[filled],
        clips=clips[filled],
    )


def detection_errors(scores: ClipScores) -> DetectionErrors:
    """What the candidate would miss and wrongly accept, were a word heard from a threshold on."""
    own, others = _score_counts(scores)
    if not own.any() or not others.any():
        return DetectionErrors(*(np.empty(0) for _ in range(3)))
    # Close together where there are scores: quantiles of both kinds.
    steps = np.unique(np.concatenate([_quantiles(own), _quantiles(others)]))
    below = [np.concatenate([[0], np.cumsum(counts)]) for counts in (own, others)]
    return DetectionErrors(
        threshold=(steps.astype(np.uint32) << _FINER_BITS).view(np.float32).astype(np.float64),
        false_rejects=below[0][steps] / below[0][-1],
        false_accepts=1 - below[1][steps] / below[1][-1],
    )


def _score_counts(scores: ClipScores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many scores of true labels, and of all others, lie in each step of float32 numbers from 0
    to 1: a ten-thousandth of the number each. 17 MB for however many clips.
    """
    own, others = np.zeros(_STEPS, np.int64), np.zeros(_STEPS, np.int64)
    for part in scores.in_parts():
        labels, targets = labels_of(part.candidate), part.targets
        values = np.nan_to_num(scores_of(part.candidate)).astype(np.float32).clip(0, 1)
        steps = values.view(np.uint32) >> _FINER_BITS
        is_label = targets.values[:, None] == labels[None, :]
        is_own = is_label[targets.codes]
        own += np.bincount(steps[is_own], minlength=_STEPS)
        others += np.bincount(steps[~is_own], minlength=_STEPS)
    return own, others


def _quantiles(counts: NDArray[np.int64]) -> NDArray[np.intp]:
    """The steps that hold the quantiles of what is counted."""
    ranks = np.linspace(0, counts.sum() - 1, _POINTS).round()
    return np.searchsorted(np.cumsum(counts), ranks, side="right")
