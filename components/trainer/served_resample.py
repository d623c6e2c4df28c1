"""Resampling in TensorFlow operations, from any rate to a model's: a part of every exported model.

Filters by FFT, in blocks that overlap. Between the rates that recorders have and the model's the
filter is soxr's own, by which ingest resamples, measured when the graph is made: soxr has another
one for each ratio, which the scores would show. For all other rates it is a Kaiser-windowed sinc
with the pass band of soxr's HQ.
"""

import math

import numpy as np
import soxr
import tensorflow as tf
from numpy.typing import NDArray

USUAL_RATES_HZ = (
    *(4000, 6000, 8000, 11025, 12000, 16000, 22050, 24000, 32000),
    *(44100, 48000, 88200, 96000, 176400, 192000),
)
_TAPS = 383  # at the lower rate, odd; beyond them soxr's filters are below -110 dB
_PASS_BAND_END = 0.9137  # of the lower Nyquist frequency, where the stop band begins
_KAISER_BETA = 13.05  # 126 dB (Kaiser, 1974)


def resample(waveform: tf.Tensor, rate_hz: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """float32 [samples] at `rate_hz`, int32, as float32 [samples'] at `sample_rate`, linear phase.

    The new length is rounded to whole samples, which may be none. Beyond its ends a waveform is
    taken to be zero.
    """
    # `down` samples last as long as `up` resampled ones; there are `advance` of such stretches in a
    # second, which is what a block adds.
    advance = _greatest_common_divisor(rate_hz, tf.constant(sample_rate))
    down, up = rate_hz // advance, sample_rate // advance
    overlap = -(-_TAPS // (2 * tf.minimum(down, up)))
    block = advance + 2 * overlap
    blocks = -(-tf.size(waveform) // rate_hz)
    missing = blocks * rate_hz - tf.size(waveform)
    padded = tf.pad(waveform, [[overlap * down, missing + overlap * down]])
    frames = tf.signal.frame(padded, block * down, rate_hz)
    response = _response(rate_hz, sample_rate, block * tf.minimum(down, up))
    spectrum = tf.signal.rfft(frames)[:, : tf.size(response)]
    spectrum *= tf.cast(response * tf.cast(up / down, tf.float32), tf.complex64)
    bins = block * up // 2 + 1
    spectrum = tf.pad(spectrum, [[0, 0], [0, bins - tf.size(response)]])
    resampled = tf.signal.irfft(spectrum, [block * up])[:, overlap * up : -overlap * up]
    ratio = tf.cast(sample_rate, tf.float64) / tf.cast(rate_hz, tf.float64)
    length = tf.floor(tf.cast(tf.size(waveform), tf.float64) * ratio + 0.5)
    return tf.reshape(resampled, [-1])[: tf.cast(length, tf.int32)]


def _response(rate_hz: tf.Tensor, sample_rate: int, fft_length: tf.Tensor) -> tf.Tensor:
    """The filter's gain in the bins of an FFT at the lower rate, float32 [fft_length // 2 + 1]."""
    usual = [rate for rate in USUAL_RATES_HZ if rate != sample_rate]
    filters = [_kaiser_taps(), *(_soxr_taps(rate, sample_rate) for rate in usual)]
    is_usual = tf.cast(tf.equal(rate_hz, usual), tf.int32)
    place = tf.reduce_sum(is_usual * tf.range(1, len(filters)))
    taps = tf.constant(np.array(filters, np.float32))[place]
    middle = _TAPS // 2
    around = tf.concat([taps[middle:], tf.zeros([fft_length - _TAPS]), taps[:middle]], axis=0)
    return tf.math.real(tf.signal.rfft(around))


def _kaiser_taps() -> NDArray[np.float64]:
    cutoff = (1.0 + _PASS_BAND_END) / 2
    width = math.pi * (1.0 - _PASS_BAND_END)
    half = round((_KAISER_BETA / 0.1102 + 8.7 - 7.95) / (2 * 2.285 * width))
    times = np.arange(-half, half + 1)
    taps = cutoff * np.sinc(cutoff * times) * np.kaiser(len(times), _KAISER_BETA)
    return np.pad(taps / taps.sum(), _TAPS // 2 - half)


def _soxr_taps(rate_hz: int, sample_rate: int) -> NDArray[np.float64]:
    """What soxr makes of a pulse, as a filter at the lower of two rates: float64 [_TAPS]."""
    common = math.gcd(rate_hz, sample_rate)
    down, up = rate_hz // common, sample_rate // common
    half = -(-_TAPS // min(down, up))  # of those stretches that are whole samples at both rates
    pulse = np.zeros(2 * half * down)
    pulse[half * down] = down / up
    made = np.roll(soxr.resample(pulse, rate_hz, sample_rate, quality="HQ"), -half * up)
    samples = 2 * half * min(down, up)
    gains = np.fft.rfft(made).real[: samples // 2 + 1]
    return np.roll(np.fft.irfft(gains, samples), _TAPS // 2)[:_TAPS]


def _greatest_common_divisor(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Euclid's, of two integers of 1 and more."""
    divisor, _ = tf.while_loop(
        lambda _, rest: rest > 0, lambda a, rest: (rest, a % rest), (a, b), parallel_iterations=1
    )
    return divisor
