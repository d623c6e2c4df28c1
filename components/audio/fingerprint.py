"""Acoustic fingerprints: whether two stored clips are the same recording, however it was encoded.

Two steps. A fingerprint of 16 bits a frame finds candidates fast: signs of energy differences over
time and frequency, as in Haitsma and Kalker 2002, with frames and bands for clips of about a
second. Cross-correlation of the samples then decides. Copies that were re-encoded, gained, shifted,
trimmed of silence or resampled correlate with 0.97 and more; two takes of one word by one person
reach 0.93.
"""

import functools
import itertools
from collections.abc import Iterator

import numpy as np
from scipy import fft

SAME_RECORDING = 0.95  # correlation from which two clips are one recording

_RATE_HZ = 8000  # about what clips are reduced to: speech differs below 4 kHz
_STEP_MS = 16
_SMOOTHED_FRAMES = 6  # energies are of 112 ms, so that an offset of half a step matters little
_LAG_FRAMES = 3
_ROWS = 16  # that a transform takes at once, at most
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
    [words] = fingerprint_all(waveform[None], sample_rate)
    return words


def fingerprint_all(waveforms: np.ndarray, sample_rate: int) -> list[np.ndarray]:
    """The `fingerprint` of each of `waveforms`, float32 [clips, samples], as it is alone."""
    blocks, frames = _blocks(np.asarray(waveforms, np.float32), sample_rate)
    if blocks.shape[1] <= _SMOOTHED_FRAMES + _LAG_FRAMES + 1:
        return [np.empty(0, np.uint16) for _ in frames]
    smoothed = _sums_of_six(_energies(blocks, sample_rate))
    before, after = smoothed[:, :-_LAG_FRAMES], smoothed[:, _LAG_FRAMES:]
    # Whether the level rises more over frequency than it did: of two ratios, without dividing.
    bits = after[..., 1:] * before[..., :-1] > before[..., 1:] * after[..., :-1]
    words = np.packbits(bits, axis=-1).view(">u2")[..., 0].astype(np.uint16)
    totals = after @ _ONES
    found = []
    for own, total, count in zip(words, totals, frames, strict=True):
        own, total = own[:count], total[:count]
        if count:
            own[total <= total.max() * _ACTIVE_SHARE] = _INACTIVE
        found.append(own)
    return found


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
def _analysis(sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Window float32 [2 * step] of frames that are `step` apart, weights float32 [bins, bands]."""
    step = _step(sample_rate)
    window = np.hanning(2 * step + 1)[:-1].astype(np.float32)
    hertz = np.arange(step + 1) * sample_rate / (2 * step)
    edges = np.geomspace(*_BAND_EDGES_HZ, _BANDS + 2)
    slopes = np.maximum(np.diff(edges), hertz[1])  # a narrow band still reaches one bin
    rising = (hertz[:, None] - edges[:-2]) / slopes[:-1]
    falling = (edges[2:] - hertz[:, None]) / slopes[1:]
    weights = np.clip(np.minimum(rising, falling), 0, 1).astype(np.float32)
    return window, np.repeat(weights, 2, axis=0)  # for real and imaginary part


def _step(sample_rate: int) -> int:
    return round(sample_rate * _STEP_MS / 1000)


def _blocks(waveforms: np.ndarray, sample_rate: int) -> tuple[np.ndarray, list[int]]:
    """float32 [clips, blocks, step] at a reduced rate, without padding; each clip's frames in it.

    Zeros follow a clip that has fewer blocks than others. The number of blocks depends on the
    length of `waveforms` only, so that libraries which take rows by eights meet a clip's frames at
    the same places alone and among others.
    """
    factor = max(1, sample_rate // _RATE_HZ)
    step = _step(sample_rate // factor)
    clips, num_samples = waveforms.shape
    frames_of_all = max(0, num_samples // factor // step - 1)
    blocks = np.zeros((clips, -(-frames_of_all // _ROWS) * _ROWS + 1, step), np.float32)
    frames = []
    for waveform, own, (start, end) in zip(
        waveforms, blocks.reshape(clips, -1), _sounding(waveforms, sample_rate), strict=True
    ):
        count = max(0, (end - start) // factor // step - 1)
        end = start + (count + 1) * step * factor
        # A sum of slices: numpy's mean over a short last axis takes ten times as long.
        reduced = own[: (count + 1) * step]
        if count:
            reduced[:] = waveform[start:end:factor]
            for offset in range(1, factor):
                reduced += waveform[start + offset : end : factor]
        frames.append(max(0, count - _SMOOTHED_FRAMES - _LAG_FRAMES + 1))
    return blocks, frames


def _sounding(waveforms: np.ndarray, sample_rate: int) -> Iterator[tuple[int, int]]:
    """Start and end of each clip without all but `_EDGE_MS` of the zeros before and after."""
    clips, num_samples = waveforms.shape
    if not num_samples:
        return itertools.repeat((0, 0), clips)
    edge, sounding = round(sample_rate * _EDGE_MS / 1000), waveforms != 0
    starts = np.maximum(0, sounding.argmax(axis=1) - edge)
    rests = np.maximum(0, sounding[:, ::-1].argmax(axis=1) - edge)
    return zip(starts.tolist(), (num_samples - rests).tolist(), strict=True)


def _energies(blocks: np.ndarray, sample_rate: int) -> np.ndarray:
    """float32 [clips, blocks - 1, bands] of frames of two blocks each."""
    window, weights = _analysis(sample_rate // max(1, sample_rate // _RATE_HZ))
    clips, count, step = blocks.shape
    windows = np.empty((clips, count - 1, 2 * step), np.float32)
    np.multiply(blocks[:, :-1], window[:step], out=windows[..., :step])
    np.multiply(blocks[:, 1:], window[step:], out=windows[..., step:])
    parts = fft.rfft(windows, axis=-1).view(np.float32)
    energies: np.ndarray = np.square(parts, out=parts) @ weights  # a product for each clip
    return energies


def _sums_of_six(energies: np.ndarray) -> np.ndarray:
    """Sums of `_SMOOTHED_FRAMES` rows that follow each other: [clips, rows, bands]."""
    two = energies[:, :-1] + energies[:, 1:]
    four = two[:, :-2] + two[:, 2:]
    return four[:, :-2] + two[:, 4:]
