"""An audio file becomes a mono waveform: decoders by format, soxr resamples.

What a file claims about itself is not believed: only what `formats` recognises is decoded, in
capped blocks whatever length its header states, and decoding stops at `MAX_DURATION_S`. What is
there is compared with what should be. Where the bytes come from, and what becomes of a clip that
fails, is not this file's business. Decoders are C code, which a damaged file may crash:
`components.subprocess_pool` runs them.
"""

import io
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import soxr

from components.audio import flac
from components.audio.channels import choose_channels, mix_down
from components.audio.decoders import Decoder, lay_out, open_decoder
from components.audio.formats import HEAD_BYTES, recognize
from components.audio.layout import AS_IT_IS, Layout
from components.audio.limits import MAX_DURATION_S, MAX_MAGNITUDE, SOURCE_RATES_HZ
from components.audio.wav import open_pcm16
from schemas.errors import ClipError
from schemas.workflow.audio import Audio

ROUNDED_S = 0.025  # what a `duration` asked for may be too long by: it is rounded, often to 0.01 s
_EXACT_HEADERS = ("flac", "mp4", "webm")
_FEWEST_BYTES = 500  # of a second of sound; a header that promises more is not believed
_BLOCK_SAMPLES = 1 << 18  # over all channels: 1 MiB of float32
_HELD_SAMPLES = 1 << 26  # of a long clip, while its channels are compared: 256 MiB


@dataclass(frozen=True)
class Decoded:
    """A mono clip and what its file was.

    `waveform` is float32 [samples] at the rate asked for; full scale is 1, which float files and
    resampling may exceed. `source_format` is the container: wav, wavex, rf64, flac, ogg, mp3, ...
    `heard_channels` of the `source_channels` are in it. `missing` says in words what the file, or
    whoever asked, states and is not there, `missing_s` how much at least; "" and 0 of a whole one.
    """

    waveform: np.ndarray
    source_rate_hz: int
    source_channels: int
    source_format: str
    heard_channels: int = 1
    missing: str = ""
    missing_s: float = 0.0

    def checked(self, audio: Audio) -> "Decoded":
        """Itself, where `audio` takes it.

        Raises ClipError: `truncated` (part of it is missing, and `audio.truncated` is reject).
        """
        if self.missing and audio.truncated == "reject":
            raise ClipError("truncated", self.missing)
        return self


