"""A task of another package, judged by nothing that knows it: decibels, and lower is better."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scored
import tensorflow as tf
from pushed import make_card
from tfx.types import artifact_utils, standard_artifacts
from third import TASK, installed

from components.artifacts import ClipScores as ClipScoresArtifact
from components.evaluation.case import Case
from components.evaluation.score_files import read_scores, write_scores
from components.evaluation.scores import ClipScores, ModelScores
from components.evaluation.tallies import Tally
from components.evaluator.executor import Executor as Evaluator
from components.model_gate.decision import decide
from components.model_gate.executor import Executor as ModelGate
from components.pusher.card import render_card
from components.registry.interface import metrics_of
from components.storage.location import location_of
from components.tasks import parts
from components.tasks.pages import report
from pipeline.config.loader import read_workflow
from pipeline.runs.compare import compare_runs
from pipeline.runs.records import RunRecord
from schemas import tasks
from schemas.errors import InputError, WorkflowError
from schemas.example import SIDE_FEATURES, encode_example
from schemas.reports.model_card import MODEL_CARD_FILE
from schemas.reports.verdict import Verdict, read_verdict
from schemas.tfrecord import frame_record

CLIPS = 400


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from installed(monkeypatch)


def table(off_db: float, baseline_off_db: float | None = None, hard: bool = False) -> ClipScores:
    """Clips of 20 speakers, whose loudness is mistaken by about `off_db`."""
    rng = np.random.default_rng(7)
    truth = rng.uniform(-40, 0, CLIPS)
    noise = rng.normal(size=CLIPS)
    speakers = np.char.add("s", (np.arange(CLIPS) % 20).astype(np.str_))
    targets = truth.astype(np.str_)

    def model(off: float) -> ModelScores:
        estimates = (truth + off * noise).astype(np.float64)
        return parts.scoring(TASK).judge(targets, {"loudness_db": estimates[:, None]}, None)

    features = {"speaker": speakers, "room": np.where(noise > 0, "a", "b")}
    if hard:
        features["must_pass"] = np.where(np.arange(CLIPS) < 9, "true", "")
    return ClipScores(
        ids=np.arange(CLIPS).astype(np.str_),
        targets=targets,
        units=parts.scoring(TASK).units(targets),
        speakers=speakers,
        folds=np.full(CLIPS, "", np.str_),
        features=features,
        unsliced={},
        candidate=model(off_db),
        baseline=None if baseline_off_db is None else model(baseline_off_db),
    )


def verdict_on(scores: ClipScores, settings: str = "{}") -> Verdict:
    counted = scores.counted

    def tallies(model: ModelScores) -> dict[str, dict[str, Tally]]:
        columns = {"": np.full(len(counted), ""), **counted.features}
        return {
            name: {
                value: Tally.of(model.errors[column == value], counted.units[column == value])
                for value in np.unique(column).tolist()
            }
            for name, column in columns.items()
        }

    measure = parts.scoring(TASK).MEASURE
    case = Case(measure, 0.95, counted, tallies(counted.candidate), Path())
    before = counted.baseline and tallies(counted.baseline)
    return decide(case, scores, task=TASK, settings=settings, baseline=before)


def test_a_task_of_another_package_is_found_by_its_name() -> None:
    assert tasks.task_names() == ["classify", TASK, "spot"]
    assert tasks.task_package(TASK) == "loudness"


def test_the_headline_is_the_mean_error_in_its_unit() -> None:
    scores = table(off_db=2.0)
    verdict = verdict_on(scores)
    errors = scores.candidate.errors
    assert verdict.task == TASK
    assert verdict.headline.value == pytest.approx(errors.mean())
    assert (verdict.headline.unit, verdict.headline.higher_is_better) == ("dB", False)
    assert verdict.headline.interval.low < errors.mean() < verdict.headline.interval.high
    assert verdict.metrics == {"bias_db": verdict.details.bias_db}
    said = f"the gate has no rule; mean absolute error {errors.mean():.3f} dB on 400 clips"
    assert verdict.reasons == [said]
    rooms = {s.value: s.headline for s in verdict.slices if s.feature == "room"}
    for name, value in rooms.items():
        assert value == pytest.approx(errors[scores.features["room"] == name].mean())
    worst_first = [s.headline for s in verdict.slices]
    assert worst_first == sorted(worst_first, reverse=True)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize(
    ("at_most", "outcome"), [(2.0, "blessed"), (1.0, "refused"), (1.6, "undecided")]
)
def test_a_ceiling_is_judged_by_the_interval(at_most: float, outcome: str) -> None:
    verdict = verdict_on(table(off_db=2.0), f'{{"at_most_db": {at_most}}}')
    [rule] = verdict.rules
    assert (verdict.outcome, rule.name) == (outcome, "gate.at_most_db")
    words = {"blessed": "is at most 2 dB", "refused": "is above 1 dB", "undecided": "is at most"}
    assert words[outcome] in rule.message
    assert (rule.more_clips is not None) == (outcome == "undecided")
    if outcome != "blessed":
        scores = table(off_db=2.0)
        worst = np.argsort(-scores.candidate.errors, kind="stable")[:10]
        assert rule.clips == scores.ids[worst].tolist()


def test_every_slice_has_to_keep_the_ceiling() -> None:
    settings = '{"at_most_db": 4.0, "slice_by": ["room"]}'
    rule = verdict_on(table(off_db=2.0), settings).rules[1]
    assert (rule.name, rule.outcome) == ("gate.slice_by: room", "held")
    settings = settings.replace("4.0", "0.5")
    rule = verdict_on(table(off_db=2.0), settings).rules[1]
    assert rule.outcome == "broken"
    assert "above 0.5 dB" in rule.message


@pytest.mark.parametrize(
    ("before_db", "outcome"), [(4.0, "blessed"), (1.99, "blessed"), (1.0, "refused")]
)
def test_a_larger_error_than_before_is_worse(before_db: float, outcome: str) -> None:
    scores = table(off_db=2.0, baseline_off_db=before_db)
    verdict = verdict_on(scores, '{"no_worse_by_more_than_db": 0.1}')
    assert verdict.outcome == outcome
    change = scores.candidate.errors.mean() - scores.baseline.errors.mean()
    assert verdict.difference == pytest.approx(change)
    assert verdict.difference_interval.low < change < verdict.difference_interval.high
    assert verdict.baseline == pytest.approx(scores.baseline.errors.mean())


def test_must_pass_clips_are_right_where_the_task_says_so() -> None:
    assert verdict_on(table(off_db=0.5, hard=True)).rules[0].outcome == "held"
    verdict = verdict_on(table(off_db=9.0, hard=True))
    assert (verdict.outcome, verdict.rules[0].name) == ("refused", "must_pass")
    assert verdict.clips == CLIPS - 9


def test_an_estimate_that_is_no_number_is_a_fault() -> None:
    outputs = {"loudness_db": np.array([[1.0], [np.nan]])}
    model = parts.scoring(TASK).judge(np.array(["1.0", "2.0"]), outputs, None)
    assert model.is_finite.tolist() == [True, False]
    assert np.isfinite(model.errors).all()


def test_a_table_is_kept_as_it_is(tmp_path: Path) -> None:
    scores = table(off_db=2.0, baseline_off_db=1.0)
    write_scores(scores, tmp_path / "test.npz")
    read = read_scores(tmp_path / "test.npz")
    scored.check_same(read, scores)


def test_its_sections_are_its_own() -> None:
    verdict = verdict_on(table(off_db=2.0))
    assert list(report(TASK).facts(verdict)) == ["Bias"]


class _Ear(tf.Module):
    """Answers with the loudness that lies in the example itself, off by a decibel."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"rms_db": tf.io.FixedLenFeature([1], tf.float32)}
        return {"loudness_db": tf.io.parse_example(examples, spec)["rms_db"] + 1.0}


