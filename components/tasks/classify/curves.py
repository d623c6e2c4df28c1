"""Curves of a table of scores: whether scores can be believed, and what a threshold would cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.evaluation.scores import ClipScores
from components.tasks.classify.scoring import labels_of, scores_of, top_scores

BINS = 15
_POINTS = 200

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
    top = np.nan_to_num(top_scores(scores.candidate)).astype(np.float64)
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
    is_own = scores.targets[:, None] == labels_of(scores.candidate)[None, :]
    values = np.nan_to_num(scores_of(scores.candidate)).astype(np.float64)
    own, others = np.sort(values[is_own]), np.sort(values[~is_own])
    if not len(own) or not len(others):
        return DetectionErrors(*(np.empty(0) for _ in range(3)))
    # Close together where there are scores: quantiles of both kinds.
    steps = np.linspace(0, 1, _POINTS)
    thresholds = np.unique(np.concatenate([np.quantile(own, steps), np.quantile(others, steps)]))
    return DetectionErrors(
        threshold=thresholds,
        false_rejects=np.searchsorted(own, thresholds, "left") / len(own),
        false_accepts=1 - np.searchsorted(others, thresholds, "left") / len(others),
    )
