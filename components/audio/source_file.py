"""A file as it was hashed before the run: what is read is that content, or the run ends."""

import errno
import hashlib
import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import numpy as np

from components.audio.decode import AudioFile, Decoded
from components.storage.interface import Entry
from components.storage.location import location_of
from schemas.errors import ClipError, DataError
from schemas.utterance import Seen

_MOST_IN_MEMORY = 64 << 20
_BLOCK_BYTES = 1 << 20


class Recording:
    """One file, of which any part can be decoded.

    A file of up to 64 MiB is held in memory. Of a larger one only the parts asked for are read, and
    its stamp is watched. `digest` is what `digest_files` said of it, `seen` what the listing of its
    store did: an object is then read once, and its generation says that it is the one.

    Raises:
        ClipError: it cannot be read, and could not when it was indexed (`digest` is empty).
        DataError: it is not the one that was indexed.
    """

    def __init__(self, path: str, digest: str, seen: Seen | None = None) -> None:
        self._place = location_of(path)
        self._audio: AudioFile | None = None
        self._content = b""
        self._file: BinaryIO = io.BytesIO()
        self._entry: Entry | None = None
        try:
            found = self._read_object(seen, digest) if seen is not None else self._read_file()
        except OSError as error:
            if digest:
                words = f"{path} cannot be read any more: {error.strerror or error}"
                raise DataError(words) from error
            raise ClipError("unreadable", error.strerror or str(error)) from error
        if found != digest:
            raise DataError(f"{path} changed since the run began; run again")

    def decode(
        self,
        sample_rate: int,
        offset_s: float,
        duration_s: float | None,
        channel: int | None = None,
    ) -> Decoded:
        """A part of it, as `components.audio.decode.AudioFile.read` gives it."""
        try:
            return self._opened().read(sample_rate, offset_s, duration_s, channel)
        except ClipError:
            self._audio = None  # where the decoder stands now is anybody's guess
            raise
        finally:
            self._check_unchanged()

    def stream(self, sample_rate: int, offset_s: float = 0.0) -> Iterator[np.ndarray]:
        """All of it from `offset_s` on, as `components.audio.decode.AudioFile.stream` gives it."""
        try:
            for block in self._opened().stream(sample_rate, offset_s):
                self._check_unchanged()
                yield block
            self._check_unchanged()
        except ClipError:
            self._audio = None
            self._check_unchanged()
            raise

    def close(self) -> None:
        """Lets go of the file."""
        self._audio = None
        self._file.close()

    def _opened(self) -> AudioFile:
        if self._audio is None:
            self._audio = AudioFile(self._content or self._rewound())
        return self._audio

    def _check_unchanged(self) -> None:
        """An object that is open is of one generation; a store refuses to go on with another."""
        if isinstance(self._file, _Watched):
            if (error := self._file.error) is not None:
                words = f"{self._place} cannot be read any more: {error.strerror or error}"
                raise DataError(words) from error
        elif not self._file.closed and self._place.entry() != self._entry:
            raise DataError(f"{self._place} changed while it was read; run again")

    def _rewound(self) -> BinaryIO | bytes:
        if self._file.closed:
            return b""
        self._file.seek(0)
        return self._file

    def _open(self) -> BinaryIO:
        file = self._place.open()
        return file if self._place.is_local else cast(BinaryIO, _Watched(file))

    def _read_file(self) -> str:
        """The digest of the content, which is kept if it is small."""
        self._entry = self._place.entry()
        self._file = self._open()
        if self._entry is not None and self._entry.size_bytes <= _MOST_IN_MEMORY:
            with self._file:
                self._content = self._file.read()
        if not self._place.is_local:
            return self._place.digest()
        if self._file.closed:
            return hashlib.sha256(self._content).hexdigest()
        digest = hashlib.sha256()
        while block := self._file.read(_BLOCK_BYTES):
            digest.update(block)
        return digest.hexdigest()

    def _read_object(self, seen: Seen, digest: str) -> str:
        """The digest of an object that was listed, without asking for it where it is still that."""
        if seen.size_bytes <= _MOST_IN_MEMORY:
            self._file.close()
            self._content, stamp = self._place.stored()
        else:
            self._file = self._open()
            stamp = ""
        if stamp == seen.stamp:
            return digest
        self._entry = self._place.entry()
        if self._entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._place))
        if stamp not in ("", self._entry.stamp):  # written again while it was read
            return ""
        return digest if self._entry.stamp == seen.stamp else self._place.digest()


class _Watched(io.RawIOBase):
    """An object that is open. Decoders take an error of their file for its end: it is kept for who
    asked them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._inside = file
        self.error: OSError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._inside.seek(offset, whence)

    def tell(self) -> int:
        return self._inside.tell()

    def readinto(self, buffer: Any) -> int:
        try:
            content = self._inside.read(len(buffer))
        except OSError as error:
            self.error = self.error or error
            return 0
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._inside.close()
        super().close()