def write_clips(folder: Path, loudness_db: list[float]) -> standard_artifacts.Examples:
    file = folder / "Split-test" / "data_tfrecord-00000-of-00001"
    file.parent.mkdir(parents=True)
    texts = ("uri", "split_key", "source_format")
    with file.open("wb") as records:
        for number, value in enumerate(loudness_db):
            features = dict.fromkeys(SIDE_FEATURES, 0.0) | dict.fromkeys(texts, "x")
            features |= {
                "id": f"clip{number}",
                "loudness_db": value,
                "speaker": f"s{number % 7}",
                "metadata": '{"room": "a"}',
                "audio": b"",
                "rms_db": value,
                "source_rate_hz": 16000,
                "source_channels": 1,
                "heard_channels": 1,
            }
            records.write(frame_record(encode_example(features, {"loudness_db": "float"})))
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = str(folder), artifact_utils.encode_split_names(["test"])
    return examples


def test_the_steps_that_judge_ask_the_task(tmp_path: Path) -> None:
    saved_model, module = tmp_path / "model" / "Format-Serving", _Ear()
    tf.saved_model.save(module, str(saved_model), {"serving_examples": module.serve})
    card_file = saved_model / MODEL_CARD_FILE
    card_file.parent.mkdir()
    card_file.write_text(make_card(task=TASK, labels=[]).model_dump_json())
    artifacts = {
        "model": standard_artifacts.Model(),
        "evaluation": standard_artifacts.ModelEvaluation(),
        "scores": ClipScoresArtifact(),
        "blessing": standard_artifacts.ModelBlessing(),
    }
    for name, artifact in artifacts.items():
        artifact.uri = str(tmp_path / name)
    examples = write_clips(tmp_path / "examples", np.linspace(-40, -1, 60).tolist())
    inputs = {name: [artifact] for name, artifact in artifacts.items()}
    Evaluator().Do(inputs | {"examples": [examples]}, inputs, {"task": TASK})
    settings = {"gate": '{"at_most_db": 2.0, "slice_by": ["speaker"]}', "task": TASK}
    ModelGate().Do(inputs, inputs, settings)
    verdict = read_verdict(location_of(tmp_path) / "blessing" / "verdict.json")
    assert [rule.outcome for rule in verdict.rules] == ["held", "held"]
    assert verdict.headline.value == pytest.approx(1.0, abs=1e-5)
    assert {s.feature for s in verdict.slices} == {
        "speaker",
        "room",
        "snr",
        "duration",
        "truncated",
    }


