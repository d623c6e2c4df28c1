"""Side features of a decoded clip: numbers that validation, drift and slices look at.

They describe the recording as it came, before conditioning. Levels are in dB of full scale, a full
scale of 1; nothing here is below `FLOOR_DB`, so that silence is a number too. Clips of one length
are measured together, with one call of NumPy for all: each gets what it would get alone, to the
last bit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from components.audio.mel import ms_to_samples
from components.audio.pcm16 import FULL_SCALE

FLOOR_DB = -120.0
FRAME_MS = 10.0
CLIPPED_MAGNITUDE = 32766.5 / FULL_SCALE  # what becomes full scale in 16 bits
LOUD_FRAMES = 5
ABOVE_QUIET_DB = 6.0
BELOW_LOUD_DB = (20.0, 35.0)


@dataclass(frozen=True)
class Levels:
    """Of clips of one length: `frames_db` float64 [clips, frames] is the level of each 10 ms, the
    clip's mean taken off; `active` says which of them `is_active`; `snr_db`, `mean` and `power`,
    the mean square, are float64 [clips].
    """

    frames_db: np.ndarray
    active: np.ndarray
    snr_db: np.ndarray
    mean: np.ndarray
    power: np.ndarray

    def of(self, number: int) -> "Levels":
        """Those of one clip alone."""
        own = slice(number, number + 1)
        return Levels(
            self.frames_db[own], self.active[own], self.snr_db[own], self.mean[own], self.power[own]
        )


def measure(waveform: np.ndarray, sample_rate: int) -> dict[str, float]:
    """The side features of `waveform`, float [samples]; finite for every finite waveform.

    `duration_s`; `rms_db` and `peak_db`; `clipped_fraction`, the share of samples at full scale;
    `dc_offset`, the mean; `snr_db`, the power of the loudest tenth of the frames over that of the
    quietest, which a clip without a pause understates; `speech_fraction`, the share of active
    frames (see `is_active`). An empty waveform is silence of 0 s.
    """
    [features] = measure_all(waveform[None], sample_rate)
    return features


def measure_all(
    waveforms: np.ndarray, sample_rate: int, levels: Levels | None = None
) -> list[dict[str, float]]:
    """What `measure` says of each of `waveforms`, float [clips, samples].

    `levels` are theirs, where they are known already.
    """
    num_samples = waveforms.shape[1]
    if num_samples == 0:
        waveforms, levels = np.zeros((len(waveforms), 1), np.float32), None
    levels = levels or find_levels(waveforms, sample_rate)
    peak = np.maximum(waveforms.max(axis=1), -waveforms.min(axis=1))
    is_clipped = peak >= CLIPPED_MAGNITUDE
    clipped = np.zeros(len(waveforms), int)
    if is_clipped.any():
        magnitude = np.abs(waveforms[is_clipped])
        clipped[is_clipped] = np.count_nonzero(magnitude >= CLIPPED_MAGNITUDE, axis=1)
    columns = {
        "duration_s": np.full(len(waveforms), num_samples / sample_rate),
        "rms_db": _power_to_db(levels.power),
        "peak_db": _power_to_db(np.square(peak, dtype=np.float64)),
        "clipped_fraction": clipped / waveforms.shape[1],
        "dc_offset": levels.mean,
        "snr_db": levels.snr_db,
        "speech_fraction": np.count_nonzero(levels.active, axis=1) / levels.active.shape[1],
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def find_levels(waveforms: np.ndarray, sample_rate: int) -> Levels:
    """The levels of `waveforms`, float [clips, samples], at least one sample long.

    Frames do not overlap; the last one may be shorter, so that none of the clip goes unseen.
    """
    clips, num_samples = waveforms.shape
    step = ms_to_samples(FRAME_MS, sample_rate)
    num_frames = -(-num_samples // step)
    samples = np.empty((clips, num_frames * step))
    samples[:, :num_samples] = waveforms
    samples[:, num_samples:] = 0.0
    # einsum sums each frame by itself; a product with ones, in BLAS, might sum rows by their place.
    frames = samples.reshape(clips, num_frames, step)
    sums = np.einsum("cfs->cf", frames)
    squares = np.einsum("cfs,cfs->cf", frames, frames)
    mean = np.add.reduce(sums, axis=1) / num_samples
    lengths = np.full(num_frames, step)
    lengths[-1] -= num_frames * step - num_samples
    offset = mean[:, None]
    power = (squares - offset * (2.0 * sums - offset * lengths)) / lengths
    frames_db = _power_to_db(power)
    ranked_db = np.sort(frames_db)
    tenth = num_frames // 10
    return Levels(
        frames_db,
        _active(frames_db, ranked_db),
        ranked_db[:, -1 - tenth] - ranked_db[:, tenth],
        mean,
        np.add.reduce(squares, axis=1) / num_samples,
    )


def frame_levels_db(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """The level of each 10 ms, the mean taken off: float64 [frames] in dB, at least `FLOOR_DB`."""
    frames_db: np.ndarray = find_levels(waveform[None], sample_rate).frames_db[0]
    return frames_db


def is_active(frames_db: np.ndarray) -> np.ndarray:
    """Which frames hold more than background: bool [..., frames], at least one of a clip true.

    A frame is active when it is 6 dB above the quietest tenth of them; yet one within 20 dB of the
    loud ones always is (a clip without a pause has no background to compare with), and one 35 dB
    below them never is. Loud is the fifth loudest frame, so that a click does not set it. Where
    nothing is above `FLOOR_DB`, the first frame counts as active.
    """
    return _active(frames_db, np.sort(frames_db))


def _active(frames_db: np.ndarray, ranked_db: np.ndarray) -> np.ndarray:
    num_frames = frames_db.shape[-1]
    loud_db = ranked_db[..., -min(LOUD_FRAMES, num_frames)]
    threshold_db = ranked_db[..., num_frames // 10] + ABOVE_QUIET_DB
    threshold_db = np.maximum(threshold_db, loud_db - BELOW_LOUD_DB[1])
    threshold_db = np.minimum(threshold_db, loud_db - BELOW_LOUD_DB[0])
    active: np.ndarray = frames_db >= np.maximum(threshold_db, FLOOR_DB + 1.0)[..., None]
    active[..., 0] |= ~active.any(axis=-1)
    return active


def _power_to_db(power: ArrayLike) -> np.ndarray:
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR_DB / 10.0)))
