"""The commonest file of all, WAV of 16-bit PCM, read in place: a third of libsndfile's time.

Takes only files that are what the format says to the letter, held in memory; all others, and all
other kinds of WAV, are libsndfile's.
"""

import struct

import numpy as np

from components.audio.formats import iff_chunks
from components.audio.pcm16 import FULL_SCALE

_FORMAT = struct.Struct("<HHIIHH")  # tag, channels, rate, bytes a second, bytes a frame, bits
_PCM = 1
_SAMPLE_BYTES = 2
_MOST_CHANNELS = 1024  # libsndfile's limits
_HIGHEST_RATE_HZ = 655_350
_SCALE = np.float32(1 / FULL_SCALE)


class Pcm16Decoder:
    """A `components.audio.decoders.Decoder` of samples that lie in memory."""

    name = "pcm16"
    container = "wav"
    seeks_exactly = True

    def __init__(self, samples: np.ndarray, rate_hz: int) -> None:
        """`samples` are little-endian int16 [frames, channels]."""
        self._samples = samples
        self.rate_hz = rate_hz
        self.frames, self.channels = samples.shape
        self.promised: int | None = self.frames
        self.at = 0

    def seek(self, frame: int) -> None:
        self.at = frame

    def read(self, frames: int) -> np.ndarray:
        block = self._samples[self.at : self.at + frames]
        self.at += len(block)
        return block * _SCALE

    def close(self) -> None:
        """There is nothing to let go of."""


def open_pcm16(data: bytes) -> Pcm16Decoder | None:
    """The decoder of a WAV file with the content `data`; None where it is not such a plain one."""
    if not data.startswith(b"RIFF"):
        return None
    chunks: dict[bytes, int] = {}
    for name, at in iff_chunks(data, "<"):
        if name in chunks:
            return None
        chunks[name] = at
    if not {b"fmt ", b"data"} <= chunks.keys() or len(data) < chunks[b"fmt "] + _FORMAT.size:
        return None
    tag, channels, rate_hz, _, frame_bytes, bits = _FORMAT.unpack_from(data, chunks[b"fmt "])
    if tag != _PCM or bits != 8 * _SAMPLE_BYTES or frame_bytes != channels * _SAMPLE_BYTES:
        return None
    if not (1 <= channels <= _MOST_CHANNELS and 1 <= rate_hz <= _HIGHEST_RATE_HZ):
        return None
    start = chunks[b"data"]
    (size,) = struct.unpack_from("<I", data, start - 4)
    if not size or size % frame_bytes or start + size > len(data):
        return None
    samples = np.frombuffer(data, "<i2", size // _SAMPLE_BYTES, start)
    return Pcm16Decoder(samples.reshape(-1, channels), rate_hz)
