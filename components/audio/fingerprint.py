"""Acoustic fingerprints: whether two stored clips are the same recording, however it was encoded.

Two steps. A fingerprint of 16 bits a frame finds candidates fast: signs of energy differences over
time and frequency, as in Haitsma and Kalker 2002, with frames and bands for clips of about a
second. Cross-correlation of the samples then decides. Copies that were re-encoded, gained, shifted,
trimmed of silence or resampled correlate with 0.97 and more; two takes of one word by one person
reach 0.93.
"""

import functools

import numpy as np
from scipy import fft

SAME_RECORDING = 0.95  # correlation from which two clips are one recording

_RATE_HZ = 8000  # about what clips are reduced to: speech differs below 4 kHz
_STEP_MS = 16
_SMOOTHED_FRAMES = 6  # energies are of 112 ms, so that an offset of half a step matters little
_LAG_FRAMES = 3
_EDGE_MS = 160
_BANDS = 17
_BAND_EDGES_HZ = (250.0, 3400.0)
_ACTIVE_SHARE = 1e-3  # frames 30 dB below the loudest say nothing
_ONES = np.ones(_BANDS, np.float32)
_INACTIVE = 0  # a frame without energy; the few active ones with no bit set count as such too


def fingerprint(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """uint16 [frames], one for every 16 ms, of float32 [samples]; 0 where there is no energy.

    Of zeros before and after, as padding makes them, 160 ms are looked at: a sound's ends say much
    of a short word. A clip of less than 160 ms in all has no frame.
    """
    factor = max(1, sample_rate // _RATE_HZ)
    step, window, weights = _analysis(sample_rate // factor)
    reduced = _reduce(_without_padding(np.asarray(waveform, np.float32), sample_rate), factor)
    frames = len(reduced) // step - 1
    if frames <= _SMOOTHED_FRAMES + _LAG_FRAMES:
        return np.empty(0, np.uint16)
    energies = _energies(reduced[: (frames + 1) * step].reshape(-1, step), window, weights)
    smoothed = _sums_of_six(energies)
    before, after = smoothed[:-_LAG_FRAMES], smoothed[_LAG_FRAMES:]
    # Whether the level rises more over frequency than it did: of two ratios, without dividing.
    bits = after[:, 1:] * before[:, :-1] > before[:, 1:] * after[:, :-1]
    words = np.packbits(bits, axis=1).view(">u2")[:, 0].astype(np.uint16)
    totals = after @ _ONES
    words[totals <= totals.max() * _ACTIVE_SHARE] = _INACTIVE
    return words


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """The largest normalised cross-correlation of two waveforms over all shifts: 0 to 1.

    Its sign is left out, as cables leave it out; silence correlates with nothing.
    """
    energy = float(one @ one) * float(other @ other)
    if energy == 0.0:
        return 0.0
    size = fft.next_fast_len(len(one) + len(other), real=True)
    product = fft.rfft(one, size) * np.conj(fft.rfft(other, size))
    return min(1.0, float(np.abs(fft.irfft(product, size)).max()) / energy**0.5)


@functools.cache
def _analysis(sample_rate: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Step in samples, window float32 [samples], band weights float32 [2 * bins, bands]."""
    step = round(sample_rate * _STEP_MS / 1000)
    window = np.hanning(2 * step + 1)[:-1].astype(np.float32)
    hertz = np.arange(step + 1) * sample_rate / (2 * step)
    edges = np.geomspace(*_BAND_EDGES_HZ, _BANDS + 2)
    slopes = np.maximum(np.diff(edges), hertz[1])  # a narrow band still reaches one bin
    rising = (hertz[:, None] - edges[:-2]) / slopes[:-1]
    falling = (edges[2:] - hertz[:, None]) / slopes[1:]
    weights = np.clip(np.minimum(rising, falling), 0, 1).astype(np.float32)
    return step, window, np.repeat(weights, 2, axis=0)  # for real and imaginary part


def _energies(blocks: np.ndarray, window: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float32 [frames, bands] of frames of two `blocks` [frames + 1, step] each."""
    step = blocks.shape[1]
    windows = np.empty((len(blocks) - 1, 2 * step), np.float32)
    np.multiply(blocks[:-1], window[:step], out=windows[:, :step])
    np.multiply(blocks[1:], window[step:], out=windows[:, step:])
    parts = fft.rfft(windows, axis=1).view(np.float32)
    return np.square(parts, out=parts) @ weights


def _sums_of_six(energies: np.ndarray) -> np.ndarray:
    """Sums of `_SMOOTHED_FRAMES` rows that follow each other."""
    two = energies[:-1] + energies[1:]
    four = two[:-2] + two[2:]
    return four[:-2] + two[4:]


def _without_padding(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """`waveform`, contiguous, with at most `_EDGE_MS` of the zeros before and after."""
    if not len(waveform):
        return waveform
    sounding, edge = waveform != 0, round(sample_rate * _EDGE_MS / 1000)
    start, rest = int(sounding.argmax()) - edge, int(sounding[::-1].argmax()) - edge
    return np.ascontiguousarray(waveform[max(0, start) : len(waveform) - max(0, rest)])


def _reduce(waveform: np.ndarray, factor: int) -> np.ndarray:
    """Sums of `factor` samples each: numpy's mean over a short last axis is ten times as slow."""
    if factor == 1:
        return waveform
    whole = len(waveform) // factor * factor
    reduced = waveform[:whole:factor].copy()
    for offset in range(1, factor):
        reduced += waveform[offset:whole:factor]
    return reduced
