"""What goes wrong in a decoder, planted: child processes import it from here."""

import ctypes
import os
import threading
from pathlib import Path
from pickle import PickleBuffer

from fake_store import FakeStore

from components.example_gen.example_builder import ClipReader
from components.inference import clip_reader
from components.storage.location import register_scheme
from components.tasks.spot.stream_scoring import WindowReader


def decoder(item):
    """Gives `item` back, but crashes, hangs, fills the memory or raises where it says so."""
    if item == "crash":
        ctypes.string_at(0)
    if item == "hang":
        while True:
            pass
    if item == "sleep":
        threading.Event().wait()
    if item == "swell":
        return bytes(1 << 32)
    if item == "raise":
        raise ValueError("planted")
    return item


def decoder_of_many(items):
    """Each of text `items` as bytes, answered when all are there."""
    decoded = [decoder(item).encode() for item in items]
    return [PickleBuffer(item) for item in decoded]


def no_function():
    """Raises where it is unpickled."""
    return _Unpicklable()


class _Unpicklable:
    def __reduce__(self):
        return eval, ("1 / 0",)

    def __call__(self, item):
        return item


class CrashingReader(ClipReader):
    """A decoder with a memory bug, which the file `crash.wav` finds."""

    def __call__(self, rows):
        return super().__call__(map(self._look_at, rows))

    def _look_at(self, row):
        if row["uri"] == "crash.wav":
            ctypes.string_at(0)
        return row


class CrashingClipReader(clip_reader.ClipReader):
    """As above, in a batch inference."""

    def __call__(self, row):
        if row["path"].endswith("crash.wav"):
            ctypes.string_at(0)
        return super().__call__(row)


class ReaderFromStore(ClipReader):
    """Knows the storage of tests in its own process too: its folder is `STORE`."""

    def __call__(self, rows):
        register_scheme("fake", lambda: FakeStore(Path(os.environ["STORE"])))
        return super().__call__(rows)


class CrashingWindowReader(WindowReader):
    """As above, from the 64th window of `crash.wav` on."""

    def __call__(self, ask):
        if ask.path.endswith("crash.wav") and ask.first >= 64:
            ctypes.string_at(0)
        return super().__call__(ask)
