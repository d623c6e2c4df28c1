"""Resampling in TensorFlow operations, from any rate to a model's: a part of every exported model.

A Kaiser-windowed sinc, applied by FFT in blocks that overlap. Its pass band is that of soxr's HQ,
by which ingest resamples: flat to 0.914 of the lower Nyquist frequency, 120 dB down from there on.
"""

import numpy as np
import tensorflow as tf

_PASS_BAND_END = 0.9137  # of the lower Nyquist frequency
_KAISER_BETA = 13.05  # 126.4 dB in the stop band (Kaiser, 1974)
_TAPS = 191  # at the lower rate; odd


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
    response = _low_pass(block * tf.minimum(down, up))
    spectrum = tf.signal.rfft(frames)[:, : tf.size(response)]
    spectrum *= tf.cast(response * tf.cast(up / down, tf.float32), tf.complex64)
    bins = block * up // 2 + 1
    spectrum = tf.pad(spectrum, [[0, 0], [0, bins - tf.size(response)]])
    resampled = tf.signal.irfft(spectrum, [block * up])[:, overlap * up : -overlap * up]
    ratio = tf.cast(sample_rate, tf.float64) / tf.cast(rate_hz, tf.float64)
    length = tf.floor(tf.cast(tf.size(waveform), tf.float64) * ratio + 0.5)
    return tf.reshape(resampled, [-1])[: tf.cast(length, tf.int32)]


def _low_pass(fft_length: tf.Tensor) -> tf.Tensor:
    """The filter's gain in the bins of an FFT at the lower rate, float32 [fft_length // 2 + 1]."""
    cutoff = (1.0 + _PASS_BAND_END) / 2
    times = np.arange(_TAPS) - _TAPS // 2
    taps = cutoff * np.sinc(cutoff * times) * np.kaiser(_TAPS, _KAISER_BETA)
    taps = (taps / taps.sum()).astype(np.float32)
    after, before = tf.constant(taps[_TAPS // 2 :]), tf.constant(taps[: _TAPS // 2])
    around = tf.concat([after, tf.zeros([fft_length - _TAPS]), before], axis=0)
    return tf.math.real(tf.signal.rfft(around))


def _greatest_common_divisor(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Euclid's, of two integers of 1 and more."""
    divisor, _ = tf.while_loop(
        lambda _, rest: rest > 0, lambda a, rest: (rest, a % rest), (a, b), parallel_iterations=1
    )
    return divisor
