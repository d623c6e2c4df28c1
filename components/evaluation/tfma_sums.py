"""ErrorSums, a metric for TFMA: errors, their units and clips of one model on one slice.

TFMA hands metrics one clip of one slice at a time, in Python; this one takes all clips of a batch
at once (`tfma_batches`).
"""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util

SUMS = ("errors", "units", "clips")
_Sums = np.ndarray  # float64 [3], in the order of SUMS


class ErrorSums(tfma.metrics.Metric):
    """Three numbers by name; labels are units, and predictions are errors."""

    def __init__(self, name: str = "error_sums") -> None:
        super().__init__(metric_util.merge_per_key_computations(_computations), name=name)


metric_types.register_metric(ErrorSums)


def _computations(
    name: str, model_name: str = "", output_name: str = ""
) -> metric_types.MetricComputations:
    keys = [
        metric_types.MetricKey(name=each, model_name=model_name, output_name=output_name)
        for each in SUMS
    ]
    inputs = metric_types.StandardMetricInputsPreprocessor()
    return [
        metric_types.MetricComputation(keys=keys, preprocessors=[inputs], combiner=_SumFn(keys))
    ]


class _SumFn(beam.CombineFn):
    def __init__(self, keys: list[metric_types.MetricKey]) -> None:
        super().__init__()
        self._keys = keys

    def create_accumulator(self) -> _Sums:
        return np.zeros(len(SUMS))

    def add_input(self, sums: _Sums, element: metric_types.StandardMetricInputs) -> _Sums:
        model = self._keys[0].model_name
        units, errors = element.get_labels(model), element.get_predictions(model)
        return sums + np.array([errors.sum(), units.sum(), len(units)])

    def merge_accumulators(self, accumulators: Iterable[_Sums]) -> _Sums:
        merged: _Sums = np.sum(list(accumulators), axis=0)
        return merged

    def extract_output(self, sums: _Sums) -> dict[metric_types.MetricKey, float]:
        return dict(zip(self._keys, sums.tolist(), strict=True))
