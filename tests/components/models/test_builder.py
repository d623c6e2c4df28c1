"""Every architecture with every frontend passes the same tests."""

import json

import keras
import numpy as np
import pytest

from components.models import MODELS, build_model, split_model
from components.models.frontends import LAYERS, LogMel
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model

SAMPLE_RATE, CLIP_SAMPLES, NUM_OUTPUTS = 8000, 2400, 3
FRONTENDS = ("log_mel", "mfcc", "waveform")
AUGMENT = {
    "time_shift_ms": 20.0,
    "speed": 0.1,
    "frequency_warp": 0.1,
    "equalizer_db": 6.0,
    "gain_db": 6.0,
    "spec_augment": {"time_masks": 1, "time_mask_ms": 40.0, "freq_masks": 1, "freq_mask_bins": 3},
}


def _build(architecture="cnn", kind="log_mel", seed=1, augment=AUGMENT, noises=None, **model):
    return build_model(
        num_outputs=NUM_OUTPUTS,
        sample_rate=SAMPLE_RATE,
        clip_samples=CLIP_SAMPLES,
        frontend=Frontend.model_validate(
            {
                "kind": kind,
                "frame_length_ms": 20.0,
                "frame_step_ms": 10.0,
                "num_mel_bins": 16,
                "num_mfcc": 8,
                "lower_edge_hertz": 60.0,
                "upper_edge_hertz": None,
            }
        ),
        augment=Augment.model_validate(augment),
        model=Model.model_validate(
            {
                "architecture": architecture,
                "units": 8,
                "layers": 2,
                "filters": 4,
                "pooling": "max",
                "peephole": False,
                "dropout": 0.1,
                "size": "base" if MODELS[architecture].variable_length else "small",
                **model,
            }
        ),
        seed=seed,
        noises=noises,
    )


def _clips(count, seed=1):
    return np.random.default_rng(seed).normal(0, 0.1, (count, CLIP_SAMPLES)).astype(np.float32)


def _tones(count):
    """Clips of three pitches in noise, and which of the three each is."""
    classes = np.arange(count) % NUM_OUTPUTS
    seconds = np.arange(CLIP_SAMPLES) / SAMPLE_RATE
    tones = np.sin(2 * np.pi * np.array([300.0, 900.0, 2500.0])[classes, None] * seconds)
    return (tones * 0.1 + _clips(count) * 0.1).astype(np.float32), classes


CLASSIC = ("cnn", "rnn", "lstm", "cnn_lstm")
KINDS = [f"{model}-{frontend}" for model in CLASSIC for frontend in FRONTENDS]
KINDS += [f"{model}-log_mel" for model in MODELS if model not in CLASSIC]


@pytest.fixture(scope="module", params=KINDS)
def built(request):
    architecture, kind = request.param.split("-")
    return _build(architecture, kind)


def test_logits_for_any_batch_size(built):
    clips = _clips(3)
    logits = np.array(built(clips))
    assert logits.shape == (3, NUM_OUTPUTS)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(built(clips[:1]), logits[:1], atol=1e-5)


def test_the_halves_of_a_model_are_the_model(built):
    clips = _clips(2)
    config = built.get_config()
    frontend, classifier = split_model(built)
    features = frontend(clips)
    assert features.shape == (2, *classifier.input_shape[1:])
    np.testing.assert_allclose(classifier(features), built(clips), atol=1e-6)
    assert not any(isinstance(layer, LAYERS) for layer in classifier.layers)
    assert not frontend.trainable_variables
    assert built.get_config() == config  # the model itself stays as it was


def test_a_model_without_a_frontend_has_no_halves():
    inputs = keras.Input([10])
    with pytest.raises(ValueError, match="no layer of 'plain' belongs to a frontend"):
        split_model(keras.Model(inputs, keras.layers.Dense(2)(inputs), name="plain"))


def test_save_and_load_keeps_config_and_every_logit(built, tmp_path):
    built.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    # As JSON, since loading turns tuples into lists.
    assert json.dumps(loaded.get_config()) == json.dumps(built.get_config())
    np.testing.assert_allclose(loaded(_clips(2)), built(_clips(2)), atol=1e-6)


