"""CalibrationError, a metric for TFMA: whether scores are what they say, shares of right answers.

Expected calibration error of the highest score (Guo et al. 2017): clips in 15 equal bins of it, the
mean over bins, by clips, of the distance between the mean score and the share of right answers.
"""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.evaluation.curves import BINS

_Sums = np.ndarray  # float64 [bins, 3]: clips, scores, right answers


class CalibrationError(tfma.metrics.Metric):
    """0 for scores that are what they say, up to 1; a score that is no number counts as 0."""

    def __init__(self, name: str = "calibration_error") -> None:
        super().__init__(
            metric_util.merge_per_key_computations(_calibration_error_computations), name=name
        )


metric_types.register_metric(CalibrationError)


def _calibration_error_computations(
    name: str,
    eval_config: tfma.EvalConfig | None = None,
    model_name: str = "",
    output_name: str = "",
    **_: Any,
) -> metric_types.MetricComputations:
    key = metric_types.MetricKey(name=name, model_name=model_name, output_name=output_name)
    combiner = _BinFn(key, eval_config, model_name, output_name)
    return [
        metric_types.MetricComputation(
            keys=[key],
            preprocessors=[
                metric_types.StandardMetricInputsPreprocessor()  # labels and predictions
            ],
            combiner=combiner,
        )
    ]


def calibration_error(sums: _Sums) -> float:
    """Of the sums by bin, [bins, 3]: clips, scores, right answers; 0 of no clips."""
    clips, scores, right = sums.T
    return float(np.abs(scores - right).sum() / clips.sum()) if clips.sum() else 0.0


def bin_of(score: float) -> int:
    """Which of the bins a score from 0 to 1 lies in."""
    return min(int(score * BINS), BINS - 1)


class _BinFn(beam.CombineFn):
    def __init__(
        self,
        key: metric_types.MetricKey,
        eval_config: tfma.EvalConfig | None,
        model_name: str,
        output_name: str,
    ) -> None:
        super().__init__()
        self._key = key
        self._where = {
            "eval_config": eval_config,
            "model_name": model_name,
            "output_name": output_name,
        }

    def create_accumulator(self) -> _Sums:
        return np.zeros((BINS, 3))

    def add_input(self, sums: _Sums, element: metric_types.StandardMetricInputs) -> _Sums:
        for label, scores, _ in metric_util.to_label_prediction_example_weight(
            element, flatten=False, **self._where
        ):
            answer = int(np.argmax(scores))
            score = float(scores[answer]) if np.isfinite(scores).all() else 0.0
            sums[bin_of(score)] += 1, score, answer == int(np.ravel(label)[0])
        return sums

    def merge_accumulators(self, accumulators: Iterable[_Sums]) -> _Sums:
        merged: _Sums = np.sum(list(accumulators), axis=0)
        return merged

    def extract_output(self, sums: _Sums) -> dict[metric_types.MetricKey, float]:
        return {self._key: calibration_error(sums)}
