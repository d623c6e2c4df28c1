"""Raw audio to ask a model with, made of stored clips: the recordings themselves may be gone.

A stored clip is conditioned already, so by itself it cannot show whether a model conditions. Here
it is played as the field would: softly, overdriven, late, with an offset, in noise. What ingest
makes of that is told beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.audio.condition import condition
from components.audio.pcm16 import from_pcm16, to_pcm16
from schemas.errors import ClipError
from schemas.workflow.audio import Audio

_Waveform = NDArray[np.float32]

_SOFT, _OVERDRIVEN = 0.1, 8.0
_BEFORE_S, _AFTER_S = 0.4, 0.25
_OFFSET = 0.05
_HISS = 0.002  # what a silent room is
_SIGNAL_TO_NOISE = 3.0  # amplitudes: 10 dB


@dataclass(frozen=True)
class RawClip:
    """A clip that is not conditioned, float32 [samples] of 16 bits, and what ingest makes of it:
    16-bit PCM, or empty with the `error` that it is rejected for.
    """

    waveform: _Waveform
    conditioned: bytes
    error: str


def make_raw(pcm: bytes, number: int, audio: Audio, longest_s: float | None) -> RawClip:
    """The stored clip `pcm` as the `number`th kind of raw audio; the same for the same arguments.

    With `longest_s` clips keep their length, as in `components.audio.condition`.
    """
    rng = np.random.default_rng(number)
    change = _CHANGES[number % len(_CHANGES)]
    waveform = from_pcm16(to_pcm16(change(from_pcm16(pcm), audio.sample_rate, rng)))
    try:
        conditioned = to_pcm16(condition(waveform, audio, longest_s=longest_s))
    except ClipError as error:
        return RawClip(waveform, b"", error.reason)
    return RawClip(waveform, conditioned, "")


def _late(waveform: _Waveform, sample_rate: int, rng: np.random.Generator) -> _Waveform:
    around = round(_BEFORE_S * sample_rate), round(_AFTER_S * sample_rate)
    padded = np.pad(waveform, around)
    return padded + rng.normal(0, _HISS, len(padded)).astype(np.float32)


def _noisy(waveform: _Waveform, sample_rate: int, rng: np.random.Generator) -> _Waveform:
    level = float(np.sqrt(np.mean(np.square(waveform)))) / _SIGNAL_TO_NOISE
    return waveform + rng.normal(0, level, len(waveform)).astype(np.float32)


_CHANGES: tuple[Callable[[_Waveform, int, np.random.Generator], _Waveform], ...] = (
    lambda waveform, *_: waveform * np.float32(_SOFT),
    lambda waveform, *_: waveform * np.float32(_OVERDRIVEN),
    _late,
    lambda waveform, *_: waveform + np.float32(_OFFSET),
    _noisy,
)