def test_a_gain_changes_no_answer(built):
    clips = _clips(2)
    np.testing.assert_allclose(built(clips * 0.05), built(clips), atol=1e-3)


def test_silence_has_finite_logits(built):
    assert np.isfinite(built(np.zeros((2, CLIP_SAMPLES), np.float32))).all()


def test_training_changes_clips_and_inference_does_not(built):
    clips = _clips(2)
    np.testing.assert_array_equal(built(clips, training=False), built(clips, training=False))
    assert not np.allclose(built(clips, training=True), built(clips, training=True), atol=1e-4)


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("cnn_lstm", "log_mel"), ("rnn", "mfcc"), ("cnn", "waveform")],
)
def test_a_few_steps_lower_the_loss(architecture, kind):
    clips, classes = _tones(24)
    model = _build(architecture, kind)
    model.compile(
        optimizer=keras.optimizers.Adam(0.01, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)  # or the first step is traced twice
    losses = [model.train_on_batch(clips, classes) for _ in range(8)]
    assert np.mean(losses[-3:]) < losses[0]


@pytest.mark.parametrize("architecture", MODELS)
def test_a_seed_fixes_weights_dropout_and_augmentation(architecture):
    clips = _clips(2)
    first, second = _build(architecture), _build(architecture)
    np.testing.assert_array_equal(first(clips, training=True), second(clips, training=True))
    np.testing.assert_array_equal(first(clips, training=True), second(clips, training=True))


def test_another_seed_gives_other_weights():
    clips = _clips(1)
    assert not np.allclose(_build(seed=1)(clips), _build(seed=2)(clips))


@pytest.mark.parametrize(("architecture", "lstm_layers"), [("lstm", 2), ("cnn_lstm", 1)])
def test_peepholes_add_three_weights_a_unit_and_layer(architecture, lstm_layers):
    without, with_ = _build(architecture), _build(architecture, peephole=True)
    assert with_.count_params() - without.count_params() == 3 * 8 * lstm_layers
    assert with_(_clips(2)).shape == (2, NUM_OUTPUTS)


def test_pooling_is_what_was_asked_for():
    clips = _clips(1)
    highest, average = (_build(pooling=kind)(clips) for kind in ("max", "average"))
    assert not np.allclose(highest, average)


@pytest.mark.parametrize("architecture", MODELS)
def test_logits_stay_float32_under_mixed_precision(architecture):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = _build(architecture)
    finally:
        keras.config.set_dtype_policy(policy)
    logits = model(_clips(2))
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert np.isfinite(logits).all()
    frontend = next(layer for layer in model.layers if isinstance(layer, LogMel))
    assert frontend.compute_dtype == "float32"


def test_without_augmentation_the_model_has_no_such_layer():
    nothing = {"time_masks": 0, "time_mask_ms": 0.0, "freq_masks": 0, "freq_mask_bins": 0}
    off = {"share": 0.0}
    quiet = {"noise": off, "room": off, "clipping": off, "narrow_band": 0.0}
    augment = {**dict.fromkeys(AUGMENT, 0.0), "spec_augment": nothing, **quiet}
    names = {type(layer).__name__ for layer in _build(augment=augment).layers}
    assert not any(name.startswith("Random") or name == "SpecAugment" for name in names)


def test_noise_is_mixed_in_where_there_is_some():
    noises = np.random.default_rng(1).integers(-9000, 9000, (4, 3000)).astype(np.int16)
    names = {type(layer).__name__ for layer in _build(noises=noises).layers}
    assert {"RandomNoise", "RandomRoom", "RandomClipping", "RandomBand"} <= names
    assert "RandomNoise" not in {type(layer).__name__ for layer in _build().layers}


def test_a_clip_shorter_than_a_frame_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="shorter than a frame of 160"):
        monkeypatch.setitem(globals(), "CLIP_SAMPLES", 159)
        _build()
