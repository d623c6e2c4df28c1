"""A small project for tests of commands: three speakers, two words, a manifest, a workflow."""

import json
from pathlib import Path

import numpy as np
import soundfile

RATE = 8000
SPLITS = {"ann": "train", "eve": "eval", "tom": "test"}
_WORKFLOW = """\
name: words
data: {manifests: manifest.jsonl}
audio: {sample_rate: 8000, clip_s: 0.5}
data_gate: {min_clips_per_class: 1}
registry: {kind: none}
"""


def write_clip(path: Path, seed: int = 0) -> Path:
    """Half a second of noise that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 0.1, RATE // 2)
    soundfile.write(path, noise, RATE, format="WAV")
    return path


def write_project(folder: Path) -> Path:
    """The workflow file; each speaker says each word twice, and is in the split of `SPLITS`."""
    rows = []
    for speaker, split in SPLITS.items():
        for label in ("go", "no"):
            for take in range(2):
                name = f"clips/{len(rows)}.wav"
                write_clip(folder / name, seed=1000 + len(rows))
                said = {"label": label, "speaker": speaker, "split": split, "take": take}
                rows.append({"audio_filepath": name} | said)
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = folder / "workflow.yaml"
    file.write_text(_WORKFLOW)
    return file
