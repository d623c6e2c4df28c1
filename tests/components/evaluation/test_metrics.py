"""What TFMA writes of a table, against numpy on the table and against TFMA's own metrics."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from components.evaluation.metrics import (
    BASELINE,
    CALIBRATION_METRIC,
    CANDIDATE,
    CONFUSION_METRIC,
    evaluate,
    make_eval_config,
    record_batches,
)
from components.evaluation.results import read_results
from components.evaluation.scores import ClipScores, ModelScores, write_scores
from components.evaluation.tallies import Results, Tally

# TFMA 0.47 turns arrays of one element into floats, which numpy will refuse one day.
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0")

CLIPS = 2300  # of three batches, the last not full
BINS = 15
SINGLE = ""  # what TFMA calls a model that is alone

Slice = tuple[tuple[str, str], ...]
Metrics = dict[Slice, dict[tuple[str, str], Any]]  # by slice, then by model and metric


def model(rng: np.random.Generator, labels: list[str], clips: int) -> ModelScores:
    """Scores of which some are NaN, one or all of a clip's."""
    scores = rng.dirichlet(np.full(len(labels), 0.3), clips).astype(np.float32)
    scores[rng.random(clips) < 0.02, 1] = np.nan
    scores[rng.random(clips) < 0.02] = np.nan
    return ModelScores(np.array(labels), scores)


