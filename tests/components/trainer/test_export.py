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

from components.audio.condition import fit_length
from components.models import MODELS, build_model, split_model
from components.models.frontends import Framing
from components.trainer.export import export_model
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model

RATE, SAMPLES, LABELS = 8000, 4000, ["no", "stop", "yes"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, str]:
    keras.utils.set_random_seed(1)
    inputs = keras.Input([SAMPLES])
    frames = Framing(100, 100)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.LSTM(8)(frames)))
    directory = str(tmp_path_factory.mktemp("model") / "saved")
    export_model(model, make_card(model), directory)
    return model, directory


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


def clips(count: int = 5) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(0, 0.2, (count, SAMPLES)) * 32768, -32768, 32767).astype("<i2")


def wav(waveform: np.ndarray, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, waveform, rate, subtype="PCM_16", format="WAV")
    return file.getvalue()


def test_every_signature_answers_as_the_keras_model(exported: tuple[keras.Model, str]) -> None:
    model, directory = exported
    pcm = clips()
    waveform = pcm.astype(np.float32) / 32768
    expected = tf.nn.softmax(model(waveform)).numpy()
    signatures = tf.saved_model.load(directory).signatures
    by_waveform = signatures["serving_default"](waveform=tf.constant(waveform))
    by_wav = signatures["serving_wav"](audio=tf.constant([wav(clip) for clip in pcm]))
    by_example = signatures["serving_examples"](
        examples=tf.constant([_example(clip.tobytes()) for clip in pcm])
    )
    for answer in (by_waveform, by_wav, by_example):
        np.testing.assert_allclose(answer["scores"], expected, atol=1e-6)
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


@pytest.mark.parametrize("architecture", MODELS)
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
    answer = loaded.signatures["serving_default"](waveform=waveform)
    np.testing.assert_array_equal(answer["scores"], scores)

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
    """The kinds of operations in both functions, those that they call included."""
    graphs = [
        getattr(loaded, name).concrete_functions[0].graph.as_graph_def()
        for name in ("features", "scores_of_features")
    ]
    functions = {f.signature.name for graph in graphs for f in graph.library.function}
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [node for graph in graphs for f in graph.library.function for node in f.node_def]
    return {node.op for node in nodes} - functions


def _example(audio: bytes) -> bytes:
    features = {"audio": tf.train.Feature(bytes_list=tf.train.BytesList(value=[audio]))}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.mark.parametrize("length", [1, 999, 3999, 4000, 4001, 9000])
def test_other_lengths_are_fitted_as_ingest_fits_them(
    exported: tuple[keras.Model, str], length: int
) -> None:
    model, directory = exported
    rng = np.random.default_rng(length)
    waveform = rng.normal(0, 0.1, length).astype(np.float32) * np.linspace(0, 1, length) ** 2
    waveform = waveform.astype(np.float32)
    expected = tf.nn.softmax(model(fit_length(waveform, SAMPLES)[np.newaxis]))
    answer = tf.saved_model.load(directory).signatures["serving_default"](
        waveform=tf.constant(waveform[np.newaxis])
    )
    np.testing.assert_allclose(answer["scores"], expected, atol=1e-5)


def test_a_wav_file_of_another_rate_is_refused(exported: tuple[keras.Model, str]) -> None:
    served = tf.saved_model.load(exported[1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="takes WAV files at 8000 Hz"):
        served.signatures["serving_wav"](audio=tf.constant([wav(np.zeros(100), 16000)]))


def test_stereo_is_mixed_down(exported: tuple[keras.Model, str]) -> None:
    signature = tf.saved_model.load(exported[1]).signatures["serving_wav"]
    mono = clips(1)[0]
    stereo = np.stack([mono, mono], axis=1)
    np.testing.assert_allclose(
        signature(audio=tf.constant([wav(mono)]))["scores"],
        signature(audio=tf.constant([wav(stereo)]))["scores"],
        atol=1e-6,
    )


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
    np.testing.assert_allclose(answer["scores"], tf.nn.softmax(model(waveform)), atol=1e-6)


def test_the_card_lies_inside_the_model(exported: tuple[keras.Model, str]) -> None:
    card = ModelCard.model_validate_json((Path(exported[1]) / MODEL_CARD_FILE).read_text())
    assert card.labels == LABELS
