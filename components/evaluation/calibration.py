"""CalibrationError, a metric for TFMA: whether scores are what they say, shares of right answers.

Expected calibration error of the highest score (Guo et al. 2017): clips in 15 equal bins of it, the
mean over bins, by clips, of the distance between the mean score and the share of right answers.
"""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types

from components.evaluation.curves import BINS
from components.evaluation.tfma_batches import labels_and_scores, make_computations

_Sums = np.ndarray  # float64 [bins, 3]: clips, scores, right answers


class CalibrationError(tfma.metrics.Metric):
    """0 for scores that are what they say, up to 1; a score that is no number counts as 0."""

    def __init__(self, name: str = "calibration_error") -> None:
        super().__init__(make_computations(_BinFn), name=name)


metric_types.register_metric(CalibrationError)


def calibration_error(sums: _Sums) -> float:
    """Of the sums by bin, [bins, 3]: clips, scores, right answers; 0 of no clips."""
    clips, scores, right = sums.T
    return float(np.abs(scores - right).sum() / clips.sum()) if clips.sum() else 0.0


class _BinFn(beam.CombineFn):
    def __init__(self, key: metric_types.MetricKey) -> None:
        super().__init__()
        self._key = key

    def create_accumulator(self) -> _Sums:
        return np.zeros((BINS, 3))

    def add_input(self, sums: _Sums, element: metric_types.StandardMetricInputs) -> _Sums:
        labels, scores = labels_and_scores(element, self._key)
        highest = scores.max(axis=1).astype(np.float64)
        highest[~np.isfinite(scores).all(axis=1)] = 0.0
        bins = (highest * BINS).astype(np.int64).clip(0, BINS - 1)
        right = scores.argmax(axis=1) == labels
        for column, weights in enumerate((np.ones(len(bins)), highest, right)):
            sums[:, column] += np.bincount(bins, weights, BINS)
        return sums

    def merge_accumulators(self, accumulators: Iterable[_Sums]) -> _Sums:
        merged: _Sums = np.sum(list(accumulators), axis=0)
        return merged

    def extract_output(self, sums: _Sums) -> dict[metric_types.MetricKey, float]:
        return {self._key: calibration_error(sums)}
