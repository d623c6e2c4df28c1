"""The check of real SavedModels, each in a process of its own."""

import dataclasses
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import scored
import tensorflow as tf
from tfx.types import artifact_utils, channel_utils, standard_artifacts

from components.artifacts import ClipScores
from components.evaluator.clip_scoring import AskedModels, ClipScorer
from components.examples import read_files
from components.models.frontends import Framing
from components.serving_check.component import ServingCheck as Component
from components.serving_check.executor import Executor, check
from components.trainer.export import export_model
from components.versions.model_card import read_card
from schemas.example import SIDE_FEATURES, encode_example
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.reports.serving import ServingReport
from schemas.tfrecord import frame_record
from schemas.workflow.serving_check import ServingCheck

RATE, SAMPLES, LABELS = 8000, 4000, ["no", "yes"]
SIGNATURES = {"serving_default", "serving_lengths", "serving_wav", "serving_examples"}


class _World:
    """A model, test clips, and what the model answers to them."""

    def __init__(self, folder: Path) -> None:
        keras.utils.set_random_seed(1)
        inputs = keras.Input([SAMPLES])
        hidden = keras.layers.LSTM(4)(Framing(100, 100)(inputs))
        model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
        card = ModelCard(
            name="t",
            labels=LABELS,
            audio={"sample_rate": RATE, "clip_s": SAMPLES / RATE},
            frontend={},
            model={},
            parameters=1,
            generated=False,
        )
        self.model = folder / "model" / "Format-Serving"
        export_model(model, card, str(self.model))
        self.split = folder / "examples" / "Split-test"
        self.split.mkdir(parents=True)
        records = b"".join(frame_record(_example(number)) for number in range(12))
        (self.split / "data_tfrecord-00000-of-00001").write_bytes(records)
        scorer = ClipScorer(AskedModels((str(self.model),), "classify"))
        self.scores, _ = scorer.score(read_files(sorted(self.split.iterdir())))


