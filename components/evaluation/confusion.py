"""ConfusionMatrix, a metric for TFMA: how often clips of each class were answered with which.

The numbers, and the message they are written in, are those of TFMA's own
MultiClassConfusionMatrixAtThresholds, which counts clip by clip; this one counts many at once.
"""

from collections import Counter
from collections.abc import Iterable

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.metrics.multi_class_confusion_matrix_metrics import (
    Matrices,
    MatrixEntryKey,
)

from components.evaluation.tfma_batches import labels_and_scores, make_computations

# Below any score: every clip counts as answered with its highest score.
_THRESHOLD = -1.0

_Counts = Counter[tuple[int, int]]  # by true class id, -1 outside the model's, and answered one


class ConfusionMatrix(tfma.metrics.Metric):
    """Clips by true and answered class; the first score that is no number is taken as highest."""

    def __init__(self, name: str = "confusion_matrix") -> None:
        super().__init__(make_computations(_CountFn), name=name)


metric_types.register_metric(ConfusionMatrix)


class _CountFn(beam.CombineFn):
    def __init__(self, key: metric_types.MetricKey) -> None:
        super().__init__()
        self._key = key

    def create_accumulator(self) -> _Counts:
        return Counter()

    def add_input(self, counts: _Counts, element: metric_types.StandardMetricInputs) -> _Counts:
        labels, scores = labels_and_scores(element, self._key)
        pairs = np.stack([labels, scores.argmax(axis=1)], axis=1)
        found, clips = np.unique(pairs, axis=0, return_counts=True)
        for (true, answered), count in zip(found.tolist(), clips.tolist(), strict=True):
            counts[true, answered] += count
        return counts

    def merge_accumulators(self, accumulators: Iterable[_Counts]) -> _Counts:
        return sum(accumulators, _Counts())

    def extract_output(self, counts: _Counts) -> dict[metric_types.MetricKey, Matrices]:
        entries = {MatrixEntryKey(*pair): float(clips) for pair, clips in counts.items()}
        return {self._key: Matrices({_THRESHOLD: entries})}
