"""Has TFMA count the errors in a table of scores: overall and by every feature, of each model."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma
from google.protobuf import text_format

from components.evaluation.score_files import read_list, read_scores
from components.evaluation.scores import ClipScores, Coded, ModelScores
from components.evaluation.tfma_batches import make_extractors
from components.storage.location import Location

CANDIDATE = tfma.CANDIDATE_KEY
BASELINE = tfma.BASELINE_KEY
_CLIPS_AT_ONCE = 1000


def make_eval_config(features: Iterable[str], *, has_baseline: bool) -> tfma.EvalConfig:
    """Metrics of each model on columns of `record_batches`, overall and by each of the `features`;
    no thresholds: ModelGate decides.
    """
    models = [CANDIDATE, BASELINE] if has_baseline else [CANDIDATE]
    specs = "".join(
        f'model_specs {{ name: "{model}" prediction_key: "{model}_errors" '
        f'label_key: "{model}_units" is_baseline: {str(model == BASELINE).lower()} }}\n'
        for model in models
    )
    config = text_format.Parse(
        f"""
        {specs}
        slicing_specs {{}}
        metrics_specs {{
          metrics {{ class_name: "ExampleCount" }}
          example_weights {{ weighted: true }}
        }}
        metrics_specs {{
          metrics {{ class_name: "ErrorSums" module: "components.evaluation.tfma_sums" }}
        }}
        """,
        tfma.EvalConfig(),
    )
    for name in features:
        config.slicing_specs.add(feature_keys=[name])
    return config


def evaluate(scores_list: Location, output_path: str, pipeline: beam.Pipeline) -> None:
    """Has TFMA measure the counted clips of the table with this list of files in `pipeline` and
    write to `output_path`; a worker holds one of the files at a time.
    """
    listed = read_list(scores_list)
    config = make_eval_config(listed.counted_features, has_baseline=listed.has_baseline)
    files = [str(scores_list.parent / file.name) for file in listed.files]
    _ = (
        pipeline
        # Not the table itself: Beam pickles and compresses what a pipeline holds, several times.
        | "CreatePaths" >> beam.Create(files)
        | "SpreadFiles" >> beam.Reshuffle()
        | "ReadTable" >> beam.FlatMap(_read_table, listed.counted_features)
        | "Evaluate"
        >> tfma.ExtractEvaluateAndWriteResults(
            eval_config=config,
            extractors=make_extractors(config),
            writers=tfma.default_writers(output_path=output_path, eval_config=config),
            output_path=output_path,
        )
    )


def _read_table(file: str, features: list[str]) -> Iterator[pa.RecordBatch]:
    """The counted clips of one file, with the features that those of all files have."""
    scores = read_scores(file)
    found = {name: scores.features.get(name, Coded.all("", len(scores))) for name in features}
    counted = replace(scores, features=found).select(~scores.is_must_pass)
    return record_batches(counted)


def record_batches(scores: ClipScores) -> Iterator[pa.RecordBatch]:
    """The table in Arrow, as TFMA takes it: every column a list of one value a clip."""
    columns: dict[str, pa.Array] = {
        name: _lists(pa.array(np.asarray(texts))) for name, texts in scores.features.items()
    }
    columns |= _model_columns(CANDIDATE, scores.candidate, scores)
    if scores.baseline is not None:
        columns |= _model_columns(BASELINE, scores.baseline, scores)
    table = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    for start in range(0, table.num_rows, _CLIPS_AT_ONCE):
        yield table.slice(start, _CLIPS_AT_ONCE)


def _model_columns(name: str, model: ModelScores, scores: ClipScores) -> dict[str, pa.Array]:
    return {
        f"{name}_errors": _lists(pa.array(model.errors, pa.float64())),
        f"{name}_units": _lists(pa.array(scores.units, pa.float64())),
    }


def _lists(values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(range(len(values) + 1), pa.int32()), values)