def table(clips: int, *, has_baseline: bool) -> ClipScores:
    """Of labels that one model or both lack, and of features that are empty, now and then or all
    over, or once in a thousand clips."""
    rng = np.random.default_rng(7)
    speakers = rng.choice(["ann", "", "zoë", "9"], clips)
    speakers[clips // 2 : clips // 2 + 1] = "once"
    return ClipScores(
        ids=np.arange(clips).astype(np.str_),
        labels=rng.choice(["no", "yes", "zebra", "up", "down"], clips),
        features={"speaker": speakers.astype(np.str_), "room": np.array([""] * clips, np.str_)},
        unsliced={},
        candidate=model(rng, ["down", "no", "up", "yes"], clips),
        baseline=model(rng, ["yes", "no", "down"], clips) if has_baseline else None,
    )


def measure(scores: ClipScores, folder: Path) -> str:
    write_scores(scores, folder / "scores.npz")
    with beam.Pipeline() as pipeline:
        evaluate(folder / "scores.npz", str(folder / "tfma"), pipeline)
    return str(folder / "tfma")


@dataclass(frozen=True)
class Measured:
    """A table, and where TFMA has written what it measured of it."""

    scores: ClipScores
    folder: str


@pytest.fixture(scope="module")
def of_both(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    scores = table(CLIPS, has_baseline=True)
    return Measured(scores, measure(scores, tmp_path_factory.mktemp("both")))


@pytest.fixture(scope="module")
def of_one(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    scores = table(CLIPS, has_baseline=False)
    return Measured(scores, measure(scores, tmp_path_factory.mktemp("one")))


def measure_by_clip(scores: ClipScores, folder: Path) -> str:
    """By TFMA's own extractors and metrics, clip by clip."""
    config = make_eval_config(scores)
    del config.metrics_specs[:]
    matrix = tfma.metrics.MultiClassConfusionMatrixAtThresholds([-1.0], name=CONFUSION_METRIC)
    config.metrics_specs.extend(
        tfma.metrics.specs_from_metrics(
            [tfma.metrics.ExampleCount(), matrix],
            model_names=[spec.name for spec in config.model_specs],
            include_weighted_example_count=False,
        )
    )
    with beam.Pipeline() as pipeline:
        _ = (
            pipeline
            | beam.Create(list(record_batches(scores)))
            | tfma.ExtractEvaluateAndWriteResults(eval_config=config, output_path=str(folder))
        )
    return str(folder)


def load(folder: str) -> Metrics:
    found: Metrics = {}
    for record in tfma.load_metrics(folder):
        keys = record.slice_key.single_slice_keys
        name = tuple((key.column, key.bytes_value.decode()) for key in keys)
        assert name not in found
        found[name] = {
            (pair.key.model_name, pair.key.name): pair.value
            for pair in record.metric_keys_and_values
            if not pair.key.is_diff
        }
    return found


def slices(scores: ClipScores) -> dict[Slice, np.ndarray]:
    """Which clips are in each slice, [clips]."""
    columns = {**scores.features, "label": scores.labels}
    return {(): np.ones(len(scores.labels), bool)} | {
        ((name, value),): column == value
        for name, column in columns.items()
        for value in dict.fromkeys(column.tolist())
    }


def answers(scores: ClipScores, which: ModelScores) -> tuple[np.ndarray, np.ndarray]:
    """True class ids, -1 for those the model lacks, and answered ones."""
    ids = [*which.labels.tolist()]
    true = [ids.index(label) if label in ids else -1 for label in scores.labels.tolist()]
    return np.array(true, int), which.scores.argmax(1)


def calibration_error(which: ModelScores, is_right: np.ndarray) -> float:
    """By a loop over the bins."""
    top = np.where(np.isnan(which.scores).any(1), 0, which.scores.max(1)).astype(float)
    gaps = 0.0
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS if number < BINS - 1 else 1.1
        chosen = (top >= low) & (top < high)
        gaps += abs(top[chosen].sum() - is_right[chosen].sum())
    return gaps / len(top)


def check(written: Metrics, scores: ClipScores, which: ModelScores, name: str) -> None:
    true, answered = answers(scores, which)
    assert written.keys() == slices(scores).keys()
    for key, chosen in slices(scores).items():
        metrics = written[key]
        assert metrics[name, "example_count"].double_value.value == chosen.sum()
        [matrix] = metrics[
            name, CONFUSION_METRIC
        ].multi_class_confusion_matrix_at_thresholds.matrices
        pairs, clips = np.unique(
            np.stack([true[chosen], answered[chosen]], 1), axis=0, return_counts=True
        )
        assert [
            (entry.actual_class_id, entry.predicted_class_id, entry.num_weighted_examples)
            for entry in matrix.entries
        ] == [(*pair, count) for pair, count in zip(pairs.tolist(), clips.tolist(), strict=True)]
        expected = calibration_error(
            ModelScores(which.labels, which.scores[chosen]), (true == answered)[chosen]
        )
        error = metrics[name, CALIBRATION_METRIC].double_value.value
        assert error == pytest.approx(expected, rel=0, abs=1e-9)


def check_results(results: Results, scores: ClipScores, which: ModelScores) -> None:
    true, answered = answers(scores, which)
    assert results.clips == len(scores.labels)
    assert results.tally(which.labels.tolist()).right == (true == answered).sum()
    assert results.answers == {
        label: {
            int(number): int(((scores.labels == label) & (answered == number)).sum())
            for number in np.unique(answered[scores.labels == label])
        }
        for label in np.unique(scores.labels).tolist()
    }
    assert results.slices == {
        name: {
            value: Tally(
                int((true == answered)[column == value].sum()), int((column == value).sum())
            )
            for value in np.unique(column).tolist()
        }
        for name, column in scores.features.items()
    }


def test_both_models_in_every_slice(of_both: Measured) -> None:
    scores, folder = of_both.scores, of_both.folder
    assert scores.baseline
    for which, name in ((scores.candidate, CANDIDATE), (scores.baseline, BASELINE)):
        check(load(folder), scores, which, name)
        check_results(read_results(folder, name), scores, which)


def test_a_model_alone_in_every_slice(of_one: Measured) -> None:
    scores, folder = of_one.scores, of_one.folder
    check(load(folder), scores, scores.candidate, SINGLE)
    check_results(read_results(folder, CANDIDATE), scores, scores.candidate)


@pytest.mark.parametrize("has_baseline", [True, False])
def test_no_clips(tmp_path: Path, has_baseline: bool) -> None:
    folder = measure(table(0, has_baseline=has_baseline), tmp_path)
    assert load(folder) == {}
    assert read_results(folder, CANDIDATE) == read_results(folder, BASELINE) == Results()


@pytest.mark.parametrize("name", ["of_both", "of_one"])
def test_counts_are_those_of_tfma_clip_by_clip(
    tmp_path: Path, request: pytest.FixtureRequest, name: str
) -> None:
    measured: Measured = request.getfixturevalue(name)
    ours = load(measured.folder)
    theirs = load(measure_by_clip(measured.scores, tmp_path))
    for metrics in ours.values():
        for model_name in {name for name, _ in metrics}:
            del metrics[model_name, CALIBRATION_METRIC]
    assert ours == theirs
