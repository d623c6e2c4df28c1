"""Damaged audio files, made from their number alone, and what the decoder makes of each.

Child processes import this file; `fuzz_decode.py` is the program.
"""

import io
import resource
import struct
import time
from dataclasses import dataclass
from functools import cached_property

import av
import numpy as np
import soundfile

from components.audio.decode import decode
from schemas.errors import ClipError

RATE = 16000
SECONDS = 0.2
SNDFILE_KINDS = {
    "wav pcm 8": ("WAV", "PCM_U8", "FILE"),
    "wav pcm 16": ("WAV", "PCM_16", "FILE"),
    "wav pcm 24": ("WAV", "PCM_24", "FILE"),
    "wav pcm 32": ("WAV", "PCM_32", "FILE"),
    "wav float": ("WAV", "FLOAT", "FILE"),
    "wav double": ("WAV", "DOUBLE", "FILE"),
    "wav ulaw": ("WAV", "ULAW", "FILE"),
    "wav alaw": ("WAV", "ALAW", "FILE"),
    "wav extensible": ("WAVEX", "PCM_16", "FILE"),
    "rifx": ("WAV", "PCM_16", "BIG"),
    "rf64": ("RF64", "PCM_16", "FILE"),
    "flac 16": ("FLAC", "PCM_16", "FILE"),
    "flac 24": ("FLAC", "PCM_24", "FILE"),
    "ogg vorbis": ("OGG", "VORBIS", "FILE"),
    "ogg opus": ("OGG", "OPUS", "FILE"),
    "mp3": ("MP3", "MPEG_LAYER_III", "FILE"),
    "aiff": ("AIFF", "PCM_16", "FILE"),
    "aifc float": ("AIFF", "FLOAT", "FILE"),
    "au": ("AU", "PCM_16", "FILE"),
    "au ulaw": ("AU", "ULAW", "FILE"),
    "nist": ("NIST", "PCM_16", "FILE"),
}
FFMPEG_KINDS = {
    "mp4 aac": ("ipod", "aac"),
    "mp4 alac": ("ipod", "alac"),
    "adts aac": ("adts", "aac"),
    "webm opus": ("webm", "libopus"),
}
KINDS = (*SNDFILE_KINDS, *FFMPEG_KINDS)


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the reason of its reject, or empty; seconds; the process's peak."""

    reason: str
    seconds: float
    peak_bytes: int


class Mutants:
    """`mutants(number)` decodes the mutant of that number, of the kind `number % len(KINDS)`."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, number: int) -> Verdict:
        data = self.data(number)
        reason = ""
        started = time.perf_counter()
        try:
            decode(data, RATE)
        except ClipError as error:
            reason = error.reason
        seconds = time.perf_counter() - started
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Verdict(reason, seconds, peak_bytes)

    def data(self, number: int) -> bytes:
        """The content of the mutant `number`."""
        rng = np.random.default_rng((self._seed, number))
        original = self.originals[number % len(KINDS)]
        mutant = bytearray(original)
        for _ in range(rng.integers(1, 6)):
            mutation = _MUTATIONS[rng.integers(len(_MUTATIONS))]
            mutation(mutant, rng)
        # Most mutants keep the first bytes, or nothing but the recogniser would be tested.
        if rng.random() < 0.9:
            mutant[:12] = original[:12]
        return bytes(mutant)

    @cached_property
    def originals(self) -> list[bytes]:
        """An undamaged file of each of `KINDS`."""
        rng = np.random.default_rng(0)
        times = np.arange(round(SECONDS * RATE)) / RATE
        samples = 0.4 * np.sin(2 * np.pi * 300 * times) + rng.normal(0, 0.05, len(times))
        originals = [_sndfile(samples, *kind) for kind in SNDFILE_KINDS.values()]
        return originals + [_ffmpeg(samples, *kind) for kind in FFMPEG_KINDS.values()]


def _sndfile(samples: np.ndarray, container: str, codec: str, endian: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=container, subtype=codec, endian=endian)
    return file.getvalue()


def _ffmpeg(samples: np.ndarray, muxer: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        pcm = np.round(samples * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def _place(mutant: bytearray, rng: np.random.Generator) -> int:
    """Anywhere, but every other time in the header, where it hurts most."""
    end = min(len(mutant), 128) if rng.random() < 0.5 else len(mutant)
    return int(rng.integers(max(1, end)))


def _flip(mutant: bytearray, rng: np.random.Generator) -> None:
    if mutant:
        mutant[_place(mutant, rng)] ^= 1 << int(rng.integers(8))


def _overwrite(mutant: bytearray, rng: np.random.Generator) -> None:
    start = _place(mutant, rng)
    mutant[start : start + 8] = rng.bytes(int(rng.integers(1, 9)))


def _forge(mutant: bytearray, rng: np.random.Generator) -> None:
    """A length as a liar writes it."""
    value = int(rng.choice([0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
    form = ("<I", ">I", "<H", ">H")[int(rng.integers(4))]
    start = _place(mutant, rng)
    packed = struct.pack(form, value & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    mutant[start : start + len(packed)] = packed


def _cut(mutant: bytearray, rng: np.random.Generator) -> None:
    del mutant[_place(mutant, rng) :]


def _remove(mutant: bytearray, rng: np.random.Generator) -> None:
    start = _place(mutant, rng)
    del mutant[start : start + int(rng.integers(1, 64))]


def _repeat(mutant: bytearray, rng: np.random.Generator) -> None:
    start, target = _place(mutant, rng), _place(mutant, rng)
    mutant[target:target] = mutant[start : start + int(rng.integers(1, 256))]


_MUTATIONS = (_flip, _flip, _overwrite, _forge, _forge, _cut, _remove, _repeat)
