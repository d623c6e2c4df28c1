"""What libsndfile lacks: AAC, MP4 (m4a), WebM and some FLAC, decoded by FFmpeg through PyAV.

PyAV comes with the extra `auricle[ffmpeg]`. FFmpeg crashes on some damaged files, and its memory is
its own: it belongs into a process of `components.subprocess_pool`.
"""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from schemas.errors import ClipError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

_DEMUXERS = {"mp4": "mov", "webm": "matroska", "aac": "aac", "flac": "flac", "ogg": "ogg"}
_CODECS = ("aac", "alac", "mp3", "mp3float", "opus", "libopus", "vorbis", "flac")
_ENDLESS = 1 << 62  # headers do not say how many samples there are after trimming
_LEAD_IN_S = 0.2  # decoded and dropped after a seek: codecs need packets before the first good one


class FfmpegDecoder:
    """The first audio stream of a file; a `components.audio.decoders.Decoder`."""

    name = "ffmpeg"

    def __init__(self, source: BinaryIO | bytes, container: str) -> None:
        try:
            import av
        except ImportError:
            detail = f"{container} files need PyAV: pip install 'auricle[ffmpeg]'"
            raise ClipError("unsupported", detail) from None
        self._errors = (av.error.FFmpegError, ValueError)
        self.container = container
        try:
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            file.seek(0)
            self._file = av.open(file, format=_DEMUXERS[container], metadata_errors="replace")
            self._stream = self._audio_stream()
            self._time_base = self._stream.time_base or 1  # every demuxer says it
            context = self._stream.codec_context
            context.thread_count = 1
            self.rate_hz = context.sample_rate or 0
            self.channels = context.channels
        except self._errors as error:
            raise self._clip_error(error) from error
        if not self.rate_hz or not self.channels:
            raise ClipError("unreadable", "no sample rate, or no channels", self.name)
        seconds = self._length_s()
        self.promised = None if seconds is None else round(seconds * self.rate_hz)
        self.frames = _ENDLESS if seconds is None else int((seconds + 1.0) * self.rate_hz)
        self._resample = av.AudioResampler("flt")
        self._blocks = self._decode(0)
        self._rest = np.empty((0, self.channels), np.float32)
        self.at = 0
        # WebM rounds times to milliseconds, ADTS has none; MP4 has them to the sample.
        self.seeks_exactly = container == "mp4"

    def seek(self, frame: int) -> None:
        if frame != self.at:
            self._blocks = self._decode(frame)
            self._rest = self._rest[:0]
            self.at = frame

    def read(self, frames: int) -> np.ndarray:
        parts, missing = [], frames
        while missing > 0:
            if not len(self._rest):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._rest = block
            parts.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(parts[-1])
        self.at += frames - missing
        return np.concatenate(parts) if parts else self._rest[:0]

    def is_empty(self) -> bool:
        """Whether nothing is left to read."""
        if not len(self._rest):
            self._rest = next(self._blocks, self._rest)
        return not len(self._rest)

    def close(self) -> None:
        self._file.close()

    def _audio_stream(self) -> "AudioStream":
        if not self._file.streams.audio:
            raise ClipError("empty", "no audio stream", self.name)
        stream = self._file.streams.audio[0]
        codec = stream.codec_context.name if stream.codec_context else "nothing known"
        if codec not in _CODECS:
            raise ClipError("unsupported", f"{self.container} with the codec {codec}", self.name)
        return stream

    def _length_s(self) -> float | None:
        """What the header claims; None where it claims nothing."""
        seconds = 0.0
        if self._stream.duration is not None:
            seconds = float(self._stream.duration * self._time_base)
        elif self._file.duration is not None:
            seconds = self._file.duration / 1e6
        return seconds if seconds > 0 else None

    def _decode(self, start: int) -> Iterator[np.ndarray]:
        """float32 [frames, channels] blocks from the frame `start` on."""
        try:
            at = self._jump(start)
            for frame in self._file.decode(self._stream):
                if frame.sample_rate != self.rate_hz or frame.layout.nb_channels != self.channels:
                    raise ClipError("unreadable", "its rate or channels change", self.name)
                if at is None:
                    at = round(float(frame.time or 0.0) * self.rate_hz)
                for plain in self._resample.resample(frame):
                    block = plain.to_ndarray().reshape(-1, self.channels)
                    if at + len(block) > start:
                        yield block[max(0, start - at) :]
                    at += len(block)
        except self._errors as error:
            raise self._clip_error(error) from error

    def _jump(self, start: int) -> int | None:
        """Moves to a little before `start`; gives the frame that comes next where it is known."""
        before_s = max(0.0, start / self.rate_hz - _LEAD_IN_S)
        if start or self.at:
            self._file.seek(int(before_s / self._time_base), stream=self._stream)
        return None if before_s else 0

    def _clip_error(self, error: Exception) -> ClipError:
        return ClipError("unreadable", getattr(error, "strerror", None) or str(error), self.name)
