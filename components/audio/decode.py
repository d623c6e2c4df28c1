"""An audio file becomes a mono waveform: decoders by format, soxr resamples.

What a file claims about itself is not believed: only what `formats` recognises is decoded, in
capped blocks whatever length its header states, and decoding stops at `MAX_DURATION_S`. Where the
bytes come from, and what becomes of a clip that fails, is not this file's business. Decoders are C
code, which a damaged file may crash: `components.subprocess_pool` runs them.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np
import soundfile
import soxr

from components.audio.formats import HEAD_BYTES, recognize
from components.audio.limits import MAX_DURATION_S, MAX_MAGNITUDE, SOURCE_RATES_HZ
from components.audio.wav import open_pcm16
from schemas.errors import ClipError

_FFMPEG_CONTAINERS = ("mp4", "webm", "aac")  # all others are libsndfile's
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


class Decoder(Protocol):
    """A file opened by one library; what it raises is a ClipError."""

    name: str
    container: str
    rate_hz: int
    channels: int
    frames: int  # by the header: never fewer than there are, maybe more
    at: int  # the frame that is read next
    seeks_exactly: bool  # or else only back to frame 0

    def seek(self, frame: int) -> None:
        """The frame that is read next."""

    def read(self, frames: int) -> np.ndarray:
        """The next `frames` or, at the end, fewer: float32 [frames, channels]."""

    def close(self) -> None:
        """Lets go of the file."""


class AudioFile:
    """An open audio file, of which any part can be had; a context manager.

    `source` is its content, or a binary file of which no more is read than is needed.

    Raises ClipError: `unsupported` (no such format or codec, by its first bytes; an absurd rate),
    `unreadable` (the decoder's own words), `empty` (no bytes).
    """

    def __init__(self, source: bytes | BinaryIO) -> None:
        file = _Bytes(source) if isinstance(source, bytes) else source
        head = source if isinstance(source, bytes) else file.read(HEAD_BYTES)
        if not head:
            raise ClipError("empty", "the file has no bytes")
        container = recognize(head).container
        file.seek(0)
        plain = open_pcm16(source) if isinstance(source, bytes) else None
        self._decoder = plain or _open_decoder(file, container)
        if not SOURCE_RATES_HZ[0] <= self._decoder.rate_hz <= SOURCE_RATES_HZ[1]:
            detail = f"a sample rate of {self._decoder.rate_hz} Hz"
            raise ClipError("unsupported", detail, self._decoder.name)
        if self._decoder.channels < 1:
            raise ClipError("unreadable", "no channels", self._decoder.name)

    @property
    def rate_hz(self) -> int:
        """The sample rate of the file."""
        return self._decoder.rate_hz

    @property
    def channels(self) -> int:
        """How many the file has."""
        return self._decoder.channels

    @property
    def duration_s(self) -> float:
        """What the header claims, in seconds."""
        return self._decoder.frames / self._decoder.rate_hz

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._decoder.close()

    def read(
        self,
        sample_rate: int,
        offset_s: float = 0.0,
        duration_s: float | None = None,
        channel: int | None = None,
    ) -> Decoded:
        """The part from `offset_s` on, at `sample_rate` Hz: one `channel`, counted from 0, or where
        it is None the mean of all.

        A file that ends before `offset_s + duration_s` gives what there is.

        Raises ClipError: `unreadable`, `empty` (no samples), `non_finite` (NaN, infinity or beyond
        `MAX_MAGNITUDE`), `too_long` (more than `MAX_DURATION_S`), `bad_row` (an impossible
        `offset_s` or `duration_s`, a channel that the file does not have).
        """
        _check_range(offset_s, duration_s)
        decoder = self._decoder if channel is None else _OneChannel(self._decoder, channel)
        start = round(offset_s * decoder.rate_hz)
        if start and start >= decoder.frames:
            detail = f"the offset {offset_s} s is past the end at {self.duration_s:.3f} s"
            raise ClipError("empty", detail, decoder.name)
        _move(decoder, start)
        waveform = _read(decoder, decoder.frames - start, sample_rate, duration_s)
        return Decoded(waveform, decoder.rate_hz, self._decoder.channels, decoder.container)

    def stream(self, sample_rate: int, offset_s: float = 0.0) -> Iterator[np.ndarray]:
        """All from `offset_s` on, a few seconds at a time: the samples that one `read` would give.

        However long it is: there is no `MAX_DURATION_S`. Past the end comes nothing.

        Raises ClipError: `unreadable`, `non_finite`, `bad_row` as `read` does.
        """
        _check_range(offset_s, None)
        decoder = self._decoder
        start = round(offset_s * decoder.rate_hz)
        if start < decoder.frames or not start:
            _move(decoder, start)
            yield from _resampled_blocks(decoder, decoder.frames - start, sample_rate)


def decode(
    data: bytes,
    sample_rate: int,
    offset_s: float = 0.0,
    duration_s: float | None = None,
    channel: int | None = None,
) -> Decoded:
    """A part of the file with the content `data`, as `AudioFile` and its `read` give it."""
    _check_range(offset_s, duration_s)
    with AudioFile(data) as file:
        return file.read(sample_rate, offset_s, duration_s, channel)


def _move(decoder: Decoder, frame: int) -> None:
    """Where a seek may miss, frames are decoded and dropped."""
    if decoder.seeks_exactly or frame < decoder.at:
        decoder.seek(frame if decoder.seeks_exactly else 0)
    most = _block_frames(decoder)
    while decoder.at < frame and len(decoder.read(min(most, frame - decoder.at))):
        pass


def _open_decoder(file: BinaryIO, container: str) -> Decoder:
    if container in _FFMPEG_CONTAINERS:
        from components.audio.ffmpeg import FfmpegDecoder

        return FfmpegDecoder(file, container)
    return _SndfileDecoder(file)


class _Bytes(io.BytesIO):
    """A file in memory that ignores a seek to nowhere, as damaged headers ask for."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


class _OnwardsFile(soundfile.SoundFile):
    """A SoundFile that does not seek by itself.

    soundfile re-seeks after every read of a seekable file. That costs a third of the time of a
    short clip, and fails at the end of a FLAC file whose header does not state its length.
    """

    def seekable(self) -> bool:
        return False


class _SndfileDecoder:
    """libsndfile: all kinds of wav, flac, ogg (Vorbis, Opus), mp3, aiff, au and NIST SPHERE."""

    name = "libsndfile"

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._file = _OnwardsFile(file)
        except soundfile.LibsndfileError as error:
            raise self._clip_error(error) from error
        self.container = self._file.format.lower()
        self.rate_hz = self._file.samplerate
        self.channels = self._file.channels
        self.frames = self._file.frames
        self.at = 0
        # libsndfile 1.2.2 misses by thousands of frames in MP3, and at times by 128 in Vorbis.
        self.seeks_exactly = self.container not in ("mp3", "mpeg", "ogg")

    def seek(self, frame: int) -> None:
        if frame == self.at:
            return
        try:
            self.at = self._file.seek(frame)
        except soundfile.LibsndfileError as error:
            raise self._clip_error(error) from error

    def read(self, frames: int) -> np.ndarray:
        try:
            block: np.ndarray = self._file.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise self._clip_error(error) from error
        self.at += len(block)
        return block

    def close(self) -> None:
        self._file.close()

    def _clip_error(self, error: soundfile.LibsndfileError) -> ClipError:
        reason = "unsupported" if _UNIMPLEMENTED in error.error_string else "unreadable"
        return ClipError(reason, error.error_string, self.name)


class _OneChannel:
    """A decoder that gives one channel of what another reads; `channels` are those of the file, by
    which blocks are sized.
    """

    def __init__(self, decoder: Decoder, channel: int) -> None:
        if not 0 <= channel < decoder.channels:
            found = f"{decoder.channels} channels, counted from 0"
            raise ClipError("bad_row", f"no channel {channel}: the file has {found}", decoder.name)
        self._decoder, self._channel = decoder, channel
        self.channels = decoder.channels
        self.name, self.container, self.rate_hz = decoder.name, decoder.container, decoder.rate_hz
        self.frames, self.at = decoder.frames, decoder.at
        self.seeks_exactly = decoder.seeks_exactly

    def seek(self, frame: int) -> None:
        self._decoder.seek(frame)
        self.at = self._decoder.at

    def read(self, frames: int) -> np.ndarray:
        block = self._decoder.read(frames)[:, self._channel : self._channel + 1]
        self.at = self._decoder.at
        return block

    def close(self) -> None:
        self._decoder.close()


def _check_range(offset_s: float, duration_s: float | None) -> None:
    if not (math.isfinite(offset_s) and offset_s >= 0):
        raise ClipError("bad_row", f"an offset of {offset_s} s")
    if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
        raise ClipError("bad_row", f"a duration of {duration_s} s")


def _read(decoder: Decoder, claimed: int, sample_rate: int, duration_s: float | None) -> np.ndarray:
    """Float32 [samples] at `sample_rate` of the next `duration_s` of `decoder`.

    `claimed` is how many frames follow by its header: there are no more, there may be fewer.
    """
    rate = decoder.rate_hz
    most = round(MAX_DURATION_S * rate)
    wanted = min(claimed, most + 1)
    if duration_s is not None:
        wanted = min(wanted, round(duration_s * rate))
    if wanted <= _block_frames(decoder):
        mono = _read_mono(decoder, wanted)
        waveform = _resample(mono, rate, sample_rate)
    else:
        waveform = _read_long(decoder, wanted, sample_rate)
    if not len(waveform):
        detail = f"no samples of {rate} Hz, or too few for one of {sample_rate} Hz"
        raise ClipError("empty", detail, decoder.name)
    return waveform


def _read_long(decoder: Decoder, wanted: int, sample_rate: int) -> np.ndarray:
    """The next `wanted` frames, a block at a time: the same samples as in one piece."""
    start = decoder.at
    parts = list(_resampled_blocks(decoder, wanted, sample_rate))
    if decoder.at - start > round(MAX_DURATION_S * decoder.rate_hz):
        raise ClipError("too_long", f"more than {MAX_DURATION_S:.0f} s", decoder.name)
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _resampled_blocks(decoder: Decoder, wanted: int, sample_rate: int) -> Iterator[np.ndarray]:
    """The next `wanted` frames or fewer, mixed down, in blocks: float32 [samples] each."""
    rate, frames = decoder.rate_hz, 0
    # One resampler object costs 25 us more than `soxr.resample`: only long clips pay for it.
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    while frames < wanted:
        mono = _read_mono(decoder, min(wanted - frames, _block_frames(decoder)))
        if not len(mono):
            break
        frames += len(mono)
        yield mono if rate == sample_rate else stream.resample_chunk(mono)
    if rate != sample_rate:
        yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def _block_frames(decoder: Decoder) -> int:
    return max(1, _BLOCK_SAMPLES // decoder.channels)


def _resample(mono: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    if rate == sample_rate or not len(mono):
        return mono
    return soxr.resample(mono, rate, sample_rate, quality="HQ")


def _read_mono(decoder: Decoder, frames: int) -> np.ndarray:
    """The next `frames` or fewer, the mean of the channels: float32 [frames]."""
    mono = _mix_down(decoder.read(frames))
    if len(mono):
        peak = max(float(mono.max()), -float(mono.min()))
        if not peak <= MAX_MAGNITUDE:  # also true of NaN, which max and min hand on
            raise ClipError("non_finite", f"a sample of {peak}", decoder.name)
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