class AudioFile:
    """An open audio file, of which any part can be had; a context manager.

    `source` is its content, or a binary file of which no more is read than is needed.

    Raises ClipError: `unsupported` (no such format or codec, by its first bytes; an absurd rate),
    `unreadable` (the decoder's own words), `truncated` (nothing of it can be decoded, and part of
    it is missing), `empty` (no bytes).
    """

    def __init__(self, source: bytes | BinaryIO) -> None:
        head = source if isinstance(source, bytes) else source.read(HEAD_BYTES)
        if not head:
            raise ClipError("empty", "the file has no bytes")
        if not isinstance(source, bytes):
            self._size = source.seek(0, io.SEEK_END)
            source = head if self._size <= len(head) else source
        else:
            self._size = len(source)
        self._container = recognize(head).container
        self._source = source
        plain = open_pcm16(source) if isinstance(source, bytes) else None
        if plain is not None:
            self._decoder: Decoder = plain
            self._layout = AS_IT_IS
        else:
            self._open(lay_out(head, self._container, self._size))
        if not SOURCE_RATES_HZ[0] <= self._decoder.rate_hz <= SOURCE_RATES_HZ[1]:
            detail = f"a sample rate of {self._decoder.rate_hz} Hz"
            raise ClipError("unsupported", detail, self._decoder.name)
        if self._decoder.channels < 1:
            raise ClipError("unreadable", "no channels", self._decoder.name)

    def _open(self, layout: Layout) -> None:
        if not isinstance(self._source, bytes):
            self._source.seek(0)
        self._layout = layout
        self._decoder = open_decoder(self._source, self._container, layout)

    @property
    def rate_hz(self) -> int:
        """The sample rate of the file."""
        return self._decoder.rate_hz

    @property
    def channels(self) -> int:
        """How many the file has."""
        return self._decoder.channels

    @property
    def duration_s(self) -> float | None:
        """How long it is by its header, in seconds; None where that says nothing, or more than a
        file of its size could hold.
        """
        frames = self._layout.frames or self._decoder.promised
        if frames is None or frames / self.rate_hz > self._size / _FEWEST_BYTES:
            return None
        return frames / self.rate_hz

    def measure_s(self) -> float:
        """How long it is, in seconds, by decoding all of it."""
        _move(self._decoder, 0)
        while len(self._decoder.read(_block_frames(self._decoder))):
            pass
        return self._decoder.at / self.rate_hz

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
        it is None the mean of those with sound in them (`components.audio.channels`).

        A file that ends before `offset_s + duration_s`, or before its own header says, gives what
        there is, and says what is missing.

        Raises ClipError: `unreadable`, `empty` (no samples), `truncated` (none are left),
        `non_finite` (NaN, infinity or beyond `MAX_MAGNITUDE`), `too_long` (more than
        `MAX_DURATION_S`), `bad_row` (an impossible `offset_s` or `duration_s`, a channel that the
        file does not have).
        """
        _check_range(offset_s, duration_s)
        _check_channel(channel, self._decoder)
        try:
            return self._read(sample_rate, offset_s, duration_s, channel)
        except ClipError as error:
            if error.reason != "unreadable" or not self._leave_out_cut_frame():
                raise
        return self._read(sample_rate, offset_s, duration_s, channel)

    def _read(
        self, sample_rate: int, offset_s: float, duration_s: float | None, channel: int | None
    ) -> Decoded:
        decoder = self._decoder
        start = round(offset_s * decoder.rate_hz)
        waveform, channels = np.empty(0, np.float32), [0]
        if start < decoder.frames or not start:
            _move(decoder, start)
            waveform, channels = _read_part(decoder, sample_rate, duration_s, channel)
        missing, missing_frames = self._missing(start, duration_s)
        if not len(waveform):
            raise self._nothing_there(offset_s, sample_rate, missing)
        return Decoded(
            waveform,
            decoder.rate_hz,
            decoder.channels,
            decoder.container,
            len(channels),
            missing,
            missing_frames / decoder.rate_hz,
        )

    def _missing(self, start: int, duration_s: float | None) -> tuple[str, int]:
        """What lacks of the part that was just read, in words and in frames."""
        layout, rate, there = self._layout, self.rate_hz, self._decoder.at
        if duration_s is not None:
            wanted = start + round(duration_s * rate)
            if there >= wanted - max(layout.slack, round(ROUNDED_S * rate)):
                return (layout.missing, 1) if layout.has_holes and layout.missing else ("", 0)
            words = (
                f"{max(0, there - start) / rate:.3f} of the {duration_s:g} s asked for are there"
            )
            return f"{words}; {layout.missing}" if layout.missing else words, wanted - there
        promised = self._promised_frames()
        lacking = 0 if promised is None else promised - there
        if layout.missing and (layout.share == 1 or lacking > layout.slack):
            return layout.missing, max(layout.missing_frames, lacking, 1)
        if lacking > layout.slack:
            return f"{there / rate:.3f} of {(there + lacking) / rate:.3f} s are there", lacking
        return "", 0

    def _promised_frames(self) -> int | None:
        """How many frames there should be, as far as a header is exact about it."""
        if self._layout.frames is not None:
            return self._layout.frames
        if 0 < self._layout.share < 1:
            return math.ceil(self._decoder.frames / self._layout.share)
        return self._decoder.promised if self._container in _EXACT_HEADERS else None

    def _nothing_there(self, offset_s: float, sample_rate: int, missing: str) -> ClipError:
        if self._layout.missing:
            return ClipError("truncated", missing, self._decoder.name)
        if offset_s and self._decoder.at <= round(offset_s * self.rate_hz):
            end_s = self._decoder.frames / self.rate_hz
            detail = f"the offset {offset_s} s is past the end at {end_s:.3f} s"
        else:
            detail = f"no samples of {self.rate_hz} Hz, or too few for one of {sample_rate} Hz"
        return ClipError("empty", detail, self._decoder.name)

    def _leave_out_cut_frame(self) -> bool:
        """Whether the file could be opened again, up to a last frame that is not whole."""
        if self._container != "flac" or not isinstance(self._source, bytes):
            return False
        layout = flac.lay_out(self._source, checks_last=True)
        if not layout.missing or layout == self._layout:
            return False
        self._decoder.close()
        self._open(layout)
        return True

    def stream(self, sample_rate: int, offset_s: float = 0.0) -> Iterator[np.ndarray]:
        """All from `offset_s` on, a few seconds at a time: the samples that one `read` would give.

        However long it is: there is no `MAX_DURATION_S`. Past the end comes nothing. What is
        missing is not said: the caller counts what there is.

        Raises ClipError: `unreadable`, `non_finite`, `bad_row` as `read` does.
        """
        _check_range(offset_s, None)
        decoder = self._decoder
        start = round(offset_s * decoder.rate_hz)
        if start < decoder.frames or not start:
            _move(decoder, start)
            wanted = decoder.frames - start
            channels = [0]
            if decoder.channels > 1:  # compared over all of it, which is then read again
                channels = choose_channels(_blocks(decoder, wanted))
                _move(decoder, start)
            yield from _resampled(decoder, _blocks(decoder, wanted), channels, sample_rate)


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


def _check_range(offset_s: float, duration_s: float | None) -> None:
    if not (math.isfinite(offset_s) and offset_s >= 0):
        raise ClipError("bad_row", f"an offset of {offset_s} s")
    if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
        raise ClipError("bad_row", f"a duration of {duration_s} s")


def _check_channel(channel: int | None, decoder: Decoder) -> None:
    if channel is not None and not 0 <= channel < decoder.channels:
        found = f"{decoder.channels} channels, counted from 0"
        raise ClipError("bad_row", f"no channel {channel}: the file has {found}", decoder.name)


def _read_part(
    decoder: Decoder, sample_rate: int, duration_s: float | None, channel: int | None
) -> tuple[np.ndarray, list[int]]:
    """Float32 [samples] at `sample_rate` of the next `duration_s`, and the channels in it."""
    rate = decoder.rate_hz
    most = round(MAX_DURATION_S * rate)
    wanted = min(decoder.frames - decoder.at, most + 1)
    if duration_s is not None:
        wanted = min(wanted, round(duration_s * rate))
    if wanted <= _block_frames(decoder):
        block = decoder.read(wanted)
        channels = _choose([block], channel)
        return _resample(_mix_down(decoder, block, channels), rate, sample_rate), channels
    return _read_long(decoder, wanted, sample_rate, channel)


def _read_long(
    decoder: Decoder, wanted: int, sample_rate: int, channel: int | None
) -> tuple[np.ndarray, list[int]]:
    """The next `wanted` frames, a block at a time: the same samples as in one piece."""
    start = decoder.at
    blocks = _blocks(decoder, wanted)
    held = []
    if decoder.channels > 1 and channel is None:
        most = max(1, _HELD_SAMPLES // _BLOCK_SAMPLES)
        held = list(itertools.islice(blocks, most))
    channels = _choose(held, channel)
    parts = list(_resampled(decoder, itertools.chain(held, blocks), channels, sample_rate))
    if decoder.at - start > round(MAX_DURATION_S * decoder.rate_hz):
        raise ClipError("too_long", f"more than {MAX_DURATION_S:.0f} s", decoder.name)
    return np.concatenate(parts) if parts else np.empty(0, np.float32), channels


def _choose(blocks: list[np.ndarray], channel: int | None) -> list[int]:
    """The channels to mix: the one asked for, or those with sound in them."""
    if channel is not None:
        return [channel]
    return choose_channels(blocks) if blocks and blocks[0].shape[1] > 1 else [0]


def _blocks(decoder: Decoder, wanted: int) -> Iterator[np.ndarray]:
    """The next `wanted` frames or fewer: float32 [frames, channels] blocks."""
    end = decoder.at + wanted
    while decoder.at < end:
        block = decoder.read(min(end - decoder.at, _block_frames(decoder)))
        if not len(block):
            return
        yield block


def _resampled(
    decoder: Decoder, blocks: Iterable[np.ndarray], channels: list[int], sample_rate: int
) -> Iterator[np.ndarray]:
    """The blocks, mixed down: float32 [samples] each."""
    rate = decoder.rate_hz
    # One resampler object costs 25 us more than `soxr.resample`: only long clips pay for it.
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        mono = _mix_down(decoder, block, channels)
        yield mono if rate == sample_rate else stream.resample_chunk(mono)
    if rate != sample_rate:
        yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def _block_frames(decoder: Decoder) -> int:
    return max(1, _BLOCK_SAMPLES // decoder.channels)


def _resample(mono: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    if rate == sample_rate or not len(mono):
        return mono
    return soxr.resample(mono, rate, sample_rate, quality="HQ")


def _mix_down(decoder: Decoder, block: np.ndarray, channels: list[int]) -> np.ndarray:
    """The mean of the channels, which is finite: float32 [frames]."""
    mono = mix_down(block, channels)
    if len(mono):
        peak = max(float(mono.max()), -float(mono.min()))
        if not peak <= MAX_MAGNITUDE:  # also true of NaN, which max and min hand on
            raise ClipError("non_finite", f"a sample of {peak}", decoder.name)
    return mono
