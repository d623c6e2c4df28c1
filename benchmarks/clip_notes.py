"""What `auricle predict` says of clips of one word, of two in a row, and of noise and other sounds.

    python benchmarks/clip_notes.py DATA

DATA holds `fsdd`, `arabic_commands` and `esc10`, each with a manifest.jsonl. Two words are clips of
the same set, chosen by chance, with a pause of faint noise between them.
"""

import json
import sys
from pathlib import Path

import numpy as np

from components.audio.decode import decode
from components.audio.hearing import hearing_notes
from schemas.workflow.audio import Audio

SETS = {"fsdd": (8000, 0.75), "arabic_commands": (16000, 1.0), "esc10": (16000, 1.0)}
EVERY = 3  # of the clips, to be done sooner
PAIRS = 300
PAUSES_S = (0.2, 0.5)
NOTES = ("cropped", "several words", "a steady sound")


def main() -> None:
    rng = np.random.default_rng(0)
    print(f"| clips | of | {' | '.join(NOTES)} |\n| --- | --- | --- | --- | --- |")
    for name, (rate, clip_s) in SETS.items():
        audio = Audio(sample_rate=rate, clip_s=clip_s)
        clips = read(Path(sys.argv[1]) / name, rate)
        report(name, clips, audio)
        noises = [rng.normal(0, level, rate) for level in rng.uniform(0.01, 0.3, PAIRS)]
        if name == "esc10":
            continue
        report(f"white noise of 1 s at {rate} Hz", noises, audio)
        for pause_s in PAUSES_S:
            pause = rng.normal(0, 1e-4, int(pause_s * rate))
            pairs = [rng.integers(len(clips), size=2) for _ in range(PAIRS)]
            both = [np.concatenate([clips[one], pause, clips[other]]) for one, other in pairs]
            report(f"{name}, two with {pause_s} s between", both, audio)


def read(folder: Path, rate: int) -> list[np.ndarray]:
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").open()][::EVERY]
    return [decode((folder / row["audio_filepath"]).read_bytes(), rate).waveform for row in rows]


def report(name: str, clips: list[np.ndarray], audio: Audio) -> None:
    found = [hearing_notes(clip, audio) for clip in clips]
    shares = [
        np.mean([any(note.startswith(kind) for note in notes) for notes in found]) for kind in NOTES
    ]
    print(f"| {name} | {len(clips):,} | {' | '.join(f'{share:.3f}' for share in shares)} |")


if __name__ == "__main__":
    main()
