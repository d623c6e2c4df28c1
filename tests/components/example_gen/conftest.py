"""A small data set with everything in it: speakers, formats, rates, and clips that must fail."""

import json

import numpy as np
import pytest
import soundfile

from schemas.workflow.data import Data, Split

SPEAKERS = ("ada", "bob", "cyd", "dan")
LABELS = ("no", "yes")
BAD = ("broken.wav", "empty.wav", "text.wav")


def _write_recordings(folder, takes=3, bad=True):
    """Clips of every speaker, label and take, and their manifest; returns the manifest's rows."""
    rows = []
    rng = np.random.default_rng(1)
    for s, speaker in enumerate(SPEAKERS):
        suffix, rate, channels = [("wav", 8000, 1), ("flac", 44100, 2), ("ogg", 16000, 1)][s % 3]
        for hertz, label in zip((300, 900), LABELS, strict=True):
            for take in range(takes):
                name = f"clips/{label}/{speaker}-{take}.{suffix}"
                time_s = np.arange(round(rate * (0.4 + 0.1 * take))) / rate
                tone = 0.3 * np.sin(2 * np.pi * hertz * time_s) + rng.normal(0, 0.01, len(time_s))
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, np.stack([tone] * channels, axis=1), rate)
                rows.append({"audio_filepath": name, "label": label, "speaker": speaker})
    if bad:
        (folder / "broken.wav").write_bytes((folder / "clips/no/ada-0.wav").read_bytes()[:30])
        (folder / "empty.wav").write_bytes(b"")
        (folder / "text.wav").write_bytes(b"this is no audio at all")
        rows += [{"audio_filepath": name, "label": "no", "speaker": "ada"} for name in BAD]
        rows.append({"audio_filepath": "gone.wav", "label": "no", "speaker": "ada"})
        rows.append({"audio_filepath": "clips/no/ada-0.wav"})
    _write_manifest(folder, rows)
    return rows


def _write_manifest(folder, rows):
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "manifest.jsonl").write_text(lines)


@pytest.fixture
def data():
    split = Split(eval_speakers=["bob"], test_speakers=["cyd"])
    return Data(manifests="manifest.jsonl", split=split)


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "recordings"
    _write_recordings(folder)
    return folder


@pytest.fixture(scope="session")
def write_recordings():
    return _write_recordings


@pytest.fixture(scope="session")
def write_manifest():
    return _write_manifest
