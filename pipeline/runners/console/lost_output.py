"""Standard output and error that cannot be written: said once, and nothing ends for it.

A run of hours is not to stop since nobody reads what it draws, and a speaker is not half forgotten
since the list of their clips went into a pipe that was closed.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable
from typing import TextIO

_NAMES = {1: "stdout", 2: "stderr"}


class LostOutput:
    """What became of standard output: `reason` is empty while all was written that was wanted. A
    reader that has ended, as `head` does, wanted no more.
    """

    def __init__(self) -> None:
        self.reason = ""

    def add(self, error: OSError) -> None:
        """Remembers why output was lost, the first time."""
        if error.errno != errno.EPIPE:
            why = "it is closed" if error.errno == errno.EBADF else str(error.strerror)
            self.reason = self.reason or why


_lost = LostOutput()


def guard_outputs() -> LostOutput:
    """Has this process write to standard output and error whatever becomes of them; what became of
    standard output.

    One that is closed is opened on what cannot be written, or the next file that is opened would
    be in its place.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest that is free, which is this one
    for descriptor, name in _NAMES.items():
        stream = getattr(sys, name)
        if stream is None or _descriptor_of(stream) == descriptor:
            setattr(sys, name, open_output(descriptor, getattr(stream, "encoding", None)))
    return _lost


def open_output(descriptor: int, encoding: str | None = None) -> TextIO:
    """A stream to a descriptor that is there, which it does not close; what it cannot write is
    lost. Characters that the encoding lacks are spelled.
    """
    add = _lost.add if descriptor != 2 else (lambda error: None)  # of error output nobody can read
    raw = io.BufferedWriter(_Lossy(descriptor, add))
    is_terminal = os.isatty(descriptor)
    return io.TextIOWrapper(
        raw, encoding or "utf-8", "backslashreplace", line_buffering=is_terminal or descriptor == 2
    )


def _descriptor_of(stream: TextIO) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return stream.fileno()
    return None


class _Lossy(io.FileIO):
    """Writes to a descriptor; what cannot be written is given up."""

    def __init__(self, descriptor: int, lost: Callable[[OSError], None]) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._add = lost

    def write(self, content) -> int:  # type: ignore[no-untyped-def]
        try:
            return super().write(content)
        except OSError as error:
            self._add(error)
            return len(content)
