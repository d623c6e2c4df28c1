"""What TFMA measures on a table of scores: overall, by label and by every other feature."""

from collections.abc import Iterator

import apache_beam as beam
import pyarrow as pa
import tensorflow_model_analysis as tfma
from google.protobuf import text_format

from components.evaluation.counts import LABEL_KEY
from components.evaluation.scores import ClipScores, ModelScores

CANDIDATE = tfma.CANDIDATE_KEY
BASELINE = tfma.BASELINE_KEY
CONFUSION_METRIC = "multi_class_confusion_matrix_at_thresholds"
CALIBRATION_METRIC = "calibration_error"
_UNKNOWN_CLASS = -1
_CLIPS_AT_ONCE = 1000
# Below any score, so that every clip counts as answered with its highest score; TFMA's own default
# leaves out answers below 0.5.
_THRESHOLD = -1.0


def make_eval_config(scores: ClipScores) -> tfma.EvalConfig:
    """Metrics of each model on columns of `record_batches`; no thresholds: ModelGate decides."""
    models = [CANDIDATE] if scores.baseline is None else [CANDIDATE, BASELINE]
    specs = "".join(
        f'model_specs {{ name: "{model}" prediction_key: "{model}_scores" '
        f'label_key: "{model}_class" is_baseline: {str(model == BASELINE).lower()} }}\n'
        for model in models
    )
    config = text_format.Parse(
        f"""
        {specs}
        slicing_specs {{}}
        slicing_specs {{ feature_keys: "{LABEL_KEY}" }}
        metrics_specs {{
          metrics {{ class_name: "ExampleCount" }}
          metrics {{
            class_name: "CalibrationError"
            module: "components.evaluation.calibration"
            config: '"name": "{CALIBRATION_METRIC}"'
          }}
          metrics {{
            class_name: "MultiClassConfusionMatrixAtThresholds"
            config: '"name": "{CONFUSION_METRIC}", "thresholds": [{_THRESHOLD}]'
          }}
        }}
        """,
        tfma.EvalConfig(),
    )
    for name in scores.features:
        config.slicing_specs.add(feature_keys=[name])
    return config


def evaluate(scores: ClipScores, output_path: str, pipeline: beam.Pipeline) -> None:
    """Has TFMA measure the table in `pipeline` and write its files to `output_path`."""
    config = make_eval_config(scores)
    _ = (
        pipeline
        | "CreateTable" >> beam.Create(list(record_batches(scores)))
        | "Evaluate"
        >> tfma.ExtractEvaluateAndWriteResults(
            eval_config=config,
            writers=tfma.default_writers(output_path=output_path, eval_config=config),
            output_path=output_path,
        )
    )


def record_batches(scores: ClipScores) -> Iterator[pa.RecordBatch]:
    """The table in Arrow, as TFMA takes it: every column a list of values a clip."""
    columns: dict[str, pa.Array] = {
        name: _lists(pa.array(values)) for name, values in scores.features.items()
    }
    columns[LABEL_KEY] = _lists(pa.array(scores.labels))
    columns |= _model_columns(CANDIDATE, scores.candidate, scores)
    if scores.baseline is not None:
        columns |= _model_columns(BASELINE, scores.baseline, scores)
    table = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    for start in range(0, table.num_rows, _CLIPS_AT_ONCE):
        yield table.slice(start, _CLIPS_AT_ONCE)


def _model_columns(name: str, model: ModelScores, scores: ClipScores) -> dict[str, pa.Array]:
    ids = {label: number for number, label in enumerate(model.labels.tolist())}
    classes = [ids.get(label, _UNKNOWN_CLASS) for label in scores.labels.tolist()]
    return {
        f"{name}_class": _lists(pa.array(classes, pa.int64())),
        f"{name}_scores": _lists(pa.array(model.scores.ravel()), model.scores.shape[1]),
    }


def _lists(values: pa.Array, length: int = 1) -> pa.Array:
    """`values` in lists of `length` each."""
    offsets = pa.array(range(0, len(values) + 1, length), pa.int32())
    return pa.ListArray.from_arrays(offsets, values)
