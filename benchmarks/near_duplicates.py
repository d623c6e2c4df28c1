"""How many copies of test clips the split certificate finds in train, by what was done to them.

    python benchmarks/near_duplicates.py ../shared/data/fsdd/manifest.jsonl --sample-rate 8000

One speaker is the test split, all others train; then clips divided at random: whatever is found
there without a planted copy is a false pair. Then 200 test clips are changed, conditioned as ingest
does and planted into train, one kind of change at a time.
"""

import argparse
import hashlib
import io
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from components.audio.condition import condition
from components.audio.decode import decode
from components.audio.fingerprint import fingerprint
from components.audio.pcm16 import to_pcm16
from components.example_gen.leakage import StoredClip, certify
from schemas.reports.leakage import SplitCertificate
from schemas.workflow.audio import Audio

_PLANTED = 200
_RNG = np.random.default_rng(1)

Change = Callable[[np.ndarray, int], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--sample-rate", type=int, default=16000)
    arguments = parser.parse_args()
    rate = arguments.sample_rate
    rows = [json.loads(line) for line in arguments.manifest.read_text().splitlines()]
    folder = arguments.manifest.parent
    waveforms = [decode((folder / r["audio_filepath"]).read_bytes(), rate).waveform for r in rows]
    audio = Audio(sample_rate=rate)
    stored = [condition(waveform, audio) for waveform in waveforms]
    tester = min(row["speaker"] for row in rows)
    of_speaker = ["test" if row["speaker"] == tester else "train" for row in rows]
    dice = random.Random(1)
    at_random = ["test" if dice.random() < 0.1 else "train" for _ in rows]
    print(f"{len(rows)} clips, fingerprints {_microseconds(stored, rate):.0f} us a clip\n")
    for name, splits in (("by speaker", of_speaker), ("at random", at_random)):
        started = time.process_time()
        found = _found(_certificate(stored, splits, rate))
        seconds = time.process_time() - started
        print(f"divided {name}: {found} found without a planted copy, {seconds:.2f} s of CPU")
    print("\n| planted | found of 200 |\n|---|---|")
    tests = [number for number, split in enumerate(of_speaker) if split == "test"][:_PLANTED]
    for name, change in CHANGES.items():
        copies = [change(waveforms[n], rate).astype(np.float32) for n in tests]
        planted = [condition(copy, audio) for copy in copies]
        splits = of_speaker + ["train"] * len(planted)
        print(f"| {name} | {_found(_certificate(stored + planted, splits, rate))} |")


def _certificate(stored: list[np.ndarray], splits: list[str], rate: int) -> SplitCertificate:
    clips = [
        StoredClip(
            str(number),
            split,
            "",
            hashlib.sha256(to_pcm16(waveform)).hexdigest(),
            fingerprint(waveform, rate),
        )
        for number, (waveform, split) in enumerate(zip(stored, splits, strict=True))
    ]
    return certify(clips, stored.__getitem__)


def _found(certificate: SplitCertificate) -> int:
    return certificate.counts["identical"] + certificate.counts["near_duplicate"]


def _microseconds(stored: list[np.ndarray], rate: int) -> float:
    started = time.process_time()
    for waveform in stored:
        fingerprint(waveform, rate)
    return (time.process_time() - started) / len(stored) * 1e6


def _encode(form: str, subtype: str) -> Change:
    def change(waveform: np.ndarray, rate: int) -> np.ndarray:
        file = io.BytesIO()
        soundfile.write(file, waveform, rate, format=form, subtype=subtype)
        return decode(file.getvalue(), rate).waveform

    return change


def _trim(waveform: np.ndarray, rate: int) -> np.ndarray:
    return waveform[int(_RNG.integers(0, 0.08 * rate)) :]


def _shift(waveform: np.ndarray, rate: int) -> np.ndarray:
    return np.concatenate([np.zeros(int(_RNG.integers(0, 0.3 * rate))), waveform])


def _noise(snr_db: float) -> Change:
    def change(waveform: np.ndarray, _: int) -> np.ndarray:
        level = waveform.std() * 10 ** (-snr_db / 20)
        return waveform + level * _RNG.normal(size=len(waveform))

    return change


CHANGES: dict[str, Change] = {
    "mp3": _encode("MP3", "MPEG_LAYER_III"),
    "Vorbis": _encode("OGG", "VORBIS"),
    "mu-law": _encode("WAV", "ULAW"),
    "12 dB less": lambda waveform, rate: waveform / 4,
    "up to 0.3 s later": _shift,
    "up to 0.08 s cut off, speech or not": _trim,
    "half the rate and back": lambda waveform, rate: soxr.resample(
        soxr.resample(waveform, 2, 1), 1, 2
    ),
    "noise at 30 dB": _noise(30.0),
    "noise at 20 dB": _noise(20.0),
}


if __name__ == "__main__":
    main()
