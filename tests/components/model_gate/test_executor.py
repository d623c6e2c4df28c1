"""Evaluator and ModelGate on real SavedModels and TFRecords, against plain numpy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx.components.util import model_utils
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import ClipScores
from components.evaluator.executor import Executor as EvaluatorExecutor
from components.model_gate.component import ModelGate
from components.model_gate.executor import Executor
from components.tasks.classify.config import Gate
from schemas.example import SIDE_FEATURES, encode_example
from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import Verdict
from schemas.workflow.audio import Audio

# TFMA 0.47 turns arrays of one element into floats, which numpy will refuse one day.
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0")

LABELS = ["down", "no", "up", "yes"]
BASELINE_LABELS = ["yes", "no", "down"]  # another order, and without `up`
SPEAKERS = ["ann", "theo", "zoë", "once"]


class _StoredScores(tf.Module):
    """Answers with the softmax of logits that lie in the example itself."""

    def __init__(self, labels: list[str], feature: str) -> None:
        super().__init__()
        self.labels = tf.constant(labels)
        self.spec = {feature: tf.io.FixedLenFeature([len(labels)], tf.float32)}
        self.feature = feature

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = tf.nn.softmax(tf.io.parse_example(examples, self.spec)[self.feature])
        return {
            "scores": scores,
            "label": tf.gather(self.labels, tf.argmax(scores, 1)),
            "classes": tf.repeat(self.labels[None], tf.shape(scores)[0], 0),
        }


def write_model(path: Path, labels: list[str], feature: str, id_: int) -> standard_artifacts.Model:
    saved_model = path / "Format-Serving"
    module = _StoredScores(labels, feature)
    tf.saved_model.save(module, str(saved_model), {"serving_examples": module.serve})
    card = ModelCard(
        name="x", labels=labels, audio={}, frontend={}, model={}, parameters=0, generated=True
    )
    (saved_model / "assets.extra").mkdir()
    (saved_model / "assets.extra/auricle.json").write_text(card.model_dump_json())
    model = standard_artifacts.Model()
    model.uri, model.id = str(path), id_
    return model


def serialize(number: int, features: dict[str, Any]) -> bytes:
    """A stored clip, with logits in two features of their own."""
    metadata = {"room": f"room {number % 2}", "text": f"text {number}"}
    example = tf.train.Example.FromString(
        encode_example(
            dict.fromkeys(SIDE_FEATURES, 0.0)
            | {
                "id": f"clip{number}",
                "uri": f"clip{number}.wav",
                "split_key": features["speaker"],
                "speaker": features["speaker"],
                "label": features["label"],
                "metadata": json.dumps(metadata),
                "audio": b"",
                "source_rate_hz": 16000,
                "source_channels": 1,
                "heard_channels": 1,
                "source_format": "wav",
            }
        )
    )
    for name in ("logits", "old_logits"):
        example.features.feature[name].float_list.value.extend(features.get(name, []))
    return example.SerializeToString()


def write_examples(path: Path, rows: list[dict[str, Any]]) -> standard_artifacts.Examples:
    (path / "Split-test").mkdir(parents=True)
    with tf.io.TFRecordWriter(str(path / "Split-test" / "data_tfrecord-00000-of-00001")) as writer:
        for number, row in enumerate(rows):
            writer.write(serialize(number, row))
    examples = standard_artifacts.Examples()
    examples.uri = str(path)
    examples.split_names = artifact_utils.encode_split_names(["test"])
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    examples.set_string_custom_property("file_format", "tfrecords")
    return examples


TASK = {"task": "classify"}
Evaluation = tuple[standard_artifacts.ModelEvaluation, ClipScores]


def evaluate(
    path: Path,
    examples: standard_artifacts.Examples,
    model: standard_artifacts.Model,
    baseline: standard_artifacts.Model | None,
) -> Evaluation:
    evaluation, scores = standard_artifacts.ModelEvaluation(), ClipScores()
    evaluation.uri, scores.uri = str(path / "tfma"), str(path / "scores")
    inputs = {"examples": [examples], "model": [model]}
    if baseline:
        inputs["baseline_model"] = [baseline]
    EvaluatorExecutor().Do(
        inputs, {"evaluation": [evaluation], "scores": [scores]}, {"task": "classify"}
    )
    return evaluation, scores


def judge(
    path: Path,
    gate: dict[str, object],
    evaluation: Evaluation,
    model: standard_artifacts.Model,
    baseline: standard_artifacts.Model | None,
) -> tuple[Verdict, standard_artifacts.ModelBlessing]:
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = str(path)
    Executor().Do(
        {
            "evaluation": [evaluation[0]],
            "scores": [evaluation[1]],
            "model": [model],
            "baseline": [baseline] if baseline else [],
        },
        {"blessing": [blessing]},
        {
            "gate": Gate.model_validate({"accuracy": gate}).model_dump_json(),
            "task": "classify",
        },
    )
    return Verdict.model_validate_json((path / "verdict.json").read_text()), blessing


class _World:
    """400 test clips, two models, their evaluation, and what numpy says about them."""

    def __init__(self, path: Path) -> None:
        rng = np.random.default_rng(1)
        clips = 400
        self.true = np.arange(clips) % 4
        self.speaker = rng.integers(0, 3, clips)
        self.speaker[17] = 3  # `once` has one clip
        logits = rng.normal(size=(clips, 4))
        logits[np.arange(clips), self.true] += np.where(self.speaker == 1, 1.0, 4.0)
        old = rng.normal(size=(clips, 3))
        self.answered = logits.astype(np.float32).argmax(1)
        self.scores = tf.nn.softmax(logits.astype(np.float32)).numpy().max(1)
        self.old_answered = old.astype(np.float32).argmax(1)
        old_answers = np.array(BASELINE_LABELS)[self.old_answered]
        self.old_accuracy = np.mean(old_answers == np.array(LABELS)[self.true])
        rows = [
            {
                "label": LABELS[self.true[i]].encode(),
                "speaker": SPEAKERS[self.speaker[i]].encode(),
                "logits": logits[i],
                "old_logits": old[i],
            }
            for i in range(clips)
        ]
        self.model = write_model(path / "model", LABELS, "logits", 12)
        self.baseline = write_model(path / "baseline", BASELINE_LABELS, "old_logits", 7)
        self.evaluation = evaluate(
            path / "evaluation", write_examples(path / "examples", rows), self.model, self.baseline
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> _World:
    return _World(tmp_path_factory.mktemp("world"))


def test_numbers_are_those_of_numpy(world: _World, tmp_path: Path) -> None:
    verdict, _ = judge(tmp_path, {}, world.evaluation, world.model, world.baseline)
    true, answered = world.true, world.answered
    confusion = np.zeros((4, 4), int)
    np.add.at(confusion, (true, answered), 1)
    assert verdict.details.labels == LABELS
    assert verdict.details.confusion == confusion.tolist()
    assert verdict.clips == 400
    assert verdict.headline.value == np.mean(true == answered)
    assert verdict.baseline == world.old_accuracy
    for i, label in enumerate(LABELS):
        metrics = verdict.details.classes[label]
        assert metrics.clips == 100
        assert metrics.recall == confusion[i, i] / confusion[i].sum()
        assert metrics.precision == confusion[i, i] / confusion[:, i].sum()
    speakers = {s.value: s for s in verdict.slices if s.feature == "speaker"}
    assert set(speakers) == set(SPEAKERS)
    for i, name in enumerate(SPEAKERS):
        chosen = world.speaker == i
        assert speakers[name].clips == chosen.sum()
        assert speakers[name].headline == np.mean((true == answered)[chosen])
    assert min(speakers, key=lambda name: speakers[name].headline) in ("theo", "once")
    rooms = {s.value: s for s in verdict.slices if s.feature == "room"}
    assert rooms["room 1"].headline == np.mean((true == answered)[1::2])
    assert verdict.unsliced == {}
    right, bins = true == answered, np.minimum((world.scores * 15).astype(int), 14)
    gaps = [abs((world.scores - right)[bins == b].sum()) for b in range(15)]
    assert verdict.metrics["calibration_error"] == pytest.approx(sum(gaps) / 400, abs=1e-6)
    shared = true != 2  # the baseline lacks `up`
    old_right = np.array(BASELINE_LABELS)[world.old_answered] == np.array(LABELS)[true]
    expected = right[shared].mean() - old_right[shared].mean()
    assert verdict.difference == pytest.approx(expected)
    assert verdict.generated


def test_a_blessing_is_one_that_pusher_and_resolver_accept(world: _World, tmp_path: Path) -> None:
    gate = {"at_least": 0.5, "no_worse_by_more_than": 0.0}
    verdict, blessing = judge(tmp_path, gate, world.evaluation, world.model, world.baseline)
    assert verdict.outcome == "blessed"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["BLESSED", "verdict.json"]
    assert model_utils.is_model_blessed(blessing)
    assert blessing.get_int_custom_property("baseline_model_id") == 7
    resolved = LatestBlessedModelStrategy().resolve_artifacts(
        None, {"model": [world.baseline, world.model], "model_blessing": [blessing]}
    )
    assert resolved == {"model": [world.model], "model_blessing": [blessing]}


def test_a_refusal_is_one_that_pusher_and_resolver_see(world: _World, tmp_path: Path) -> None:
    gate = {"at_least": 0.8, "slices": ["speaker"]}
    verdict, blessing = judge(tmp_path, gate, world.evaluation, world.model, world.baseline)
    assert verdict.outcome == "refused"
    assert any("speaker theo: accuracy 0." in reason for reason in verdict.reasons)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["NOT_BLESSED", "verdict.json"]
    assert not model_utils.is_model_blessed(blessing)
    resolved = LatestBlessedModelStrategy().resolve_artifacts(
        None, {"model": [world.model], "model_blessing": [blessing]}
    )
    assert resolved == {"model": [], "model_blessing": []}


def test_a_model_alone_with_nan_and_an_untaught_label(world: _World, tmp_path: Path) -> None:
    one_hot = np.eye(4)
    rows = [
        {"label": b"no", "speaker": b"", "logits": one_hot[1]},
        {"label": b"yes", "speaker": b"", "logits": one_hot[3] * np.nan},
        {"label": b"zebra", "speaker": b"ann", "logits": one_hot[0]},
    ]
    examples = write_examples(tmp_path / "examples", rows)
    evaluation = evaluate(tmp_path / "evaluation", examples, world.model, None)
    verdict, blessing = judge(tmp_path / "out", {"at_least": 0.0}, evaluation, world.model, None)
    assert verdict.outcome == "refused"
    assert len(verdict.reasons) == 2
    assert verdict.baseline is None
    assert verdict.details.confusion[4] == [
        1,
        0,
        0,
        0,
        0,
    ]  # zebra, answered as class 0, is no right answer
    assert verdict.headline.value == 1 / 3
    assert not blessing.has_custom_property("baseline_model_id")


def test_a_baseline_of_other_audio_is_said_and_not_asked(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", LABELS, "logits", 12)
    baseline = write_model(tmp_path / "baseline", LABELS, "logits", 7)
    for each, rate in ((model, 8000), (baseline, 16000)):
        file = Path(each.uri) / "Format-Serving" / "assets.extra" / "auricle.json"
        card = ModelCard.model_validate_json(file.read_text())
        file.write_text(
            card.model_copy(update={"audio": Audio(sample_rate=rate)}).model_dump_json()
        )
    rows = [{"label": b"no", "speaker": b"", "logits": np.eye(4)[1]}]
    evaluation = evaluate(
        tmp_path / "evaluation", write_examples(tmp_path / "examples", rows), model, baseline
    )
    gate = {"no_worse_by_more_than": 0.01}
    verdict, _ = judge(tmp_path / "out", gate, evaluation, model, baseline)
    assert (verdict.outcome, verdict.baseline) == ("blessed", None)
    assert verdict.incomparable == "it takes other audio: audio.sample_rate was 16000 and is 8000"
    assert verdict.reasons == [f"not compared with the last blessed model: {verdict.incomparable}"]


def test_an_empty_test_split_is_refused(world: _World, tmp_path: Path) -> None:
    examples = write_examples(tmp_path / "examples", [])
    evaluation = evaluate(tmp_path / "evaluation", examples, world.model, None)
    verdict, _ = judge(tmp_path / "out", {}, evaluation, world.model, None)
    assert verdict.outcome == "refused"
    assert verdict.clips == 0
    assert json.loads((tmp_path / "out" / "verdict.json").read_text())["headline"]["value"] == 0.0


def test_component_wires_its_channels(world: _World) -> None:
    from tfx.types import channel_utils

    gate = ModelGate(
        evaluation=channel_utils.as_channel([world.evaluation[0]]),
        scores=channel_utils.as_channel([world.evaluation[1]]),
        model=channel_utils.as_channel([world.model]),
        gate=Gate().model_dump_json(),
        task="classify",
    )
    assert gate.outputs["blessing"].type is standard_artifacts.ModelBlessing
    assert Gate.model_validate_json(gate.exec_properties["gate"]) == Gate()
