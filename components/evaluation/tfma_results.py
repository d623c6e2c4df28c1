"""Reads the numbers of one model out of what Evaluator had TFMA write; judges nothing."""

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import metrics_for_slice_pb2

from components.evaluation.tallies import OVERALL, Tallies, Tally
from components.evaluation.tfma_evaluation import CANDIDATE
from components.evaluation.tfma_sums import SUMS
from components.storage.location import location_of
from components.storage.plain_path import plain_path


def read_results(evaluation_dir: str, model: str) -> Tallies:
    """Errors of `CANDIDATE` or `BASELINE` by feature and value, out of an evaluation artifact's
    folder. Nothing evaluated gives no tallies.
    """
    tallies: dict[str, dict[str, Tally]] = {}
    with (
        location_of(evaluation_dir).local_copy() as folder,
        plain_path(str(folder)) as path,
    ):
        records = list(tfma.load_metrics(path))
    for record in records:
        values = _values(record, model)
        keys = record.slice_key.single_slice_keys
        if len(keys) > 1 or not set(SUMS) <= set(values):
            continue
        errors, units, clips = (values[name].double_value.value for name in SUMS)
        feature, value = (keys[0].column, _text(keys[0])) if keys else (OVERALL, OVERALL)
        tallies.setdefault(feature, {})[value] = Tally(errors, units, round(clips))
    return tallies


def _values(
    record: metrics_for_slice_pb2.MetricsForSlice, model: str
) -> dict[str, metrics_for_slice_pb2.MetricValue]:
    """Metric values of one model by name; TFMA leaves a single model without a name."""
    pairs = [pair for pair in record.metric_keys_and_values if not pair.key.is_diff]
    is_single = all(not pair.key.model_name for pair in pairs)
    wanted = "" if is_single and model == CANDIDATE else model
    return {pair.key.name: pair.value for pair in pairs if pair.key.model_name == wanted}


def _text(key: metrics_for_slice_pb2.SingleSliceKey) -> str:
    kind = key.WhichOneof("kind")
    value = getattr(key, kind)
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
