"""What a test clip sounds like under the conditions that models are also judged under.

Everything that is drawn depends on the clip's id alone: every model hears the very same sounds, on
every machine.
"""

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from components.audio.noises import generate_noises
from schemas.workflow.conditions import NOISE

Waveform = NDArray[np.float32]
_Random = np.random.Generator

ROOM_S = 0.3  # until it is 60 dB quieter
ECHO_DB = -3.0  # of all echoes together, against the direct sound
SHIFT_S = 0.2
QUIET_DB = -30.0
BAND_HZ = (300.0, 3400.0)  # of a telephone, ITU-T G.712
CLIPPED_DB = 12.0  # below the peak
_DECAY = 6.9  # nepers: 60 dB of amplitude
_GENERATED, _SEED = 48, 0x7E57
_SMALLEST_POWER = 1e-12


class Conditions:
    """Changes clips of a `sample_rate`; `noises` float32 [noises, samples] are what is mixed in,
    generated ones where there are no recordings.
    """

    def __init__(self, sample_rate: int, noises: Waveform | None = None) -> None:
        self._sample_rate = sample_rate
        if noises is None:
            noises = generate_noises(_GENERATED, 2 * sample_rate, sample_rate, _SEED)
        self._noises = noises

    def apply(self, name: str, waveform: Waveform, clip_id: str) -> Waveform:
        """The clip, float32 [samples], under the condition `name`: as many samples.

        Raises:
            ValueError: there is no such condition.
        """
        random = np.random.default_rng([zlib.crc32(clip_id.encode()), zlib.crc32(name.encode())])
        if noise := NOISE.fullmatch(name):
            return self._mix(waveform, float(noise[1]), random)
        if name not in _CHANGES:
            raise ValueError(f"no condition {name!r}")
        return _CHANGES[name](waveform, self._sample_rate, random)

    def _mix(self, waveform: Waveform, snr_db: float, random: _Random) -> Waveform:
        """The clip with a stretch of noise; both powers are means over the clip."""
        for _ in range(8):  # until it is no pause of the noise
            row = self._noises[random.integers(len(self._noises))]
            places = (random.integers(len(row)) + np.arange(len(waveform))) % len(row)
            noise = row[places]
            power = float(np.mean(np.square(noise)))
            if power > 0.1 * float(np.mean(np.square(row))):
                break
        speech = float(np.mean(np.square(waveform)))
        level = np.sqrt(speech / max(power, _SMALLEST_POWER)) * 10 ** (-snr_db / 20)
        return waveform + np.float32(level) * noise


def _room(waveform: Waveform, sample_rate: int, random: _Random) -> Waveform:
    taps = round(ROOM_S * sample_rate)
    echo = random.normal(0, 1, taps) * np.exp(-_DECAY * np.arange(taps) / taps)
    echo *= 10 ** (ECHO_DB / 20) / np.sqrt(np.sum(np.square(echo)))
    echo[0] = 1.0
    size = len(waveform) + taps
    spectrum = np.fft.rfft(waveform, size) * np.fft.rfft(echo, size)
    return np.fft.irfft(spectrum, size)[: len(waveform)].astype(np.float32)


def _shift(waveform: Waveform, sample_rate: int, random: _Random) -> Waveform:
    samples = min(round(SHIFT_S * sample_rate), len(waveform))
    moved = np.zeros_like(waveform)
    if random.random() < 0.5:
        moved[samples:] = waveform[: len(waveform) - samples]
    else:
        moved[: len(waveform) - samples] = waveform[samples:]
    return moved


def _quiet(waveform: Waveform, sample_rate: int, random: _Random) -> Waveform:
    return waveform * np.float32(10 ** (QUIET_DB / 20))


def _telephone(waveform: Waveform, sample_rate: int, random: _Random) -> Waveform:
    spectrum = np.fft.rfft(waveform)
    hertz = np.fft.rfftfreq(len(waveform), 1 / sample_rate)
    spectrum[(hertz < BAND_HZ[0]) | (hertz > BAND_HZ[1])] = 0
    return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)


def _clipped(waveform: Waveform, sample_rate: int, random: _Random) -> Waveform:
    highest = np.abs(waveform).max(initial=0.0) * 10 ** (-CLIPPED_DB / 20)
    return np.clip(waveform, -highest, highest).astype(np.float32)


_CHANGES: dict[str, Callable[[Waveform, int, _Random], Waveform]] = {
    "room": _room,
    "shift": _shift,
    "quiet": _quiet,
    "telephone": _telephone,
    "clipped": _clipped,
}
