"""Augmentation: what it may change, what it must not, and that a seed fixes it."""

import numpy as np
import pytest

from components.models import augmentation

LAYERS = {
    "playback": lambda seed: augmentation.RandomPlayback(100, 0.1, seed=seed),
    "gain": lambda seed: augmentation.RandomGain(6.0, seed=seed),
    "channel": lambda seed: augmentation.RandomChannel(0.1, 12.0, seed=seed),
    "spec_augment": lambda seed: augmentation.SpecAugment(2, 10, 2, 8, seed=seed),
}


def _batch(name):
    shape = (4, 50, 40) if name in ("channel", "spec_augment") else (4, 2000)
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_changes_outside_training(name):
    np.testing.assert_array_equal(LAYERS[name](1)(_batch(name), training=False), _batch(name))


@pytest.mark.parametrize("name", LAYERS)
def test_a_seed_fixes_the_changes(name):
    batch, first, second = _batch(name), LAYERS[name](1), LAYERS[name](1)
    changed = np.array(first(batch, training=True))
    np.testing.assert_array_equal(changed, second(batch, training=True))
    assert not np.array_equal(changed, LAYERS[name](2)(batch, training=True))
    assert not np.array_equal(changed, first(batch, training=True))  # drawn anew each time


@pytest.mark.parametrize("name", LAYERS)
def test_config_round_trip(name):
    layer = LAYERS[name](1)
    again = type(layer).from_config(layer.get_config())
    batch = _batch(name)
    np.testing.assert_array_equal(layer(batch, training=True), again(batch, training=True))


def test_a_shift_moves_a_click_and_fills_with_zeros():
    click = np.zeros((200, 1001), np.float32)
    click[:, 500] = 1.0
    moved = np.array(augmentation.RandomPlayback(100, 0.0, seed=1)(click, training=True))
    centroid = (moved * np.arange(1001)).sum(axis=1) / moved.sum(axis=1)
    assert 400 <= centroid.min() < 420
    assert 580 < centroid.max() <= 600
    np.testing.assert_allclose(moved.sum(axis=1), 1.0, rtol=1e-4)  # linear interpolation


def test_what_leaves_the_clip_is_gone():
    ones = np.ones((200, 300), np.float32)
    moved = np.array(augmentation.RandomPlayback(100, 0.0, seed=1)(ones, training=True))
    assert moved.min() == 0.0
    assert 195 < moved.sum(axis=1).min() < 210


def test_speed_changes_the_pitch_of_a_tone():
    seconds = np.arange(16000) / 16000
    tone = np.tile(np.sin(2 * np.pi * 1000.0 * seconds).astype(np.float32), (100, 1))
    played = np.array(augmentation.RandomPlayback(0, 0.2, seed=1)(tone, training=True))
    middle = played[:, 4000:12000]  # free of silence from outside the clip; bins of 2 Hz
    peak_hertz = np.abs(np.fft.rfft(middle, axis=1)).argmax(axis=1) * 2.0
    assert 800 <= peak_hertz.min() < 830
    assert 1170 < peak_hertz.max() <= 1200


def test_gain_stays_within_its_range():
    ones = np.ones((500, 10), np.float32)
    changed = np.array(augmentation.RandomGain(6.0, seed=1)(ones, training=True))
    gain_db = 20 * np.log10(changed[:, 0])
    assert -6.0 <= gain_db.min() < -5.8
    assert 5.8 < gain_db.max() <= 6.0
    np.testing.assert_allclose(changed, changed[:, :1] * ones)


def test_the_equalizer_is_one_curve_for_all_frames_within_its_range():
    flat = np.zeros((500, 6, 32), np.float32)
    changed = np.array(augmentation.RandomChannel(0.0, 12.0, seed=1)(flat, training=True))
    np.testing.assert_allclose(changed, np.repeat(changed[:, :1], 6, axis=1), atol=1e-5)
    curves_db = 10 * np.log10(np.exp(changed[:, 0]))
    waves = np.cos(np.pi * np.outer([1, 2, 3, 4], (np.arange(32) + 0.5) / 32))
    heights_db = 2 / 32 * curves_db @ waves.T  # orthogonal: the height of each wave
    np.testing.assert_allclose(heights_db @ waves, curves_db, atol=1e-4)
    np.testing.assert_allclose(np.abs(heights_db).max(axis=0), [12, 6, 6, 6], rtol=0.02)


def test_the_warp_moves_a_formant_by_at_most_its_share():
    bins = np.arange(40)
    formant = np.exp(-((bins - 20) ** 2) / 8).astype(np.float32)
    batch = np.tile(formant, (300, 3, 1))
    warped = np.array(augmentation.RandomChannel(0.2, 0.0, seed=1)(batch, training=True))[:, 0]
    center = (warped * bins).sum(axis=1) / warped.sum(axis=1)
    assert 20 / 1.2 - 0.3 < center.min() < 17.2
    assert 24.3 < center.max() < 20 / 0.8 + 0.3


def test_masks_are_whole_frames_and_bins_of_at_most_their_width():
    ones = np.ones((300, 60, 40), np.float32)
    masked = np.array(augmentation.SpecAugment(1, 10, 1, 8, seed=1)(ones, training=True))
    kept_frames, kept_bins = masked.max(axis=2), masked.max(axis=1)
    np.testing.assert_array_equal(masked, kept_frames[:, :, np.newaxis] * kept_bins[:, np.newaxis])
    assert set((60 - kept_frames.sum(axis=1)).astype(int)) == set(range(11))
    assert set((40 - kept_bins.sum(axis=1)).astype(int)) == set(range(9))


def test_masks_leave_half_of_few_bins():
    ones = np.ones((100, 20, 4), np.float32)
    masked = np.array(augmentation.SpecAugment(0, 0, 1, 30, seed=1)(ones, training=True))
    assert masked.max(axis=1).sum(axis=1).min() == 2
