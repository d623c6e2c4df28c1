"""The exported graph answers alike through every signature, also where nothing of ours exists."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from components.audio.condition import condition
from components.audio.decode import decode
from components.audio.pcm16 import from_pcm16, to_pcm16
from components.models import build_model, split_model
from components.models.frontends import Framing
from components.trainer.export import export_model
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model

RATE, SAMPLES, LABELS = 8000, 4000, ["no", "stop", "yes"]
FUNCTIONS = ("condition", "features", "scores_of_features")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, str]:
    keras.utils.set_random_seed(1)
    inputs = keras.Input([SAMPLES])
    frames = Framing(100, 100)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.LSTM(8)(frames)))
    directory = str(tmp_path_factory.mktemp("model") / "saved")
    export_model(model, make_card(model), directory)
    return model, directory


@pytest.fixture(scope="module")
def loaded(exported: tuple[keras.Model, str]) -> Any:
    return tf.saved_model.load(exported[1])


def make_card(model: keras.Model) -> ModelCard:
    return ModelCard(
        name="t",
        labels=LABELS,
        audio={"sample_rate": RATE, "clip_s": SAMPLES / RATE},
        frontend={},
        model={},
        parameters=model.count_params(),
        generated=False,
    )


def heard(waveforms: np.ndarray, card: ModelCard) -> np.ndarray:
    """What ingest stores of raw clips: float32 [clips, SAMPLES]."""
    stored = [to_pcm16(condition(waveform, card.audio)) for waveform in waveforms]
    return np.stack([from_pcm16(pcm) for pcm in stored])


def clips(count: int = 5) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(0, 0.2, (count, SAMPLES)) * 32768, -32768, 32767).astype("<i2")


def wav(waveform: np.ndarray, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, waveform, rate, subtype="PCM_16", format="WAV")
    return file.getvalue()


def test_every_signature_answers_as_the_keras_model(
    exported: tuple[keras.Model, str], loaded: Any
) -> None:
    model, _ = exported
    pcm = clips()
    waveform = pcm.astype(np.float32) / 32768
    stored = heard(waveform, make_card(model))
    expected = tf.nn.softmax(model(stored)).numpy()
    signatures = loaded.signatures
    padded = np.pad(waveform, ((0, 0), (0, 99)), constant_values=np.nan)
    lengths = tf.fill([len(pcm)], SAMPLES)
    examples = [_example(to_pcm16(clip)) for clip in stored]
    for answer in (
        signatures["serving_default"](waveform=tf.constant(waveform)),
        signatures["serving_lengths"](waveform=tf.constant(padded), lengths=lengths),
        signatures["serving_wav"](audio=tf.constant([wav(clip) for clip in pcm])),
        signatures["serving_examples"](examples=tf.constant(examples)),
    ):
        np.testing.assert_allclose(answer["scores"], expected, atol=1e-6)
        assert answer["error"].numpy().tolist() == [b""] * len(pcm)
        assert [LABELS[i] for i in expected.argmax(1)] == [
            label.decode() for label in answer["label"].numpy()
        ]


def build_tiny(architecture: str) -> keras.Model:
    """One of ours, small, with all that changes clips while training."""
    return build_model(
        num_outputs=len(LABELS),
        sample_rate=RATE,
        clip_samples=SAMPLES,
        frontend=Frontend.model_validate(
            {
                "kind": "log_mel",
                "frame_length_ms": 25.0,
                "frame_step_ms": 20.0,
                "num_mel_bins": 12,
                "lower_edge_hertz": 60.0,
                "upper_edge_hertz": None,
            }
        ),
        augment=Augment.model_validate(
            {
                "time_shift_ms": 20.0,
                "speed": 0.1,
                "frequency_warp": 0.1,
                "equalizer_db": 6.0,
                "gain_db": 6.0,
                "spec_augment": {
                    "time_masks": 1,
                    "time_mask_ms": 40.0,
                    "freq_masks": 1,
                    "freq_mask_bins": 2,
                },
            }
        ),
        model=Model.model_validate(
            {
                "units": 6,
                "layers": 1,
                "filters": 4,
                "pooling": "max",
                "peephole": architecture == "cnn_lstm",
                "dropout": 0.1,
                "architecture": architecture,
            }
        ),
        seed=1,
    )


@pytest.mark.parametrize("architecture", ["cnn_lstm"])  # has layers of all the others
def test_a_loaded_model_gives_its_features_and_the_gradients_of_its_scores(
    architecture: str, tmp_path: Path
) -> None:
    model = build_tiny(architecture)
    export_model(model, make_card(model), str(tmp_path))
    frontend, classifier = split_model(model)
    waveform = tf.constant(clips(3).astype(np.float32) / 32768)
    loaded = tf.saved_model.load(str(tmp_path))

    features = loaded.features(waveform)
    np.testing.assert_allclose(features, frontend(waveform), atol=1e-5)
    scores = loaded.scores_of_features(features)
    np.testing.assert_allclose(scores, tf.nn.softmax(model(waveform)), atol=1e-6)
    clip, lengths, error = loaded.condition(waveform, tf.fill([3], SAMPLES))
    np.testing.assert_array_equal(clip, heard(waveform.numpy(), make_card(model)))
    assert (lengths.numpy().tolist(), error.numpy().tolist()) == ([SAMPLES] * 3, [b""] * 3)
    answer = loaded.signatures["serving_default"](waveform=waveform)
    of_clip = loaded.scores_of_features(loaded.features(clip))
    np.testing.assert_allclose(answer["scores"], of_clip, atol=1e-6)

    gradients = []
    for of_features in (loaded.scores_of_features, lambda x: tf.nn.softmax(classifier(x))):
        with tf.GradientTape() as tape:
            tape.watch(features)
            score = of_features(features)[:, 1]
        gradients.append(tape.gradient(score, features).numpy())
    assert np.abs(gradients[1]).max(axis=(1, 2)).min() > 1e-5
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-6)
    assert _ops(loaded) <= set(tf.raw_ops.__dict__)


def _ops(loaded: Any) -> set[str]:
    """The kinds of operations in all that can be asked, functions that are called included."""
    functions = [
        *(getattr(loaded, name).concrete_functions[0] for name in FUNCTIONS),
        *loaded.signatures.values(),
    ]
    graphs = [function.graph.as_graph_def() for function in functions]
    called = {f.signature.name for graph in graphs for f in graph.library.function}
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [node for graph in graphs for f in graph.library.function for node in f.node_def]
    return {node.op for node in nodes} - called


def _example(audio: bytes) -> bytes:
    features = {"audio": tf.train.Feature(bytes_list=tf.train.BytesList(value=[audio]))}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.mark.parametrize("length", [200, 999, 3999, 4000, 4001, 9000])
def test_other_lengths_are_fitted_as_ingest_fits_them(
    exported: tuple[keras.Model, str], loaded: Any, length: int
) -> None:
    model, _ = exported
    rng = np.random.default_rng(length)
    waveform = rng.normal(0, 0.1, length).astype(np.float32) * np.linspace(0, 1, length) ** 2
    waveform = waveform.astype(np.float32)
    expected = tf.nn.softmax(model(heard(waveform[np.newaxis], make_card(model))))
    answer = loaded.signatures["serving_default"](waveform=tf.constant(waveform[np.newaxis]))
    np.testing.assert_allclose(answer["scores"], expected, atol=1e-5)


def test_a_wav_file_of_another_rate_and_two_channels_is_that_clip(loaded: Any) -> None:
    signature = loaded.signatures["serving_wav"]
    mono = np.sin(np.arange(16000) / 10) * np.linspace(0, 0.5, 16000)
    file = wav(np.stack([mono, mono / 2], axis=1), 16000)
    decoded = decode(file, RATE).waveform
    answer, of_decoded = signature(audio=[file]), signature(audio=[wav(decoded)])
    np.testing.assert_allclose(answer["scores"], of_decoded["scores"], atol=1e-4)


class TestBadRows:
    def test_each_costs_its_own_answer(self, loaded: Any) -> None:
        good = clips(1)[0].astype(np.float32) / 32768
        rows = {
            "": good,
            "non_finite": np.where(np.arange(SAMPLES) == 7, np.nan, good),
            "silent": np.full(SAMPLES, 0.25),
            "too_short": good[:100],
            "empty": good[:0],
        }
        padded = np.zeros((7, SAMPLES), np.float32)
        for row, values in zip(padded, [*rows.values(), good, good], strict=True):
            row[: len(values)] = values
        lengths = [*map(len, rows.values()), SAMPLES + 1, -1]
        answer = loaded.signatures["serving_lengths"](
            waveform=tf.constant(padded), lengths=tf.constant(lengths)
        )
        errors = [error.decode() for error in answer["error"].numpy()]
        assert errors == [*rows, "bad_row", "bad_row"]
        alone = loaded.signatures["serving_default"](waveform=tf.constant(good[np.newaxis]))
        np.testing.assert_allclose(answer["scores"][:1], alone["scores"], atol=1e-6)
        assert answer["label"].numpy().tolist() == [*alone["label"].numpy(), *[b""] * 6]
        np.testing.assert_array_equal(answer["scores"][1:], np.zeros((6, len(LABELS))))

    def test_in_files_too(self, loaded: Any) -> None:
        files = [b"", b"no audio", wav(clips(1)[0]), wav(np.zeros(SAMPLES)), wav(np.zeros(0))]
        answer = loaded.signatures["serving_wav"](audio=tf.constant(files))
        errors = [error.decode() for error in answer["error"].numpy()]
        assert errors == ["empty", "unsupported", "", "silent", "empty"]
        assert [bool(label) for label in answer["label"].numpy()] == [not each for each in errors]

    def test_an_over_long_clip(self, loaded: Any) -> None:
        waveform = np.ones((1, 600 * RATE + 1), np.float32)
        answer = loaded.signatures["serving_default"](waveform=tf.constant(waveform))
        assert answer["error"].numpy().tolist() == [b"too_long"]

    def test_an_empty_batch_has_an_empty_answer(self, loaded: Any) -> None:
        nothing, no_strings = tf.zeros([0, 0]), tf.zeros([0], tf.string)
        for answer in (
            loaded.signatures["serving_default"](waveform=nothing),
            loaded.signatures["serving_lengths"](waveform=nothing, lengths=tf.zeros([0], tf.int32)),
            loaded.signatures["serving_wav"](audio=no_strings),
            loaded.signatures["serving_examples"](examples=no_strings),
        ):
            assert answer["scores"].shape == (0, len(LABELS))
            assert answer["label"].shape == answer["error"].shape == (0,)


PLAIN = """
import json, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("components", "pipeline", "schemas", "tensorflow_io", "tfx"):
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Refuse())
import numpy as np
import tensorflow as tf
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
answer = signature(waveform=tf.constant(np.load(sys.argv[2])))
assert not {"components", "schemas", "pipeline", "tensorflow_io"} & set(sys.modules)
print(json.dumps({"scores": answer["scores"].numpy().tolist()}))
"""


def test_loads_in_a_process_that_has_none_of_our_packages(
    exported: tuple[keras.Model, str], tmp_path: Path
) -> None:
    model, directory = exported
    waveform = clips().astype(np.float32) / 32768
    np.save(tmp_path / "clips.npy", waveform)
    run = subprocess.run(
        [sys.executable, "-c", PLAIN, directory, str(tmp_path / "clips.npy")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    answer = json.loads(run.stdout)
    expected = tf.nn.softmax(model(heard(waveform, make_card(model))))
    np.testing.assert_allclose(answer["scores"], expected, atol=1e-6)


def test_the_card_lies_inside_the_model(exported: tuple[keras.Model, str]) -> None:
    card = ModelCard.model_validate_json((Path(exported[1]) / MODEL_CARD_FILE).read_text())
    assert card.labels == LABELS
    assert card.conditions
