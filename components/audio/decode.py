"""Bytes of an audio file become a mono waveform: libsndfile decodes, soxr resamples.

What a file claims about itself is not believed: only what `formats` recognises is decoded, in
capped blocks whatever length its header states, and decoding stops at `MAX_DURATION_S`. Where the
bytes come from, and what becomes of a clip that fails, is not this file's business.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

from components.audio.formats import recognize
from schemas.errors import ClipError

MAX_DURATION_S = 600.0
SOURCE_RATES_HZ = (1_000, 1_000_000)
MAX_MAGNITUDE = 1e6  # full scale is 1; beyond +120 dBFS it is no audio, and float32 sums overflow
_DECODER = "libsndfile"
_UNIMPLEMENTED = "unimplemented format"  # in libsndfile's own words
_BLOCK_SAMPLES = 1 << 18  # over all channels: 1 MiB of float32


@dataclass(frozen=True)
class Decoded:
    """A mono clip and what its file was.

    `waveform` is float32 [samples] at the rate asked for; full scale is 1, which float files and
    resampling may exceed. `source_format` is the container: wav, wavex, rf64, flac, ogg, mp3, ...
    """

    waveform: np.ndarray
    source_rate_hz: int
    source_channels: int
    source_format: str


class _Bytes(io.BytesIO):
    """A file in memory that ignores a seek to nowhere, as damaged headers ask for."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


class _Reader(soundfile.SoundFile):
    """A SoundFile that reads onwards only.

    soundfile re-seeks after every read of a seekable file. That costs a third of the time of a
    short clip, and fails at the end of a FLAC file whose header does not state its length.
    """

    def seekable(self) -> bool:
        return False


def decode(
    data: bytes, sample_rate: int, offset_s: float = 0.0, duration_s: float | None = None
) -> Decoded:
    """The clip in the file `data`, from `offset_s` on, at `sample_rate` Hz, channels averaged.

    wav, flac, ogg (Vorbis, Opus), mp3, aiff, au and NIST SPHERE of any rate and channel count. A
    file that ends before `offset_s + duration_s` gives what there is.

    Raises ClipError: `unsupported` (no such format or codec, by its first bytes; an absurd rate),
    `unreadable` (libsndfile's own words), `empty` (no samples), `non_finite` (NaN, infinity or
    beyond `MAX_MAGNITUDE`), `too_long` (more than `MAX_DURATION_S`), `bad_row` (an impossible
    `offset_s` or `duration_s`).
    """
    _check_range(offset_s, duration_s)
    if not data:
        raise ClipError("empty", "the file has no bytes")
    recognize(data)
    try:
        with _Reader(_Bytes(data)) as file:
            rate = file.samplerate
            if not SOURCE_RATES_HZ[0] <= rate <= SOURCE_RATES_HZ[1]:
                raise ClipError("unsupported", f"a sample rate of {rate} Hz", _DECODER)
            start = _seek(file, offset_s)
            waveform = _read(file, file.frames - start, sample_rate, duration_s)
            return Decoded(waveform, rate, file.channels, file.format.lower())
    except soundfile.LibsndfileError as error:
        reason = "unsupported" if _UNIMPLEMENTED in error.error_string else "unreadable"
        raise ClipError(reason, error.error_string, _DECODER) from error


def _check_range(offset_s: float, duration_s: float | None) -> None:
    if not (math.isfinite(offset_s) and offset_s >= 0):
        raise ClipError("bad_row", f"an offset of {offset_s} s")
    if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
        raise ClipError("bad_row", f"a duration of {duration_s} s")


def _seek(file: soundfile.SoundFile, offset_s: float) -> int:
    """The frame at `offset_s`, where `file` now stands."""
    start = round(offset_s * file.samplerate)
    if start == 0:
        return 0
    if start >= file.frames:
        length_s = file.frames / file.samplerate
        raise ClipError("empty", f"the offset {offset_s} s is past the end at {length_s:.3f} s")
    file.seek(start)
    return start


def _read(
    file: soundfile.SoundFile, claimed: int, sample_rate: int, duration_s: float | None
) -> np.ndarray:
    """Float32 [samples] at `sample_rate` of the next `duration_s` of `file`.

    `claimed` is how many frames follow by its header: libsndfile gives no more, it may give less.
    """
    rate = file.samplerate
    most = round(MAX_DURATION_S * rate)
    wanted = min(claimed, most + 1)
    if duration_s is not None:
        wanted = min(wanted, round(duration_s * rate))
    capacity = max(1, _BLOCK_SAMPLES // file.channels)
    if wanted <= capacity:
        mono = _read_mono(file, wanted)
        waveform = _resample(mono, rate, sample_rate)
    else:
        waveform = _read_long(file, wanted, capacity, sample_rate)
    if not len(waveform):
        detail = f"no samples of {rate} Hz, or too few for one of {sample_rate} Hz"
        raise ClipError("empty", detail, _DECODER)
    return waveform


def _read_long(
    file: soundfile.SoundFile, wanted: int, capacity: int, sample_rate: int
) -> np.ndarray:
    """`wanted` frames read `capacity` at a time: the same samples as in one piece."""
    rate, most = file.samplerate, round(MAX_DURATION_S * file.samplerate)
    # One resampler object costs 25 us more than `soxr.resample`: only long clips pay for it.
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    parts, frames = [], 0
    while frames < wanted:
        mono = _read_mono(file, min(wanted - frames, capacity))
        if not len(mono):
            break
        frames += len(mono)
        parts.append(mono if rate == sample_rate else stream.resample_chunk(mono))
    if frames > most:
        raise ClipError("too_long", f"more than {MAX_DURATION_S:.0f} s", _DECODER)
    if rate != sample_rate:
        parts.append(stream.resample_chunk(np.empty(0, np.float32), last=True))
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _resample(mono: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    if rate == sample_rate or not len(mono):
        return mono
    return soxr.resample(mono, rate, sample_rate, quality="HQ")


def _read_mono(file: soundfile.SoundFile, frames: int) -> np.ndarray:
    """The next `frames` or fewer, the mean of the channels: float32 [frames]."""
    mono = _mix_down(file.read(frames, dtype="float32", always_2d=True))
    if len(mono):
        peak = max(float(mono.max()), -float(mono.min()))
        if not peak <= MAX_MAGNITUDE:  # also true of NaN, which max and min hand on
            raise ClipError("non_finite", f"a sample of {peak}", _DECODER)
    return mono


def _mix_down(block: np.ndarray) -> np.ndarray:
    """The mean over the channels of float32 [frames, channels], as float32 [frames]."""
    if block.shape[1] == 1:
        return block[:, 0]
    # A sum of columns: numpy's mean over a short last axis takes ten times as long.
    mono = block[:, 0].copy()
    for channel in range(1, block.shape[1]):
        mono += block[:, channel]
    mono /= block.shape[1]
    return mono