def _example(number: int) -> bytes:
    pcm = np.random.default_rng(number).integers(-9000, 9000, SAMPLES).astype("<i2")
    return encode_example(
        dict.fromkeys(SIDE_FEATURES, 0.0)
        | dict.fromkeys(("id", "uri", "split_key", "speaker"), f"clip{number}")
        | {"label": LABELS[number % 2], "metadata": "{}", "audio": pcm.tobytes()}
        | {"source_rate_hz": RATE, "source_channels": 1}
        | {"heard_channels": 1, "source_format": "wav"}
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> _World:
    return _World(tmp_path_factory.mktemp("world"))


def test_an_export_that_answers_as_evaluated_passes(world: _World, tmp_path: Path) -> None:
    artifacts = {
        "examples": standard_artifacts.Examples(),
        "model": standard_artifacts.Model(),
        "scores": ClipScores(),
        "blessing": standard_artifacts.ModelBlessing(),
    }
    artifacts["examples"].uri = str(world.split.parent)
    artifacts["examples"].split_names = artifact_utils.encode_split_names(["test"])
    artifacts["model"].uri = str(world.model.parent)
    artifacts["scores"].uri = str(tmp_path)
    artifacts["blessing"].set_int_custom_property("blessed", 1)
    scored.write(world.scores, tmp_path)
    output = standard_artifacts.InfraBlessing()
    output.uri = str(tmp_path / "out")
    limits = ServingCheck(clips=10).model_dump_json()
    inputs = {name: [artifact] for name, artifact in artifacts.items()}
    Executor().Do(inputs, {"infra_blessing": [output]}, {"limits": limits})
    report = ServingReport.model_validate_json((tmp_path / "out/serving.json").read_text())
    assert report.passed, report
    assert report.asked == 10
    said = {rule.name: rule.message for rule in report.rules}
    assert SIGNATURES | {"latency", "memory", "bad clips in a batch", "empty batch"} <= set(said)
    assert said["empty audio"] == "refused: empty"
    assert said["non-finite audio"] == "refused: non_finite"
    assert said["over-long audio"] == "refused: too_long"
    assert said["digital silence"] == "refused: silent"
    assert said["no WAV file"] == "refused: unsupported"
    assert (tmp_path / "out" / "INFRA_BLESSED").exists()
    assert output.get_int_custom_property("blessed") == 1

    artifacts["blessing"].set_int_custom_property("blessed", 0)
    Executor().Do(inputs, {"infra_blessing": [output]}, {"limits": limits})
    report = ServingReport.model_validate_json((tmp_path / "out/serving.json").read_text())
    assert (report.passed, report.asked) == (False, 0)
    assert output.get_int_custom_property("blessed") == 0


def test_other_answers_and_broken_limits_are_named(world: _World, tmp_path: Path) -> None:
    answered = world.scores.candidate
    outputs = {"scores": answered.outputs["scores"] + np.float32(0.001)}
    wrong = dataclasses.replace(answered, outputs=outputs)
    scores = dataclasses.replace(world.scores, candidate=wrong)
    limits = ServingCheck(max_latency_ms=0.001, max_memory_mb=1.0)
    report = check(world.model, [world.split], scores, limits, tmp_path)
    failed = {rule.name: rule.message for rule in report.rules if not rule.passed}
    assert not report.passed
    assert set(failed) == {"serving_examples", "latency", "memory"}
    assert "differ by up to 1.0e-03 from evaluation on 12 test clips" in failed["serving_examples"]
    assert "(allowed 0.001)" in failed["latency"]
    assert report.asked == 12


def test_a_graph_that_conditions_otherwise_than_ingest_is_refused(
    world: _World, tmp_path: Path
) -> None:
    # The card says what ingest does; the graph does what another card said.
    other = tmp_path / "other"
    shutil.copytree(world.model, other)
    card = read_card(other)
    card = card.model_copy(update={"audio": card.audio.model_copy(update={"trim": False})})
    (other / MODEL_CARD_FILE).write_text(card.model_dump_json())
    report = check(other, [world.split], world.scores, ServingCheck(), tmp_path)
    failed = {rule.name: rule.message for rule in report.rules if not rule.passed}
    assert set(failed) == SIGNATURES - {"serving_examples"}
    assert "raw clips are not answered as after the conditioning of ingest" in next(
        iter(failed.values())
    )


class _Careless(tf.Module):
    """Answers whatever comes, all rows of a batch alike, and a row where there is none."""

    def _answer(self, batch: tf.Tensor, level: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.maximum(batch, 1)
        scores = tf.fill([rows, 2], tf.reduce_sum(level))
        return {"scores": scores, "label": tf.fill([rows], "no"), "error": tf.fill([rows], "")}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, "waveform")])
    def default(self, waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._answer(tf.shape(waveform)[0], waveform)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.float32, "waveform"),
            tf.TensorSpec([None], tf.int32, "lengths"),
        ]
    )
    def padded(self, waveform: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._answer(tf.shape(waveform)[0], waveform)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "audio")])
    def wav(self, audio: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._answer(tf.shape(audio)[0], tf.zeros([1]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def stored(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._answer(tf.shape(examples)[0], tf.zeros([1]))


def test_a_model_that_answers_what_is_no_audio_is_refused(world: _World, tmp_path: Path) -> None:
    module = _Careless()
    signatures = {
        "serving_default": module.default,
        "serving_lengths": module.padded,
        "serving_wav": module.wav,
        "serving_examples": module.stored,
    }
    tf.saved_model.save(module, str(tmp_path), signatures=signatures)
    shutil.copytree(world.model / "assets.extra", tmp_path / "assets.extra")
    report = check(tmp_path, [world.split], world.scores, ServingCheck(), tmp_path)
    passed = {rule.name for rule in report.rules if rule.passed}
    failed = {rule.name: rule.message for rule in report.rules if not rule.passed}
    assert passed == {"latency", "memory", "serving_wav"}  # which says nothing, as examples do
    assert failed["digital silence"] == "answered like audio"
    assert failed["bad clips in a batch"].startswith("beside clips that are refused")
    assert failed["empty batch"] == "12 rows are answered to batches without clips"


def test_an_export_that_cannot_be_loaded_is_refused_in_its_own_words(
    world: _World, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(world.model, broken)
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    report = check(broken, [world.split], world.scores, ServingCheck(), tmp_path)
    [rule] = report.rules
    assert not report.passed
    assert "cannot be served" in rule.message


def test_component_wires_its_channels() -> None:
    component = Component(
        examples=channel_utils.as_channel([standard_artifacts.Examples()]),
        model=channel_utils.as_channel([standard_artifacts.Model()]),
        scores=channel_utils.as_channel([ClipScores()]),
        blessing=channel_utils.as_channel([standard_artifacts.ModelBlessing()]),
        limits=ServingCheck().model_dump_json(),
    )
    assert component.outputs["infra_blessing"].type is standard_artifacts.InfraBlessing
    assert json.loads(component.exec_properties["limits"])["clips"] == 64
