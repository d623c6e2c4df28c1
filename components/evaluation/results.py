"""Reads the numbers of one model out of what Evaluator had TFMA write; judges nothing."""

from collections.abc import Mapping
from typing import Any

import tensorflow_model_analysis as tfma

from components.evaluation.metrics import CALIBRATION_METRIC, CANDIDATE, CONFUSION_METRIC
from components.evaluation.tallies import LABEL_KEY, Results, Tally


def read_results(evaluation_dir: str, model: str) -> Results:
    """Results of `metrics.CANDIDATE` or `BASELINE` out of an evaluation artifact's folder.

    True labels come from the slices by label, not from TFMA's class ids: every label outside the
    model's classes is -1 there. Nothing evaluated gives results with no clips.
    """
    answers: dict[str, dict[int, int]] = {}
    slices: dict[str, dict[str, Tally]] = {}
    calibration_error = 0.0
    for record in tfma.load_metrics(evaluation_dir):
        values = _values(record, model)
        keys = record.slice_key.single_slice_keys
        if not keys and CALIBRATION_METRIC in values:
            calibration_error = values[CALIBRATION_METRIC].double_value.value
        if len(keys) != 1 or CONFUSION_METRIC not in values:
            continue
        feature, value = keys[0].column, _text(keys[0])
        matrix = _matrix(values[CONFUSION_METRIC])
        if feature == LABEL_KEY:
            answers[value] = _by_answer(matrix)
        else:
            right = sum(count for (true, answered), count in matrix.items() if true == answered)
            slices.setdefault(feature, {})[value] = Tally(right, sum(matrix.values()))
    return Results(answers, slices, calibration_error)


def _values(record: Any, model: str) -> dict[str, Any]:
    """Metric values of one model by name; TFMA leaves a single model without a name."""
    pairs = [pair for pair in record.metric_keys_and_values if not pair.key.is_diff]
    is_single = all(not pair.key.model_name for pair in pairs)
    wanted = "" if is_single and model == CANDIDATE else model
    return {pair.key.name: pair.value for pair in pairs if pair.key.model_name == wanted}


def _matrix(value: Any) -> dict[tuple[int, int], int]:
    """Clips by (true class id, answered class id)."""
    matrices = value.multi_class_confusion_matrix_at_thresholds.matrices
    return {
        (entry.actual_class_id, entry.predicted_class_id): round(entry.num_weighted_examples)
        for matrix in matrices
        for entry in matrix.entries
    }


def _by_answer(matrix: Mapping[tuple[int, int], int]) -> dict[int, int]:
    answers: dict[int, int] = {}
    for (_, answered), count in matrix.items():
        answers[answered] = answers.get(answered, 0) + count
    return answers


def _text(key: Any) -> str:
    kind = key.WhichOneof("kind")
    value = getattr(key, kind)
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
