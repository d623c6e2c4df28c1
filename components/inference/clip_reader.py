"""One row of the list becomes a decoded clip, in a child process, or the reason why not."""

from dataclasses import dataclass
from typing import BinaryIO

from components.audio.condition import condition
from components.audio.decode import AudioFile
from components.inference.rows import ClipRow
from components.storage.location import Location, location_of
from schemas.errors import AuricleError, ClipError
from schemas.workflow.audio import Audio

_MOST_IN_MEMORY = 64 << 20
MOST_BYTES = 1 << 30  # of a file that is one clip


class ClipReader:
    """Decodes rows; keeps the last file open, since pieces of a long recording follow each other.

    With `conditioned` a clip is what ingest would make of it; with `longest_s` it keeps its length.
    """

    def __init__(self, audio: Audio, conditioned: bool, longest_s: float | None) -> None:
        self._audio = audio
        self._conditioned = conditioned
        self._longest_s = longest_s
        self._opened: _Opened | None = None

    def __call__(self, row: ClipRow) -> bytes | ClipError:
        """Float32 [samples] at the model's rate, as bytes.

        Raises:
            AuricleError: the file is not the one that was listed, or its store does not answer.
        """
        try:
            return self._read(row)
        except ClipError as error:
            return error

    def _read(self, row: ClipRow) -> bytes:
        if self._opened is None or self._opened.path != row["path"]:
            self._close()
            self._opened = _Opened.of(row)
        try:
            part = row["offset_s"] or 0.0, row["duration_s"], row["channel"]
            decoded = self._opened.audio().read(self._audio.sample_rate, *part)
        except BaseException:
            self._close()  # where the decoder stands now is anybody's guess
            raise
        waveform = decoded.checked(self._audio).waveform
        if self._conditioned:
            waveform = condition(waveform, self._audio, longest_s=self._longest_s)
        return waveform.astype("float32", copy=False).tobytes()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@dataclass
class _Opened:
    """A file that is read: its content, or where it is large the open file."""

    path: str
    content: bytes
    file: BinaryIO | None
    _audio: AudioFile | None = None

    @classmethod
    def of(cls, row: ClipRow) -> "_Opened":
        """The file of a row.

        Raises:
            ClipError: it cannot be read.
            AuricleError: it is not the one that was listed, or its store does not answer.
        """
        path, size_bytes = row["path"], row["size_bytes"]
        place = location_of(path)
        if size_bytes > MOST_BYTES and row["duration_s"] is None:
            raise ClipError("too_long", f"more than {MOST_BYTES >> 30} GiB, and no clip")
        content, file = b"", None
        try:
            if size_bytes > _MOST_IN_MEMORY:
                file, stamp = place.open(), _stamp(place)
            elif place.is_local:
                with place.open() as opened:
                    content, stamp = opened.read(), _stamp(place)
            else:  # in one request
                content, stamp = place.stored()
        except FileNotFoundError as error:
            raise AuricleError(f"{path} is gone since it was listed; run again") from error
        except OSError as error:
            if place.is_local or isinstance(error, PermissionError):
                raise ClipError("unreadable", error.strerror or str(error)) from error
            raise AuricleError(f"{path} cannot be read: {error.strerror or error}") from error
        if stamp != row["stamp"]:
            raise AuricleError(f"{path} changed since it was listed; run again")
        return cls(path, content, file)

    def audio(self) -> AudioFile:
        """What decodes it.

        Raises:
            ClipError: nothing can.
        """
        if self._audio is None:
            self._audio = AudioFile(self.file or self.content)
        return self._audio

    def close(self) -> None:
        """Lets go of the file."""
        if self._audio is not None:
            self._audio.close()
        if self.file is not None:
            self.file.close()


def _stamp(place: Location) -> str:
    entry = place.entry()
    return entry.stamp if entry is not None else ""
