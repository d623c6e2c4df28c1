"""Frames, mel bands and cepstra against tf.signal, scipy and closed forms."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import tensorflow as tf

from components.audio import mel


@pytest.mark.parametrize(
    ("num_samples", "frame_length", "frame_step"),
    [(16000, 400, 160), (16000, 512, 256), (400, 400, 160), (559, 400, 160), (560, 400, 160)],
)
def test_frame_count_is_that_of_tf_signal(num_samples, frame_length, frame_step):
    frames = tf.signal.frame(np.zeros(num_samples, np.float32), frame_length, frame_step)
    assert mel.num_frames(num_samples, frame_length, frame_step) == frames.shape[0]


def test_a_clip_shorter_than_a_frame_has_none():
    assert mel.num_frames(399, 400, 160) == 0
    assert mel.num_frames(0, 1, 1) == 0


@pytest.mark.parametrize(("frame_length", "frame_step"), [(0, 160), (400, 0), (-1, 1)])
def test_frames_without_samples_are_refused(frame_length, frame_step):
    with pytest.raises(ValueError, match=r"frame_length=.* and frame_step="):
        mel.num_frames(16000, frame_length, frame_step)


def test_ms_to_samples_rounds_to_the_nearest_sample():
    assert mel.ms_to_samples(25.0, 16000) == 400
    assert mel.ms_to_samples(25.0, 11025) == 276  # 275.6
    assert mel.ms_to_samples(0.0, 16000) == 0


@pytest.mark.parametrize(("frame_length", "power_of_two"), [(1, 1), (256, 256), (257, 512)])
def test_fft_length_is_the_next_power_of_two(frame_length, power_of_two):
    assert mel.fft_length(frame_length) == power_of_two


@pytest.mark.parametrize("frame_length", [400, 401])
def test_hann_window_is_scipys_periodic_one(frame_length):
    expected = scipy.signal.get_window("hann", frame_length, fftbins=True)
    np.testing.assert_allclose(mel.hann_window(frame_length), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("bins", "spectrogram_bins", "sample_rate", "lower", "upper"),
    [(40, 257, 16000, 20.0, 8000.0), (24, 129, 8000, 0.0, 4000.0), (80, 257, 16000, 60.0, 7600.0)],
)
def test_mel_bands_are_those_of_tf_signal(bins, spectrogram_bins, sample_rate, lower, upper):
    expected = tf.signal.linear_to_mel_weight_matrix(
        bins, spectrogram_bins, sample_rate, lower, upper, dtype=tf.float64
    )
    weights = mel.mel_weight_matrix(bins, spectrogram_bins, sample_rate, lower, upper)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected.numpy(), atol=1e-6)


def test_1000_hertz_are_1000_mel():
    assert mel.hertz_to_mel(1000.0) == pytest.approx(1000.0, abs=0.1)


@pytest.mark.parametrize(("lower", "upper"), [(20.0, 8001.0), (500.0, 500.0), (-1.0, 4000.0)])
def test_impossible_mel_edges_are_refused(lower, upper):
    with pytest.raises(ValueError, match="8000 Hz"):
        mel.mel_weight_matrix(40, 257, 16000, lower, upper)


def test_dct_is_the_orthonormal_one_but_for_coefficient_0():
    log_mel = np.random.default_rng(1).normal(size=(5, 40))
    expected = scipy.fft.dct(log_mel, type=2, norm="ortho")[:, :13]
    expected[:, 0] *= np.sqrt(2.0)
    np.testing.assert_allclose(log_mel @ mel.dct_matrix(40, 13), expected, atol=1e-5)


def test_dct_is_that_of_tf_signal():
    log_mel = np.random.default_rng(1).normal(size=(5, 40)).astype(np.float32)
    expected = tf.signal.mfccs_from_log_mel_spectrograms(log_mel)[:, :13]
    np.testing.assert_allclose(log_mel @ mel.dct_matrix(40, 13), expected, atol=1e-5)


@pytest.mark.parametrize("num_mfcc", [0, 41])
def test_more_cepstra_than_bands_are_refused(num_mfcc):
    with pytest.raises(ValueError, match=r"1 to num_mel_bins \(40\)"):
        mel.dct_matrix(40, num_mfcc)
