"""How fast the decoders that could read a format do so: 1 s clips of 16 kHz, mono, one at a time.

    python benchmarks/decoders.py [--clips 200] [--repetitions 3]

Times are of `components.audio.decode` (recognising, decoding, mixing down, checks: as in ingest)
and of the other libraries' own calls, in the same process, in turn: libsndfile through soundfile,
FFmpeg through PyAV, and tensorflow-io's eager ops. Microseconds of CPU a clip.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable

import av
import mutants
import numpy as np
import soundfile
import tensorflow_io as tfio

from components.audio.decode import decode
from components.audio.wav import open_pcm16

TFIO = {
    "wav pcm 16": lambda data: tfio.audio.decode_wav(data, dtype="int16"),
    "flac 16": lambda data: tfio.audio.decode_flac(data, dtype="int16"),
    "ogg vorbis": tfio.audio.decode_vorbis,
    "mp3": tfio.audio.decode_mp3,
    "mp4 aac": tfio.audio.decode_aac,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    mutants.SECONDS = 1.0
    files = dict(zip(mutants.KINDS, mutants.Mutants(0).originals, strict=True))
    print(
        "| | ours, through | ours | soundfile | PyAV | tensorflow-io |\n|---|---|---|---|---|---|"
    )
    for kind, data in files.items():
        sndfile = _soundfile if kind in mutants.SNDFILE_KINDS else None
        ways = (lambda data: decode(data, mutants.RATE), sndfile, _pyav, TFIO.get(kind))
        cells = [_cost_us(way, data, arguments) if way else "-" for way in ways]
        through = "libsndfile" if sndfile else "FFmpeg"
        print(f"| {kind} | {'pcm16' if open_pcm16(data) else through} | {' | '.join(cells)} |")


def _cost_us(way: Callable[[bytes], object], data: bytes, arguments: argparse.Namespace) -> str:
    runs = []
    try:
        for _ in range(arguments.repetitions):
            started = time.process_time()
            for _ in range(arguments.clips):
                way(data)
            runs.append((time.process_time() - started) / arguments.clips * 1e6)
    except Exception as error:  # what a rival makes of a format is its own affair
        return type(error).__name__
    return f"{statistics.median(runs):.0f}"


def _soundfile(data: bytes) -> np.ndarray:
    samples: np.ndarray = soundfile.read(io.BytesIO(data), dtype="float32")[0]
    return samples


def _pyav(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as file:
        return np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)


if __name__ == "__main__":
    main()
