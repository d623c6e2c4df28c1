"""Noise, rooms, clipping and narrow lines: how much is drawn, and what stays as it was."""

import keras
import numpy as np
import pytest

from components.models import disturbance

RATE = 8000
RANDOM = np.random.default_rng(1)
NOISES = RANDOM.integers(-20000, 20000, (5, 3000)).astype(np.int16)
LAYERS = {
    "noise": lambda seed: disturbance.RandomNoise(0.5, (0.0, 20.0), NOISES, seed=seed),
    "room": lambda seed: disturbance.RandomRoom(0.5, 0.2, RATE, seed=seed),
    "clipping": lambda seed: disturbance.RandomClipping(0.5, 18.0, seed=seed),
    "band": lambda seed: disturbance.RandomBand(0.5, seed=seed),
}


def _batch(name):
    shape = (32, 20, 40) if name == "band" else (32, 2000)
    return np.random.default_rng(2).normal(0, 0.1, shape).astype(np.float32)


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_changes_outside_training(name):
    np.testing.assert_array_equal(LAYERS[name](1)(_batch(name), training=False), _batch(name))


@pytest.mark.parametrize("name", LAYERS)
def test_a_seed_fixes_which_clips_change_and_how(name):
    batch = _batch(name)
    first = np.array(LAYERS[name](1)(batch, training=True))
    np.testing.assert_array_equal(first, LAYERS[name](1)(batch, training=True))
    assert not np.array_equal(first, LAYERS[name](2)(batch, training=True))
    same = (first == batch).all(axis=tuple(range(1, batch.ndim))).mean()
    assert 0.2 < same < 0.8  # about half of them is left alone
    assert np.isfinite(first).all()


@pytest.mark.parametrize("name", LAYERS)
def test_config_round_trip(name):
    config = LAYERS[name](1).get_config()
    assert type(LAYERS[name](1)).from_config(config).get_config() == config


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_noise_has_the_ratio_that_is_asked_for(snr_db):
    batch = _batch("noise") * RANDOM.uniform(0.01, 5, (32, 1)).astype(np.float32)
    layer = disturbance.RandomNoise(1.0, (snr_db, snr_db), NOISES, seed=1)
    noise = np.array(layer(batch, training=True)) - batch
    ratio = np.mean(batch**2, axis=1) / np.mean(noise**2, axis=1)
    np.testing.assert_allclose(10 * np.log10(ratio), snr_db, atol=0.01)
    assert len(np.unique(noise.round(6), axis=0)) == 32  # another stretch for each clip


def test_what_is_mixed_in_are_stretches_of_the_noises():
    tones = np.stack([np.sin(2 * np.pi * hertz * np.arange(4000) / RATE) for hertz in (500, 2000)])
    layer = disturbance.RandomNoise(1.0, (0, 0), (tones * 30000).astype(np.int16), seed=1)
    noise = np.array(layer(_batch("noise"), training=True)) - _batch("noise")
    power = np.abs(np.fft.rfft(noise, axis=1)) ** 2
    near = [abs(np.fft.rfftfreq(2000, 1 / RATE) - hertz) < 60 for hertz in (500, 2000)]
    share = power[:, near[0] | near[1]].sum(axis=1) / power.sum(axis=1)
    assert (share > 0.9).all()


def test_noise_of_nothing_is_nothing():
    silent = np.zeros((4, 2000), np.float32)
    layer = disturbance.RandomNoise(1.0, (0.0, 0.0), np.zeros((3, 100), np.int16), seed=1)
    assert not np.array(layer(silent, training=True)).any()
    np.testing.assert_array_equal(layer(_batch("noise"), training=True), _batch("noise"))


def test_a_room_is_the_convolution_with_its_response():
    waveform, response = RANDOM.normal(size=(3, 700)), RANDOM.normal(size=(3, 150))
    found = disturbance._convolve(
        *(keras.ops.convert_to_tensor(each.astype(np.float32)) for each in (waveform, response))
    )
    for ours, clip, taps in zip(np.array(found), waveform, response, strict=True):
        np.testing.assert_allclose(ours, np.convolve(clip, taps)[:700], atol=1e-3)


def test_a_room_rings_on_and_keeps_the_level():
    clicks = np.zeros((64, 4000), np.float32)
    clicks[:, 100] = 0.5
    layer = disturbance.RandomRoom(1.0, 0.2, RATE, seed=1)
    heard = np.array(layer(clicks, training=True))
    np.testing.assert_allclose(np.sum(heard**2, axis=1), 0.25, rtol=1e-3)
    assert not heard[:, :99].round(6).any()
    echo = np.sum(heard[:, 101:] ** 2, axis=1) / heard[:, 100] ** 2
    assert ((echo > 10**-1.25) & (echo < 1.05)).all()
    assert np.abs(heard[:, 100 + 1600 :]).max() < 1e-3  # silent after the longest


def test_clipping_cuts_the_peaks_and_nothing_else():
    batch = _batch("clipping")
    cut = np.array(disturbance.RandomClipping(1.0, 18.0, seed=1)(batch, training=True))
    peaks = np.abs(cut).max(axis=1, keepdims=True)
    below_db = 20 * np.log10(np.abs(batch).max(axis=1, keepdims=True) / peaks)
    assert below_db.min() >= -1e-3
    assert 15 < below_db.max() <= 18.001
    np.testing.assert_array_equal(cut, np.clip(batch, -peaks, peaks))


def test_a_narrow_line_loses_edges_of_the_spectrum_alone():
    batch = _batch("band")
    heard = np.array(disturbance.RandomBand(1.0, seed=1)(batch, training=True))
    lost = (heard == batch.min(axis=(1, 2), keepdims=True)).all(axis=1)
    assert lost.any()
    assert not lost[:, 6:20].any()
    kept = ~np.repeat(lost[:, None], 20, axis=1)
    np.testing.assert_array_equal(heard[kept], batch[kept])


@pytest.mark.parametrize("name", ["noise", "room"])
def test_nothing_sounds_beyond_a_clips_end(name):
    lengths = np.array([500, 2000] * 16, np.int32)
    batch = _batch(name) * (np.arange(2000) < lengths[:, None])
    heard = np.array(LAYERS[name](1)(batch.astype(np.float32), lengths, training=True))
    assert not heard[::2, 500:].any()
    assert heard[::2, :500].any(axis=1).all()
