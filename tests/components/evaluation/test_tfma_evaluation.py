"""What TFMA writes of a table, against numpy on the table and against TFMA's own metrics."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
import scored
import tensorflow_model_analysis as tfma

from components.evaluation.scores import ClipScores, ModelScores
from components.evaluation.tallies import Tallies, Tally
from components.evaluation.tfma_evaluation import (
    BASELINE,
    CANDIDATE,
    evaluate,
    make_eval_config,
    record_batches,
)
from components.evaluation.tfma_results import read_results
from components.storage.location import location_of

# TFMA 0.47 turns arrays of one element into floats, which numpy will refuse one day.
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0")

CLIPS = 2300  # of three batches, the last not full
SINGLE = ""  # what TFMA calls a model that is alone

Slice = tuple[tuple[str, str], ...]
Metrics = dict[Slice, dict[tuple[str, str], Any]]  # by slice, then by model and metric


def model(rng: np.random.Generator, labels: list[str], clips: int) -> scored.Answered:
    """Scores of which some are NaN, one or all of a clip's."""
    scores = rng.dirichlet(np.full(len(labels), 0.3), clips).astype(np.float32)
    scores[rng.random(clips) < 0.02, 1] = np.nan
    scores[rng.random(clips) < 0.02] = np.nan
    return scored.Answered(np.array(labels), scores)


def table(clips: int, *, has_baseline: bool) -> ClipScores:
    """Of labels that one model or both lack, and of features that are empty, now and then or all
    over, or once in a thousand clips."""
    rng = np.random.default_rng(7)
    speakers = rng.choice(["ann", "", "zoë", "9"], clips)
    speakers[clips // 2 : clips // 2 + 1] = "once"
    return scored.table(
        ids=np.arange(clips).astype(np.str_),
        labels=rng.choice(["no", "yes", "zebra", "up", "down"], clips),
        features={"speaker": speakers.astype(np.str_), "room": np.array([""] * clips, np.str_)},
        candidate=model(rng, ["down", "no", "up", "yes"], clips),
        baseline=model(rng, ["yes", "no", "down"], clips) if has_baseline else None,
    )


def measure(scores: ClipScores, folder: Path) -> str:
    file = scored.write(scores, folder / "scores", files=3)
    with beam.Pipeline() as pipeline:
        evaluate(location_of(file), str(folder / "tfma"), pipeline)
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
    """By TFMA's own extractors and metrics, clip by clip: means of errors, of clips alike."""
    config = make_eval_config(scores.features, has_baseline=scores.baseline is not None)
    del config.metrics_specs[:]
    config.metrics_specs.extend(
        tfma.metrics.specs_from_metrics(
            [tfma.metrics.ExampleCount(), tfma.metrics.MeanPrediction(name="mean_errors")],
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


def check(tallies: Tallies, scores: ClipScores, which: ModelScores) -> None:
    """Against masks of numpy, in every slice."""
    columns = {"": np.full(len(scores), ""), **scores.features}
    expected = {
        name: {
            value: Tally(
                which.errors[column == value].sum(),
                scores.units[column == value].sum(),
                int((column == value).sum()),
            )
            for value in np.unique(column).tolist()
        }
        for name, column in columns.items()
    }
    assert tallies == expected


def test_both_models_in_every_slice(of_both: Measured) -> None:
    scores = of_both.scores
    assert scores.baseline
    for which, name in ((scores.candidate, CANDIDATE), (scores.baseline, BASELINE)):
        check(read_results(of_both.folder, name), scores, which)


def test_a_model_alone_in_every_slice(of_one: Measured) -> None:
    scores = of_one.scores
    check(read_results(of_one.folder, CANDIDATE), scores, scores.candidate)
    counts = {key: value[SINGLE, "example_count"] for key, value in load(of_one.folder).items()}
    assert counts[()].double_value.value == CLIPS
    assert read_results(of_one.folder, BASELINE) == {}


def test_errors_and_units_that_are_no_whole_numbers(tmp_path: Path) -> None:
    """As of word errors and of decibels: float64 all the way."""
    scores, rng = table(CLIPS, has_baseline=False), np.random.default_rng(5)
    errors = replace(scores.candidate, errors=rng.exponential(size=CLIPS))
    scores = replace(scores, candidate=errors, units=rng.integers(0, 9, CLIPS).astype(float))
    found = read_results(measure(scores, tmp_path), CANDIDATE)
    for name, column in scores.features.items():
        for value in np.unique(column).tolist():
            tally, chosen = found[name][value], column == value
            assert tally.errors == pytest.approx(errors.errors[chosen].sum(), rel=1e-12)
            assert (tally.units, tally.clips) == (scores.units[chosen].sum(), chosen.sum())


@pytest.mark.parametrize("has_baseline", [True, False])
def test_no_clips(tmp_path: Path, has_baseline: bool) -> None:
    folder = measure(table(0, has_baseline=has_baseline), tmp_path)
    assert load(folder) == {}
    assert read_results(folder, CANDIDATE) == read_results(folder, BASELINE) == {}


@pytest.mark.parametrize("name", ["of_both", "of_one"])
def test_counts_are_those_of_tfma_clip_by_clip(
    tmp_path: Path, request: pytest.FixtureRequest, name: str
) -> None:
    measured: Measured = request.getfixturevalue(name)
    ours = load(measured.folder)
    theirs = load(measure_by_clip(measured.scores, tmp_path))
    assert ours.keys() == theirs.keys()
    for key, metrics in theirs.items():
        for (model_name, metric), value in metrics.items():
            of_model = {
                name: v.double_value.value for (m, name), v in ours[key].items() if m == model_name
            }
            of_model["mean_errors"] = of_model["errors"] / of_model["clips"]
            assert value.double_value.value == pytest.approx(of_model[metric], rel=1e-12)
