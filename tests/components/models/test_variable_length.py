"""A clip is answered as if it were alone, whatever its batch holds beyond its end."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.models import MODELS, augmentation, build_model, frontends, split_model
from components.models.cnn import convolve
from components.models.masking import AveragePool, PoolSteps
from components.models.recurrent import lstm, recur, stack_frames
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model

RATE, NUM_OUTPUTS = 8000, 3
# Shorter than a frame of 160 samples, a frame, one frame more, and odd ones up to the longest.
LENGTHS = [101, 160, 240, 801, 1237, 2399, 3333]
LONGEST = max(LENGTHS)
AUGMENT = {
    "time_shift_ms": 20.0,
    "speed": 0.1,
    "frequency_warp": 0.1,
    "equalizer_db": 6.0,
    "gain_db": 6.0,
    "spec_augment": {"time_masks": 1, "time_mask_ms": 40.0, "freq_masks": 1, "freq_mask_bins": 3},
}
NO_AUGMENT = {
    **dict.fromkeys(AUGMENT, 0.0),
    "spec_augment": {"time_masks": 0, "time_mask_ms": 0.0, "freq_masks": 0, "freq_mask_bins": 0},
    **{key: {"share": 0.0} for key in ("noise", "room", "clipping")},
    "narrow_band": 0.0,
}
CLAIMING = [name for name, model in MODELS.items() if model.variable_length]
KINDS = [(name, "log_mel", {"pooling": "max"}) for name in CLAIMING]
KINDS += [(name, "mfcc", {"pooling": "average", "peephole": True}) for name in CLAIMING]
KINDS += [("cnn", "waveform", {"layers": 3}), ("lstm", "waveform", {})]


def _build(architecture, kind="log_mel", clip_samples=None, augment=AUGMENT, seed=1, **model):
    """A model for clips of one length where that is given, else for those of any."""
    settings = {"architecture": architecture, "units": 8, "layers": 2, "filters": 4, "dropout": 0.1}
    built = build_model(
        num_outputs=NUM_OUTPUTS,
        sample_rate=RATE,
        clip_samples=clip_samples or LONGEST,
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
            {**settings, "dropout": 0.1, **model, "architecture": architecture}
        ),
        seed=seed,
        variable_length=clip_samples is None,
    )
    _trained(built)
    return built


def _trained(model):
    """Gives `model` statistics and shifts as training does: zeros do not stay zeros in it."""
    rng = np.random.default_rng(1)
    for variable in model.weights:
        if any(word in variable.path for word in ("beta", "gamma", "moving", "bias", "peephole")):
            variable.assign(variable + rng.uniform(0.2, 0.7, variable.shape))


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def built(kind):
    architecture, frontend, settings = kind
    return _build(architecture, frontend, **settings)


def _clips(lengths=LENGTHS, seed=1):
    """Noise that gets louder and quieter, so that pauses are among it."""
    rng = np.random.default_rng(seed)
    clips = [rng.normal(0, 0.1, length) * rng.uniform(0.01, 1.0) for length in lengths]
    shapes = [np.abs(np.sin(np.arange(length) / 300.0)) ** 3 + 1e-3 for length in lengths]
    return [(clip * shape).astype(np.float32) for clip, shape in zip(clips, shapes, strict=True)]


def _batch(clips, samples, beyond="zeros"):
    """The clips as one batch [clips, samples], and their lengths."""
    rng = np.random.default_rng(2)
    shape = (len(clips), samples)
    batch = {
        "zeros": np.zeros(shape),
        "loud": rng.normal(0, 1000.0, shape),
        "nan": np.full(shape, np.nan),
    }[beyond].astype(np.float32)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    return batch, np.array([len(clip) for clip in clips], np.int32)


def _scores(model, inputs):
    return tf.nn.softmax(model(inputs)).numpy()


@pytest.fixture(scope="module")
def alone(built):
    """The scores of each clip in a batch of its own, without anything beyond it."""
    return np.concatenate([_scores(built, _batch([clip], len(clip))) for clip in _clips()])


@pytest.mark.parametrize(
    ("more", "beyond"),
    [(0, "loud"), (1, "nan"), (79, "loud"), (5000, "zeros")],
)
def test_a_padded_clip_has_the_scores_it_has_alone(built, alone, more, beyond):
    scores = _scores(built, _batch(_clips(), LONGEST + more, beyond))
    np.testing.assert_allclose(scores, alone, atol=1e-5)


def test_the_scores_differ_by_more_than_what_is_allowed(alone):
    """What the tests above compare is not the same for every clip."""
    assert np.ptp(alone, axis=0).max() > 1e-3


@pytest.mark.parametrize("length", [801, 2399, 3333])
def test_alone_it_is_the_model_for_that_length(kind, built, length):
    architecture, frontend, settings = kind
    fixed = _build(architecture, frontend, length, **settings)
    fixed.set_weights(built.get_weights())
    (clip,) = _clips([length])
    expected = _scores(fixed, clip[np.newaxis])
    np.testing.assert_allclose(_scores(built, _batch([clip], length)), expected, atol=1e-6)


def test_the_weights_drawn_are_those_of_the_model_for_one_length(kind, built):
    architecture, frontend, settings = kind
    fixed = _build(architecture, frontend, LONGEST, **settings)
    assert [each.shape for each in fixed.weights] == [each.shape for each in built.weights]
    for ours, theirs in zip(built.weights, fixed.weights, strict=True):
        if "seed_generator" not in ours.path:
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("architecture", ["cnn_lstm", "rnn"])
def test_a_step_of_training_does_not_see_what_lies_beyond(architecture):
    """Statistics of normalisation and gradients, of a batch padded with noise."""
    clips = _clips([1237] * 6)
    classes = np.arange(6) % NUM_OUTPUTS
    after = []
    for samples in (1237, 2000):
        model = _build(architecture, augment=NO_AUGMENT, dropout=0.0)
        model.compile(
            optimizer=keras.optimizers.SGD(0.1),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        model.train_on_batch(list(_batch(clips, samples, "loud")), classes)
        after.append(model.get_weights())
    start = _build(architecture, augment=NO_AUGMENT, dropout=0.0).get_weights()
    assert any(np.abs(x - y).max() > 1e-3 for x, y in zip(start, after[0], strict=True))
    for alone, padded in zip(*after, strict=True):
        np.testing.assert_allclose(padded, alone, atol=2e-5)


@pytest.mark.parametrize("architecture", CLAIMING)
def test_training_changes_the_clips_it_sees_as_if_they_were_alone(architecture):
    clips = _clips([1237] * 4)
    logits = [
        np.array(_build(architecture, dropout=0.0)(_batch(clips, samples, beyond), training=True))
        for samples, beyond in ((1237, "zeros"), (2000, "loud"))
    ]
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-3)


@pytest.mark.parametrize("peephole", [False, True])
def test_a_recurrence_that_runs_backwards_starts_at_the_end_of_the_clip(peephole):
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(3, 9, 4)).astype(np.float32)
    both_ways = keras.layers.Bidirectional(lstm(5, peephole))
    padded = np.array(recur(both_ways, steps, np.array([9, 5, 1], np.int32)))
    for row, length in enumerate((9, 5, 1)):
        expected = both_ways(steps[row : row + 1, :length])
        np.testing.assert_allclose(padded[row : row + 1, :length], expected, atol=1e-6)


def test_stacking_keeps_whole_stacks_and_one_at_least():
    features = np.arange(3 * 11 * 2, dtype=np.float32).reshape(3, 11, 2)
    stacked, steps = stack_frames(features, np.array([11, 7, 2], np.int32), 4)
    assert np.array(steps).tolist() == [2, 1, 1]
    np.testing.assert_array_equal(np.array(stacked)[:, :2], features[:, :8].reshape(3, 2, 8))


@pytest.mark.parametrize("frames", [4, 5])
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_pooling_averages_over_the_clip_alone(frames, length):
    maps = np.random.default_rng(1).normal(size=(1, frames, 5, 2)).astype(np.float32)
    maps[:, length:] = 0.0
    pool = keras.layers.AveragePooling2D(2, padding="same")
    expected = np.array(pool(maps[:, :length]))
    pooled = np.array(AveragePool()(maps, np.array([length], np.int32)))
    np.testing.assert_allclose(pooled[:, : expected.shape[1]], expected, atol=1e-6)
    assert not pooled[:, expected.shape[1] :].any()


def test_summaries_are_those_of_numpy_also_in_half_precision():
    steps = np.random.default_rng(1).normal(3.0, 1.0, (2, 700, 4)).astype(np.float32)
    lengths = np.array([601, 700], np.int32)
    own = [steps[0, :601], steps[1]]
    expected = [np.concatenate([each.mean(axis=0), each.max(axis=0)]) for each in own]
    np.testing.assert_allclose(PoolSteps()(steps, lengths), expected, rtol=1e-5)
    half = PoolSteps(dtype="bfloat16")(steps, lengths)
    np.testing.assert_allclose(np.array(half, np.float32), expected, rtol=2e-2)


class TestFrontends:
    @pytest.mark.parametrize("length", [160, 1237, 2399])
    def test_a_padded_clip_has_its_own_features_then_zeros(self, built, length):
        frontend, _ = split_model(built)
        (clip,) = _clips([length])
        expected, frames = frontend(_batch([clip], length))
        features, padded_frames = frontend(_batch([clip], length + 1000, "loud"))
        count = 1 + (length - 160) // 80
        assert int(frames[0]) == int(padded_frames[0]) == count == expected.shape[1]
        np.testing.assert_allclose(np.array(features)[:, :count], expected, atol=1e-4)
        assert not np.array(features)[:, count:].any()

    def test_a_loud_frame_beyond_the_clip_moves_no_mean(self):
        log_mel = np.random.default_rng(1).normal(size=(1, 30, 16)).astype(np.float32)
        padded = np.concatenate([log_mel, log_mel[:, :9] + 50.0], axis=1)
        normalize = frontends.SpeechNormalization()
        normalized = np.array(normalize(padded, np.array([30], np.int32)))
        np.testing.assert_allclose(normalized[:, :30], normalize(log_mel), atol=1e-6)

    def test_a_click_that_no_whole_frame_holds_sets_no_floor(self):
        (clip,) = _clips([1039])  # 11 whole frames end at 960
        clip[1000] = 100.0
        log_mel = frontends.LogMel(RATE, 160, 80, 16, 60.0, None)
        padded, _ = _batch([clip], 2000)
        energies = np.array(log_mel(padded, np.array([11], np.int32)))
        np.testing.assert_allclose(energies[:, :11], log_mel(clip[np.newaxis]), atol=1e-5)

    def test_the_level_is_that_of_the_clip(self):
        (clip,) = _clips([1000])
        level = frontends.LevelNormalization()(*_batch([clip], 3000))
        np.testing.assert_allclose(np.mean(np.array(level)[0, :1000] ** 2), 1.0, rtol=1e-4)


class TestAugmentation:
    def test_playback_keeps_to_the_clip(self):
        clips = _clips([1001] * 20)
        changed = [
            np.array(augmentation.RandomPlayback(100, 0.2, seed=1)(*inputs, training=True))
            for inputs in (_batch(clips, 1001), _batch(clips, 3000))
        ]
        np.testing.assert_allclose(changed[1][:, :1001], changed[0], atol=1e-6)
        assert not changed[1][:, 1001:].any()
        alone = augmentation.RandomPlayback(100, 0.2, seed=1)(np.stack(clips), training=True)
        np.testing.assert_allclose(changed[0], alone, atol=1e-6)

    def test_masks_lie_in_the_clip_and_leave_half_of_it(self):
        frames = np.array([6, 20, 60] * 100, np.int32)
        ones = np.ones((300, 60, 4), np.float32)
        masked = augmentation.SpecAugment(1, 10, 0, 0, seed=1)(ones, frames, training=True)
        kept = np.array(masked)[:, :, 0]
        for length, widest in ((6, 3), (20, 10), (60, 10)):
            of_length = kept[frames == length]
            assert of_length[:, length:].all()
            widths = length - of_length[:, :length].sum(axis=1).astype(int)
            assert set(widths) == set(range(widest + 1))

    def test_masks_of_full_clips_are_those_without_lengths(self):
        ones = np.ones((50, 60, 8), np.float32)
        layers = [augmentation.SpecAugment(2, 10, 1, 3, seed=1) for _ in range(2)]
        without = layers[0](ones, training=True)
        full = layers[1](ones, np.full(50, 60, np.int32), training=True)
        np.testing.assert_array_equal(without, full)


def test_the_halves_of_a_model_are_the_model(built):
    inputs = _batch(_clips(), LONGEST + 7, "loud")
    frontend, classifier = split_model(built)
    np.testing.assert_allclose(classifier(frontend(inputs)), built(inputs), atol=1e-6)
    assert not any(isinstance(layer, frontends.LAYERS) for layer in classifier.layers)


def test_save_and_load_keeps_every_logit(built, tmp_path):
    built.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = _batch(_clips(), LONGEST + 7, "loud")
    np.testing.assert_allclose(loaded(inputs), built(inputs), atol=1e-6)


def test_silence_has_finite_logits(built):
    silence = np.zeros((3, 1000), np.float32)
    assert np.isfinite(built((silence, np.array([1, 500, 1000], np.int32)))).all()


def test_half_precision_keeps_clips_apart_from_their_padding():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        models = [_build(name, pooling="average") for name in CLAIMING]
    finally:
        keras.config.set_dtype_policy(policy)
    for model in models:
        scores = _scores(model, _batch(_clips(), LONGEST + 500, "nan"))
        alone = [_scores(model, _batch([clip], len(clip)))[0] for clip in _clips()]
        np.testing.assert_allclose(scores, alone, atol=2e-2)


def test_an_architecture_that_does_not_claim_it_is_refused(monkeypatch):
    one_length = dataclasses.replace(MODELS["cnn"], variable_length=False)
    monkeypatch.setitem(MODELS, "cnn", one_length)
    with pytest.raises(ValueError, match="cnn takes clips of one length only"):
        _build("cnn")


def test_convolutions_halve_lengths_rounding_up():
    options = Model(units=8, layers=3, filters=2, dropout=0.0)
    features = keras.Input([None, 16])
    frames = keras.Input([], dtype="int32")
    steps, lengths = convolve(features, frames, options)
    model = keras.Model([features, frames], [steps, lengths])
    maps, counted = model([np.zeros((4, 17, 16)), np.array([1, 8, 9, 17], np.int32)])
    assert maps.shape[:2] == (4, 3)
    assert np.array(counted).tolist() == [1, 1, 2, 3]
