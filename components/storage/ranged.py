"""An object that is read as a file: in one request where it is read from start to end."""

import io
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

_IN_MEMORY_BYTES = 8 << 20
_BUFFER_BYTES = 1 << 20
_SKIPPED_BYTES = 1 << 20  # read and dropped rather than asked anew


class Stream(Protocol):
    """The content of one generation of an object, from an offset to its end."""

    size_bytes: int  # of the whole object
    generation: str

    def read(self, size_bytes: int) -> bytes:
        """At most so many further bytes; raises where the connection broke."""

    def close(self) -> None:
        """Lets go of the connection."""


# Opens an object at an offset, of a generation (of any where it is empty).
Fetch = Callable[[int, str], Stream]
# Calls a function until it does not fail for a reason that passes.
Ask = Callable[[Callable[[], Any]], Any]


def open_object(fetch: Fetch, ask: Ask) -> tuple[BinaryIO, str]:
    """The object, open for reading, and its generation. What is read is of that one generation;
    small objects are in memory.

    Reading raises what `fetch` raises, so also where the object was replaced meanwhile.
    """

    def begin() -> tuple[BinaryIO, str]:
        stream = fetch(0, "")
        if stream.size_bytes > _IN_MEMORY_BYTES:
            file = _ObjectFile(fetch, ask, stream)
            return io.BufferedReader(file, _BUFFER_BYTES), stream.generation
        try:
            return io.BytesIO(_read_all(stream)), stream.generation
        finally:
            stream.close()

    found: tuple[BinaryIO, str] = ask(begin)
    return found


def read_object(fetch: Fetch, ask: Ask) -> tuple[bytes, str]:
    """The whole content, and its generation."""

    def read() -> tuple[bytes, str]:
        stream = fetch(0, "")
        try:
            return _read_all(stream), stream.generation
        finally:
            stream.close()

    found: tuple[bytes, str] = ask(read)
    return found


class _ObjectFile(io.RawIOBase):
    """Follows one stream as long as it is read forward, and asks for another where it is sought."""

    def __init__(self, fetch: Fetch, ask: Ask, stream: Stream) -> None:
        self._fetch, self._ask = fetch, ask
        self._size_bytes, self._generation = stream.size_bytes, stream.generation
        self._stream: Stream | None = stream
        self._stream_at = 0
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"cannot seek to {start + offset}")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size_bytes - self._at)
        if wanted <= 0:
            return 0
        part: bytes = self._ask(lambda: self._read(wanted))
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _read(self, wanted: int) -> bytes:
        try:
            stream = self._stream_here()
            part = stream.read(wanted)
            if not part:
                raise ConnectionResetError("the answer ended before the object did")
        except BaseException:
            self._drop()  # the next attempt asks for the rest
            raise
        self._stream_at += len(part)
        return part

    def _stream_here(self) -> Stream:
        """A stream that goes on where the file stands."""
        if self._stream is not None and 0 < self._at - self._stream_at <= _SKIPPED_BYTES:
            while skipped := self._stream.read(self._at - self._stream_at):
                self._stream_at += len(skipped)
                if self._stream_at == self._at:
                    break
        if self._stream is None or self._stream_at != self._at:
            self._drop()
            self._stream = self._fetch(self._at, self._generation)
            self._stream_at = self._at
        return self._stream

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def close(self) -> None:
        self._drop()
        super().close()


def _read_all(stream: Stream) -> bytes:
    parts = []
    left = stream.size_bytes
    while left:
        part = stream.read(left)
        if not part:
            raise ConnectionResetError("the answer ended before the object did")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
