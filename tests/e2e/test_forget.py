"""Clips of the field enter a run, a speaker is forgotten, and the next run trains without them."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from e2e import running
from e2e.running import run
from e2e.tiny import RATE, TONES_HZ, write_workflow

from schemas.example import decode_example
from schemas.tfrecord import read_records

pytestmark = pytest.mark.e2e

NAME = "speaker0"


def auricle(*arguments: str, cwd: Path) -> str:
    done = running.auricle(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_field_clip(file: Path, label: str) -> Path:
    time_s = np.arange(int(0.4 * RATE)) / RATE
    tone = 0.2 * np.sin(2 * np.pi * 1.05 * TONES_HZ[label] * time_s)
    soundfile.write(file, tone + np.random.default_rng(9).normal(0, 0.02, len(time_s)), RATE)
    return file


def speakers(directory: Path, number: int) -> dict[str, set[str]]:
    """Who is in each split of the examples of the run `number`."""
    folders = (directory / "artifacts/AudioExampleGen/examples").iterdir()
    folder = sorted(folders, key=lambda folder: int(folder.name))[number - 1]
    return {
        split.name: {
            str(decode_example(record)["speaker"])
            for file in split.iterdir()
            for record in read_records(file)
        }
        for split in folder.iterdir()
    }


def test_feedback_then_a_speaker_is_forgotten(project: Path) -> None:
    directory = project / "runs" / "tones"
    # One clip more or less moves the levels of so few, all alike, from end to end.
    write_workflow(project, data_gate={"max_drift": 1.0})
    field = write_field_clip(project / "field.wav", "low")
    auricle(
        "feedback", "workflow.yaml", str(field), "--label", "low", "--speaker", NAME, cwd=project
    )
    first = run(project)
    assert first.pushed_to is not None
    assert "1 clips are feedback from the field" in first.notes
    assert NAME in speakers(directory, 1)["Split-train"]

    hard = write_field_clip(project / "hard.wav", "middle")
    said = auricle(
        "feedback", "workflow.yaml", str(hard), "--label", "middle", "--must-pass", cwd=project
    )
    assert "the served model says" in said
    traces = json.loads(
        auricle("forget", "workflow.yaml", "--speaker", NAME, "--json", cwd=project)
    )
    [heard] = traces["runs"]
    assert (heard["run"], list(heard["clips"]), heard["is_served"]) == (1, ["train"], True)
    assert len(set(heard["clips"]["train"])) == 13
    auricle("forget", "workflow.yaml", "--speaker", NAME, "--yes", cwd=project)
    assert subprocess.run(["grep", "-r", NAME, str(directory)], check=False).returncode == 1
    assert "trained on a speaker" in " ".join(
        auricle("models", "workflow.yaml", cwd=project).split()
    )

    second = run(project)
    verdict = second.record.verdict
    assert verdict.baseline is not None  # the model before is still compared with
    assert verdict.clips == first.record.verdict.clips  # the hard clip is not among them
    rule = verdict.rules[-1]
    assert rule.name == "must_pass"
    assert "1 must-pass clip" in rule.message
    assert (rule.outcome == "broken") == (second.pushed_to is None)
    assert speakers(directory, 2)["Split-train"] == {"speaker1", "speaker2", "speaker3"}
    assert "12 rows of forgotten speakers were left out" in second.notes
    assert subprocess.run(["grep", "-r", NAME, str(directory)], check=False).returncode == 1