def test_history_and_registry_take_its_numbers(tmp_path: Path) -> None:
    records = []
    for number, off_db in enumerate((2.0, 1.0), start=1):
        scores = table(off_db)
        write_scores(scores, tmp_path / f"{number}.npz")
        verdict = verdict_on(scores)
        file = str(tmp_path / f"{number}.npz")
        records.append(RunRecord.model_construct(number=number, verdict=verdict, scores=file))
    comparison = compare_runs(*records)
    assert (comparison.headline, comparison.unit) == ("mean absolute error", "dB")
    assert comparison.overall.difference == pytest.approx(
        records[1].verdict.headline.value - records[0].verdict.headline.value
    )
    assert comparison.overall.interval.high < 0
    assert not comparison.higher_is_better
    largest_loss_first = [s.difference for s in comparison.slices]
    assert largest_loss_first == sorted(largest_loss_first, reverse=True)
    verdict, card = records[1].verdict, make_card(task=TASK, labels=[])
    metrics = metrics_of(verdict)
    assert metrics["mean absolute error"] == verdict.headline.value
    assert metrics["bias_db"] == verdict.metrics["bias_db"]
    text = render_card(card, verdict)
    assert f"| mean absolute error | {verdict.headline.value:.3f} dB (" in text
    assert "Says how loud a clip is." in text


def test_workflows_name_it_and_others_are_read_as_before(tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    text = "name: x\ndata: {folder: clips}\n"
    for task in (TASK, "classify"):
        file.write_text(f"{text}task: {task}\n")
        assert read_workflow(file).task == task
    file.write_text(f"{text}task: loudnes\n")
    with pytest.raises(WorkflowError, match=f"did you mean {TASK}"):
        read_workflow(file)


def test_a_package_without_a_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "loudness.config", None)
    with pytest.raises(InputError, match=r"loudness\.config"):
        tasks.own_keys(TASK)
