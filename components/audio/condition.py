"""A decoded waveform becomes what is stored: denoise, trim, normalize, fixed length, 16 bits.

Each step is a function of its own and can be left out; their order is fixed, because each works
better after the one before: silence is found after noise is gone, and the level is that of what is
kept. How clips are stored, and what they mean, is not known here.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from components.audio.measure import FRAME_MS, Levels, find_levels, frame_levels_db, is_active
from components.audio.mel import ms_to_samples
from schemas.errors import ClipError
from schemas.workflow.audio import Audio

SILENT_PEAK_DB = -70.0
SILENT_PEAK = 10.0 ** (SILENT_PEAK_DB / 20.0)
TARGET_RMS_DB = -23.0
TARGET_PEAK_DB = -1.0
HANGOVER_MS = 80.0  # kept around what is loud: soft onsets, releases of plosives, fricatives

DENOISE_FRAME_MS = 32.0
DENOISE_SEGMENT_S = 30.0
NOISE_QUANTILE = 0.15
NOISE_MARGIN = 2.0  # times the noise's power is taken off; best of 2, 4, 8 on speech in noise
LOWEST_GAIN = 10.0 ** (-18.0 / 20.0)
FEWEST_FRAMES = 12  # of fewer, a quantile says nothing


def condition(
    waveform: np.ndarray,
    audio: Audio,
    levels: Levels | None = None,
    longest_s: float | None = None,
) -> np.ndarray:
    """`waveform` after all that `audio` asks for: float32 [round(clip_s * sample_rate)].

    With `longest_s`, `clip_s` says nothing: the clip stays as long as it is, and one that is still
    longer than that after trimming is refused, since a target may speak of any part of it.

    `waveform` is float [samples] at `audio.sample_rate`; `levels` are its `measure.find_levels`,
    where they are known already.

    Raises ClipError: `empty` (no samples), `non_finite` (NaN or infinity), `silent` (nothing
    within `SILENT_PEAK_DB` of full scale, a constant offset aside), `too_short`, `too_long`.
    """
    [fault] = find_faults(waveform[None], audio)
    if fault is not None:
        raise fault
    if longest_s is None:
        conditioned: np.ndarray = condition_all(waveform[None], audio, levels)[0]
        return conditioned
    [kept] = _kept_parts(waveform[None], audio, levels)
    if len(kept) > longest_s * audio.sample_rate:
        length_s = len(kept) / audio.sample_rate
        raise ClipError("too_long", f"{length_s:.3f} s, more than {longest_s:g} s")
    return normalize(kept, audio.normalize)


def condition_all(waveforms: np.ndarray, audio: Audio, levels: Levels | None = None) -> np.ndarray:
    """Each of `waveforms` as `condition` gives it alone: float32 [clips, samples of `clip_s`].

    `waveforms` are float [clips, samples] in which `find_faults` found none; `levels` are theirs,
    where they are known already.
    """
    conditioned = np.zeros((len(waveforms), round(audio.clip_s * audio.sample_rate)), np.float32)
    for kept, fitted in zip(_kept_parts(waveforms, audio, levels), conditioned, strict=True):
        gain = _gain(kept, audio.normalize)
        if len(kept) > len(fitted):
            fitted[:] = fit_length(kept * gain, len(fitted))
        else:
            start = (len(fitted) - len(kept)) // 2
            np.multiply(kept, gain, out=fitted[start : start + len(kept)])
    return conditioned


def find_faults(waveforms: np.ndarray, audio: Audio) -> list[ClipError | None]:
    """Why `condition` refuses each of `waveforms`, float [clips, samples]; None of one it takes.

    `too_long` is not looked for: it is told after trimming.
    """
    clips, num_samples = waveforms.shape
    if not num_samples:
        return [ClipError("empty", "no samples")] * clips
    highest, lowest = waveforms.max(axis=1), waveforms.min(axis=1)
    is_short = num_samples < audio.min_s * audio.sample_rate
    with np.errstate(invalid="ignore", over="ignore"):
        middle = (highest - lowest) / 2
    if not is_short and (np.isfinite(middle) & (middle >= SILENT_PEAK)).all():
        return [None] * clips
    short = ClipError(
        "too_short", f"{num_samples / audio.sample_rate:.3f} s, less than {audio.min_s:g} s"
    )
    return [
        _fault(*extremes) or (short if is_short else None)
        for extremes in zip(highest.tolist(), lowest.tolist(), strict=True)
    ]


def _fault(highest: float, lowest: float) -> ClipError | None:
    if not np.isfinite(highest - lowest):
        return ClipError("non_finite", f"samples from {lowest} to {highest}")
    if (highest - lowest) / 2 < SILENT_PEAK:
        return ClipError("silent", f"nothing above {SILENT_PEAK_DB:.0f} dBFS")
    return None


def _kept_parts(waveforms: np.ndarray, audio: Audio, levels: Levels | None) -> Iterator[np.ndarray]:
    """What is left of each of `waveforms` after denoising and trimming: float32 [samples]."""
    waveforms = np.asarray(waveforms, np.float32)
    if audio.denoise:
        waveforms = np.stack([denoise(waveform, audio.sample_rate) for waveform in waveforms])
        levels = None
    if not audio.trim:
        return iter(waveforms)
    levels = levels or find_levels(waveforms, audio.sample_rate)
    spans = _spans(levels.active, audio.sample_rate)
    return (waveform[start:end] for waveform, (start, end) in zip(waveforms, spans, strict=True))


def denoise(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """`waveform` with its steady noise lowered by up to 18 dB, same length: float32 [samples].

    Spectral gating: the noise of a frequency is a low quantile of its magnitudes over time, a gain
    falls where a bin is not well above it, and the gains are smoothed over time and frequency
    against musical noise (as in Sainburg's noisereduce; here the quantile is scaled to the mean of
    Rayleigh-distributed magnitudes, and the gain is a power subtraction). Long clips are done in
    segments, each with its own noise. Clips under a dozen frames come back as they are.
    """
    waveform = np.asarray(waveform, np.float32)
    segments = max(1, round(len(waveform) / (DENOISE_SEGMENT_S * sample_rate)))
    half_frame = ms_to_samples(DENOISE_FRAME_MS / 2, sample_rate)
    parts = [_gate(part, half_frame) for part in np.array_split(waveform, segments)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _gate(waveform: np.ndarray, step: int) -> np.ndarray:
    """Spectral gating with frames of `2 * step` samples, `step` apart: float32 [samples]."""
    num_frames = -(-len(waveform) // step) + 1
    if num_frames < FEWEST_FRAMES:
        return waveform
    # The sine window is the root of a Hann window: applied twice, halves overlapping, it sums to 1.
    window = np.sin(np.pi * (np.arange(2 * step) + 0.5) / (2 * step)).astype(np.float32)
    padded = np.pad(waveform, (step, num_frames * step - len(waveform)), mode="reflect")
    halves = padded.reshape(num_frames + 1, step)
    frames = np.concatenate((halves[:-1], halves[1:]), axis=1)
    spectrum = np.fft.rfft(frames * window)
    spectrum *= _gains(np.square(np.abs(spectrum)))
    frames = np.fft.irfft(spectrum, 2 * step) * window
    return (frames[:-1, step:] + frames[1:, :step]).ravel()[: len(waveform)].astype(np.float32)


def _gains(power: np.ndarray) -> np.ndarray:
    """What to multiply bins of `power` [frames, bins] with: float64 [frames, bins], up to 1."""
    noise = np.quantile(power, NOISE_QUANTILE, axis=0) / -np.log(1.0 - NOISE_QUANTILE)
    excess = 1.0 - NOISE_MARGIN * noise / np.maximum(power, np.finfo(np.float32).tiny)
    gains = np.sqrt(np.clip(excess, LOWEST_GAIN**2, 1.0))
    return _smooth(_smooth(gains).T).T


def _smooth(gains: np.ndarray) -> np.ndarray:
    """The mean of three rows, the outermost repeated: the shape of `gains`."""
    smooth = gains.copy()
    smooth[1:] += gains[:-1]
    smooth[0] += gains[0]
    smooth[:-1] += gains[1:]
    smooth[-1] += gains[-1]
    return smooth / 3.0


def trim(waveform: np.ndarray, sample_rate: int, frames_db: np.ndarray | None = None) -> np.ndarray:
    """`waveform` without the silence before and after, `HANGOVER_MS` of it kept: [samples].

    Silence is what `measure.is_active` calls background; where noise is within 20 dB of the speech
    nothing is cut. At least one frame is always left. `frames_db` are its `frame_levels_db`, where
    they are known already.
    """
    if frames_db is None:
        frames_db = frame_levels_db(waveform, sample_rate)
    [(start, end)] = _spans(is_active(frames_db)[None], sample_rate)
    return waveform[start:end]


def _spans(active: np.ndarray, sample_rate: int) -> Iterable[tuple[int, int]]:
    """The samples from the first to the last active frame, and the hangover, of each clip."""
    step, hangover = ms_to_samples(FRAME_MS, sample_rate), ms_to_samples(HANGOVER_MS, sample_rate)
    starts = np.maximum(0, active.argmax(axis=1) * step - hangover)
    ends = (active.shape[1] - active[:, ::-1].argmax(axis=1)) * step + hangover
    return zip(starts.tolist(), ends.tolist(), strict=True)


def normalize(waveform: np.ndarray, level: Literal["rms", "peak", "none"]) -> np.ndarray:
    """`waveform` at the level asked for: float32 [samples]; silence stays silence.

    `rms`: at `TARGET_RMS_DB`, or below it where the peak would pass `TARGET_PEAK_DB`. `peak`: at
    `TARGET_PEAK_DB`. `none`: as it is.
    """
    waveform = np.asarray(waveform, np.float32)
    return waveform * _gain(waveform, level)


def _gain(waveform: np.ndarray, level: Literal["rms", "peak", "none"]) -> np.float32:
    if level == "none" or not len(waveform):
        return np.float32(1.0)
    peak = max(float(waveform.max()), -float(waveform.min()))
    if peak == 0.0:
        return np.float32(1.0)
    gain = 10.0 ** (TARGET_PEAK_DB / 20.0) / peak
    if level == "rms":
        samples = waveform.astype(np.float64)
        rms = math.sqrt(float(np.einsum("s,s->", samples, samples)) / len(samples))
        gain = min(gain, 10.0 ** (TARGET_RMS_DB / 20.0) / rms)
    return np.float32(gain)


def fit_length(waveform: np.ndarray, num_samples: int) -> np.ndarray:
    """`waveform` in exactly `num_samples`: float32.

    A shorter one gets zeros on both sides, an odd one more after; of a longer one the window with
    the most energy is kept, the first of equals.
    """
    waveform = np.asarray(waveform, np.float32)
    missing = num_samples - len(waveform)
    if missing >= 0:
        fitted = np.zeros(num_samples, np.float32)
        fitted[missing // 2 : missing // 2 + len(waveform)] = waveform
        return fitted
    energy = np.cumsum(np.square(waveform, dtype=np.float64))
    windows = energy[num_samples - 1 :].copy()
    windows[1:] -= energy[:-num_samples]
    start = int(windows.argmax())
    return waveform[start : start + num_samples]
