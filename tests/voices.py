"""A speaker's voice, searched for by its content, whatever a file is called."""

import base64
import gzip
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

_SAMPLES = 64  # of a needle: no other clip of noise has the same
_PAGE_AUDIO = re.compile(rb"data:audio/[a-z]+;base64,([A-Za-z0-9+/=]+)")


class Voice:
    """What of a speaker may lie somewhere: their files, and clips as 16-bit waveforms."""

    def __init__(self, files: Iterable[Path], waveforms: Iterable[bytes]) -> None:
        """`waveforms` are little-endian PCM, as examples hold it."""
        contents = [file.read_bytes() for file in files]
        clips = [soundfile.read(io.BytesIO(each), dtype="int16")[0] for each in contents]
        clips += [np.frombuffer(each, "<i2") for each in waveforms]
        middles = [_middle(clip) for clip in clips]
        self._needles = [each[len(each) // 2 :][:128] for each in contents]
        self._needles += [form for middle in middles for form in _forms(middle)]

    def is_in(self, content: bytes) -> bool:
        """Whether a file's content holds a part of it, also compressed or inside a page."""
        return any(
            needle in each for each in [content, *_inside(content)] for needle in self._needles
        )

    def files_in(self, *folders: Path) -> list[Path]:
        """The files below the folders that hold a part of it."""
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return [file for file in files if self.is_in(file.read_bytes())]


def _middle(clip: NDArray[np.int16]) -> NDArray[np.int16]:
    return clip[len(clip) // 2 :][:_SAMPLES]


def _forms(samples: NDArray[np.int16]) -> Iterator[bytes]:
    """As PCM of both byte orders, as floats, and in base64 at each of its three offsets."""
    pcm = samples.astype("<i2").tobytes()
    yield pcm
    yield samples.astype(">i2").tobytes()
    yield (samples / np.float32(32768)).astype("<f4").tobytes()
    yield (samples / 32768).astype("<f8").tobytes()
    for start in range(3):
        yield base64.b64encode(pcm[start : start + 90])[:-4]


def _inside(content: bytes) -> Iterator[bytes]:
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as members:
            yield from (members.read(name) for name in members.namelist())
    for found in _PAGE_AUDIO.finditer(content):
        samples, _ = soundfile.read(io.BytesIO(base64.b64decode(found[1])), dtype="int16")
        yield samples.astype("<i2").tobytes()
