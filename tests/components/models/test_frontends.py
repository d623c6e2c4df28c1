"""Frontends against tf.signal and closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from components.audio import mel
from components.models import frontends

SAMPLE_RATE = 16000


@pytest.fixture
def noise():
    return np.random.default_rng(1).normal(0, 0.1, (3, 8000)).astype(np.float32)


def _log_mel(**changes):
    settings = {
        "sample_rate": SAMPLE_RATE,
        "frame_length": 400,
        "frame_step": 160,
        "num_mel_bins": 40,
        "lower_edge_hertz": 20.0,
        "upper_edge_hertz": None,
    }
    return frontends.LogMel(**{**settings, **changes})


def _tone(hertz, samples=8000):
    seconds = np.arange(samples, dtype=np.float64) / SAMPLE_RATE
    return np.sin(2 * np.pi * hertz * seconds).astype(np.float32)[np.newaxis]


@pytest.mark.parametrize(
    ("frame_length", "frame_step", "upper"), [(400, 160, None), (512, 256, 4000.0), (320, 320, 7e3)]
)
def test_log_mel_is_that_of_tf_signal(noise, frame_length, frame_step, upper):
    layer = _log_mel(frame_length=frame_length, frame_step=frame_step, upper_edge_hertz=upper)
    spectrum = tf.signal.stft(noise, frame_length, frame_step)
    bands = tf.signal.linear_to_mel_weight_matrix(
        40, spectrum.shape[-1], SAMPLE_RATE, 20.0, upper or SAMPLE_RATE / 2
    )
    expected = tf.math.log(tf.matmul(tf.abs(spectrum) ** 2, bands))
    np.testing.assert_allclose(layer(noise), expected, atol=2e-4)


def test_a_tone_peaks_in_its_mel_band():
    features = np.array(_log_mel()(_tone(1000.0)))[0]
    edges = np.linspace(mel.hertz_to_mel(20.0), mel.hertz_to_mel(8000.0), 42)
    nearest = np.argmin(np.abs(edges[1:-1] - mel.hertz_to_mel(1000.0)))
    assert set(features.argmax(axis=1)) == {nearest}


def test_energies_span_at_most_60_db():
    silence_then_tone = np.concatenate([np.zeros((1, 4000), np.float32), _tone(500.0)], axis=1)
    features = np.array(_log_mel()(silence_then_tone))
    assert np.ptp(features) == pytest.approx(np.log(1e6), rel=1e-5)


def test_a_gain_moves_every_log_energy_alike(noise):
    layer = _log_mel()
    difference = np.array(layer(noise * 0.01)) - np.array(layer(noise))
    np.testing.assert_allclose(difference, 2 * np.log(0.01), atol=2e-4)


def test_mfccs_are_those_of_tf_signal(noise):
    log_mel = _log_mel()(noise)
    expected = tf.signal.mfccs_from_log_mel_spectrograms(log_mel)[..., :13]
    np.testing.assert_allclose(frontends.Cepstrum(13)(log_mel), expected, atol=1e-4)


def test_framing_cuts_where_tf_signal_does(noise):
    expected = tf.signal.frame(noise, 400, 160)
    np.testing.assert_array_equal(frontends.Framing(400, 160)(noise), expected)


def test_normalised_speech_has_mean_0_per_bin_and_variance_1(noise):
    normalized = np.array(frontends.SpeechNormalization()(_log_mel()(noise)))
    # White noise: every frame is speech, and the cut at -3 touches few values.
    np.testing.assert_allclose(normalized.mean(axis=(1, 2)), 0.0, atol=0.05)
    np.testing.assert_allclose(normalized.var(axis=(1, 2)), 1.0, atol=0.15)


def test_padding_does_not_change_how_speech_is_normalised(noise):
    layer, speech = frontends.SpeechNormalization(), _log_mel()(noise)
    padding = tf.fill([3, 50, 40], tf.reduce_max(speech) - 14.0)
    padded = layer(tf.concat([padding, speech, padding], axis=1))
    np.testing.assert_allclose(padded[:, 50:-50], layer(speech), atol=1e-4)
    np.testing.assert_array_equal(padded[:, :50], np.full((3, 50, 40), -3.0))


def test_level_normalisation_sets_the_root_mean_square_to_1(noise):
    level = np.array(frontends.LevelNormalization()(noise))
    np.testing.assert_allclose(np.sqrt((level**2).mean(axis=1)), 1.0, rtol=1e-5)


def test_silence_gives_finite_features():
    silence = np.zeros((2, 8000), np.float32)
    normalized = frontends.SpeechNormalization()(_log_mel()(silence))
    np.testing.assert_allclose(normalized, np.zeros((2, 48, 40)), atol=1e-2)
    np.testing.assert_array_equal(frontends.LevelNormalization()(silence), silence)


def test_edges_beyond_nyquist_are_refused():
    with pytest.raises(ValueError, match="8000 Hz"):
        _log_mel(upper_edge_hertz=9000.0)
