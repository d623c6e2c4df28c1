"""libsndfile, through soundfile: wav, flac, ogg (Vorbis, Opus), mp3, aiff, au and NIST SPHERE."""

import io
from typing import BinaryIO

import numpy as np
import soundfile

from schemas.errors import ClipError

_UNIMPLEMENTED = "unimplemented format"  # in libsndfile's own words
_UNKNOWN_FRAMES = 1 << 60  # and above, for a file that does not say how long it is
# libsndfile 1.2.2 misses by thousands of frames in MP3, and at times by 128 in Vorbis.
_INEXACT = ("mp3", "mpeg", "ogg")


class SndfileDecoder:
    """A `components.audio.decoders.Decoder`."""

    name = "libsndfile"

    def __init__(self, source: BinaryIO | bytes) -> None:
        self._source = source
        self._open()
        self.container = self._file.format.lower()
        self.rate_hz = self._file.samplerate
        self.channels = self._file.channels
        self.frames = self._file.frames
        self.promised = self.frames if self.frames < _UNKNOWN_FRAMES else None
        self.at = 0
        self._can_seek = soundfile.SoundFile.seekable(self._file)
        self.seeks_exactly = self._can_seek and self.container not in _INEXACT

    def _open(self) -> None:
        is_held = isinstance(self._source, bytes)
        file = _Bytes(self._source) if is_held else self._source  # type: ignore[arg-type]
        try:
            self._file = _OnwardsFile(file)
        except soundfile.LibsndfileError as error:
            raise self._clip_error(error) from error

    def seek(self, frame: int) -> None:
        if frame == self.at:
            return
        if not self._can_seek:  # a codec of which each sample depends on all before: back to 0
            if not isinstance(self._source, bytes):
                self._source.seek(0)
            self._open()
            self.at = 0
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
