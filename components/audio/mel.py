"""Frames, windows, mel bands and cepstra as numpy arrays; the one owner of frame counts.

The numbers are those of `tf.signal`, so that a reader can check them there. This file knows nothing
of Keras: the frontends of `components.models` take their constants from here.
"""

import numpy as np
from numpy.typing import NDArray

_HIGH_FREQUENCY_Q = 1127.0  # HTK: mel = 1127 ln(1 + f / 700)
_BREAK_FREQUENCY_HERTZ = 700.0


def ms_to_samples(ms: float, sample_rate: int) -> int:
    """Samples that last `ms` milliseconds, to the nearest whole sample."""
    return round(ms * sample_rate / 1000)


def num_frames(num_samples: int, frame_length: int, frame_step: int) -> int:
    """Whole frames in `num_samples`; 0 where not even one fits. Nothing is padded."""
    if frame_length < 1 or frame_step < 1:
        raise ValueError(f"frames need 1 sample or more, got {frame_length=} and {frame_step=}")
    if num_samples < frame_length:
        return 0
    return 1 + (num_samples - frame_length) // frame_step


def fft_length(frame_length: int) -> int:
    """The smallest power of two that holds a frame."""
    return 1 << (frame_length - 1).bit_length()


def hann_window(frame_length: int) -> NDArray[np.float32]:
    """Periodic Hann window, float32 [frame_length], as `tf.signal.hann_window`."""
    phase = 2 * np.pi * np.arange(frame_length) / frame_length
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def hertz_to_mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Mel of a frequency, by the HTK formula."""
    return _HIGH_FREQUENCY_Q * np.log1p(np.asarray(hertz, np.float64) / _BREAK_FREQUENCY_HERTZ)


def mel_weight_matrix(
    num_mel_bins: int,
    num_spectrogram_bins: int,
    sample_rate: int,
    lower_edge_hertz: float,
    upper_edge_hertz: float,
) -> NDArray[np.float32]:
    """Triangular mel bands, float32 [num_spectrogram_bins, num_mel_bins], peak 1.

    Equal to `tf.signal.linear_to_mel_weight_matrix`: triangles in mel, the DC bin is left out.
    A band narrower than the spacing of the spectrogram's bins may be empty (all zeros).
    """
    nyquist_hertz = sample_rate / 2
    if not 0 <= lower_edge_hertz < upper_edge_hertz <= nyquist_hertz:
        raise ValueError(
            f"mel edges must satisfy 0 <= lower < upper <= {nyquist_hertz:g} Hz (Nyquist), "
            f"got {lower_edge_hertz:g} and {upper_edge_hertz:g} Hz"
        )
    bins = hertz_to_mel(np.linspace(0.0, nyquist_hertz, num_spectrogram_bins)[1:])[:, None]
    edges = np.linspace(
        hertz_to_mel(lower_edge_hertz), hertz_to_mel(upper_edge_hertz), num_mel_bins + 2
    )
    lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins - lower) / (center - lower)
    falling = (upper - bins) / (upper - center)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    return np.pad(weights, ((1, 0), (0, 0))).astype(np.float32)


def dct_matrix(num_mel_bins: int, num_mfcc: int) -> NDArray[np.float32]:
    """DCT-II as a matrix, float32 [num_mel_bins, num_mfcc], scaled as in HTK and `tf.signal`.

    Equal to the orthonormal DCT-II but for coefficient 0, which is larger by sqrt(2).
    """
    if not 1 <= num_mfcc <= num_mel_bins:
        raise ValueError(f"num_mfcc must be 1 to num_mel_bins ({num_mel_bins}), got {num_mfcc}")
    phase = np.pi * np.outer(np.arange(num_mel_bins) + 0.5, np.arange(num_mfcc)) / num_mel_bins
    return (np.sqrt(2.0 / num_mel_bins) * np.cos(phase)).astype(np.float32)
