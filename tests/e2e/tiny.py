"""Recordings and a workflow small enough to run whole in a test: tones for words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml

RATE = 8000
TONES_HZ = {"low": 400, "middle": 900, "high": 1700}
SPEAKERS = [f"speaker{number}" for number in range(6)]

TINY: dict[str, Any] = {
    "name": "tones",
    "data": {
        "manifests": "recordings/manifest.jsonl",
        "split": {"eval_speakers": ["speaker4"], "test_speakers": ["speaker5"]},
    },
    "audio": {"sample_rate": RATE, "clip_s": 0.5},
    "frontend": {"num_mel_bins": 20},
    "augment": {"speed": 0.0},
    "model": {"architecture": "cnn", "units": 16, "layers": 1, "filters": 8},
    "train": {"epochs": 1, "batch_size": 8},
    "conditions": {"names": ["noise_10db"]},
    "registry": {"kind": "none"},  # MLflow costs seconds; one test has it
}


def write_recordings(folder: Path, takes: int = 4) -> None:
    """Bursts of a tone for each label, a little detuned by speaker, in noise; and a manifest."""
    folder.mkdir()
    rows = []
    rng = np.random.default_rng(0)
    for label, tone_hz in TONES_HZ.items():
        for number, speaker in enumerate(SPEAKERS):
            for take in range(takes):
                time_s = np.arange(int(0.4 * RATE)) / RATE
                tone = np.sin(2 * np.pi * tone_hz * (1 + 0.02 * number) * time_s)
                waveform = 0.3 * tone + rng.normal(0, 0.01, len(tone))
                name = f"{label}-{speaker}-{take}.wav"
                soundfile.write(folder / name, waveform, RATE, subtype="PCM_16")
                rows.append({"audio_filepath": name, "label": label, "speaker": speaker})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_background(folder: Path, seconds: float = 20.0) -> None:
    """Two recordings of noise, in which there is no tone."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for name in ("kitchen.wav", "street.flac"):
        soundfile.write(folder / name, rng.normal(0, 0.05, round(seconds * RATE)), RATE)


def write_workflow(folder: Path, **changes: Any) -> Path:
    """Writes `workflow.yaml`: the tiny one with whole blocks changed."""
    file = folder / "workflow.yaml"
    file.write_text(yaml.safe_dump(TINY | changes))
    return file
