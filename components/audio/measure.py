"""Side features of a decoded clip: numbers that validation, drift and slices look at.

They describe the recording as it came, before conditioning. Levels are in dB of full scale, a full
scale of 1; nothing here is below `FLOOR_DB`, so that silence is a number too.
"""

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


def measure(
    waveform: np.ndarray, sample_rate: int, frames_db: np.ndarray | None = None
) -> dict[str, float]:
    """The side features of `waveform`, float [samples]; finite for every finite waveform.

    `duration_s`; `rms_db` and `peak_db`; `clipped_fraction`, the share of samples at full scale;
    `dc_offset`, the mean; `snr_db`, the power of the loudest tenth of the frames over that of the
    quietest, which a clip without a pause understates; `speech_fraction`, the share of active
    frames (see `is_active`). An empty waveform is silence of 0 s. `frames_db` are its
    `frame_levels_db`, where they are known already.
    """
    num_samples = len(waveform)
    if num_samples == 0:
        waveform, frames_db = np.zeros(1, np.float32), None
    power = np.square(waveform, dtype=np.float64)
    magnitude = np.abs(waveform)
    if frames_db is None:
        frames_db = frame_levels_db(waveform, sample_rate)
    ranked_db = np.sort(frames_db)
    tenth = len(ranked_db) // 10
    return {
        "duration_s": num_samples / sample_rate,
        "rms_db": float(_power_to_db(_mean(power))),
        "peak_db": float(_power_to_db(np.float64(magnitude.max()) ** 2)),
        "clipped_fraction": np.count_nonzero(magnitude >= CLIPPED_MAGNITUDE) / len(waveform),
        "dc_offset": _mean(waveform),
        "snr_db": float(ranked_db[-1 - tenth] - ranked_db[tenth]),
        "speech_fraction": np.count_nonzero(is_active(frames_db)) / len(frames_db),
    }


def frame_levels_db(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """The level of each 10 ms, the mean taken off: float64 [frames] in dB, at least `FLOOR_DB`.

    Frames do not overlap; the last one may be shorter, so that none of the clip goes unseen.
    """
    step = ms_to_samples(FRAME_MS, sample_rate)
    starts = np.arange(0, len(waveform), step)
    power = np.square(waveform - _mean(waveform), dtype=np.float64)
    frames = np.add.reduceat(power, starts) / step
    frames[-1] *= step / (len(waveform) - starts[-1])
    return _power_to_db(frames)


def is_active(frames_db: np.ndarray) -> np.ndarray:
    """Which frames hold more than background: bool [frames], at least one of them true.

    A frame is active when it is 6 dB above the quietest tenth of them; yet one within 20 dB of the
    loud ones always is (a clip without a pause has no background to compare with), and one 35 dB
    below them never is. Loud is the fifth loudest frame, so that a click does not set it. Where
    nothing is above `FLOOR_DB`, the first frame counts as active.
    """
    ranked_db = np.sort(frames_db)
    loud_db = ranked_db[-min(LOUD_FRAMES, len(ranked_db))]
    threshold_db = ranked_db[len(ranked_db) // 10] + ABOVE_QUIET_DB
    threshold_db = max(threshold_db, loud_db - BELOW_LOUD_DB[1])
    threshold_db = min(threshold_db, loud_db - BELOW_LOUD_DB[0])
    active = frames_db >= max(threshold_db, FLOOR_DB + 1.0)
    if not active.any():
        active[0] = True
    return active


def _mean(values: np.ndarray) -> float:
    """As numpy's, which takes three times as long for short arrays."""
    return float(np.add.reduce(values, dtype=np.float64)) / len(values)


def _power_to_db(power: ArrayLike) -> np.ndarray:
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR_DB / 10.0)))
