"""What a classifier is measured by besides its accuracy, from the table of scores alone."""

import numpy as np
from numpy.typing import NDArray

from components.evaluation.scores import ClipScores, Coded
from components.tasks.classify.curves import BINS
from components.tasks.classify.details import ClassMetrics
from components.tasks.classify.scoring import labels_of, untaught

NONE_SHARE = 0.02  # of the right answers, which are taken for none of the labels
FEWEST_RIGHT = 50


def all_labels(scores: ClipScores) -> list[str]:
    """The candidate's classes in its order, and behind them labels that it was not taught."""
    return [*labels_of(scores.candidate).tolist(), *untaught(scores)]


def none_below(scores: ClipScores) -> float | None:
    """The score that all but `NONE_SHARE` of the right answers reach; None of too few to tell."""
    model = scores.candidate
    right = model.confidence[model.is_right]
    if len(right) < FEWEST_RIGHT:
        return None
    return float(np.quantile(right.astype(np.float64), NONE_SHARE))


def confusion(scores: ClipScores) -> list[list[int]]:
    """Clips by true and answered class, in the order of `all_labels`; the first score that is no
    number counts as the answer.
    """
    labels = all_labels(scores)
    size = len(labels)
    cells = _places(labels, scores.targets) * size + _places(labels, scores.candidate.answers)
    matrix: list[list[int]] = np.bincount(cells, minlength=size**2).reshape(size, size).tolist()
    return matrix


def class_metrics(matrix: list[list[int]], labels: list[str]) -> dict[str, ClassMetrics]:
    """Precision and recall of each class of a confusion matrix."""
    counts = np.array(matrix)
    metrics = {}
    for number, label in enumerate(labels):
        clips, times = int(counts[number].sum()), int(counts[:, number].sum())
        right = int(counts[number, number])
        metrics[label] = ClassMetrics(
            precision=right / times if times else None,
            recall=right / clips if clips else None,
            clips=clips,
        )
    return metrics


def macro_f1(classes: dict[str, ClassMetrics]) -> float:
    """The mean over the classes that have clips; a class that is never answered right counts 0."""
    found = []
    for metrics in classes.values():
        if metrics.recall is not None:
            precision = metrics.precision or 0.0
            both = precision + metrics.recall
            found.append(2 * precision * metrics.recall / both if both else 0.0)
    return float(np.mean(found)) if found else 0.0


def calibration_error(scores: ClipScores) -> float:
    """Expected calibration error of the highest score (Guo et al. 2017); 0 of no clips.

    Clips in 15 equal bins of it, the mean over bins, by clips, of the distance between the mean
    score and the share of right answers; a score that is no number counts as 0.
    """
    if not len(scores):
        return 0.0
    model = scores.candidate
    highest = np.where(model.is_finite, model.confidence, 0).astype(np.float64)
    bins = (highest * BINS).astype(np.int64).clip(0, BINS - 1)
    right = model.answers == scores.targets
    sums = [np.bincount(bins, values, BINS) for values in (highest, right)]
    return float(np.abs(sums[0] - sums[1]).sum() / len(scores))


def _places(labels: list[str], texts: Coded) -> NDArray[np.intp]:
    """Where in `labels` each clip's text is: [clips]."""
    places = {label: place for place, label in enumerate(labels)}
    return texts.spread([places.get(text, -1) for text in texts.values.tolist()], np.intp)
