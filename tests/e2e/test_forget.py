"""Clips of the field enter a run, a speaker is forgotten, and the next run trains without them."""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from e2e import running
from e2e.running import run
from e2e.tiny import RATE, TONES_HZ, write_workflow
from killed_at import killed_at
from voices import Voice

from components.evaluation.score_files import SCORES_FILE
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


SCRATCH = "artifacts/ServingCheck/infra_blessing/999/.scratch"


def waveforms_of(directory: Path) -> list[bytes]:
    """As ingest has stored them."""
    return [
        bytes(example["audio"])  # type: ignore[arg-type]
        for file in directory.glob("artifacts/AudioExampleGen/examples/*/*/*")
        for record in read_records(file)
        if (example := decode_example(record))["speaker"] == NAME
    ]


def leave_unfinished(project: Path, model: Path) -> None:
    """Kills what copies clips, each in the middle of it."""
    given = ("feedback", "workflow.yaml", *(project / "recordings").glob(f"low-{NAME}-*.wav"))
    given = (*given, "--label", "low", "--speaker", NAME, "--no-ask")
    directory = project / "runs" / "tones"
    killed_at("pipeline.datasets.feedback:read_clips", *given, cwd=project)
    assert list((directory / ".scratch").iterdir())
    killed_at("pipeline.datasets.feedback:_write_feedback", *given, cwd=project)
    assert not (directory / ".scratch").exists()  # the next command has swept it
    killed_at("components.storage.local:Path.replace", *given, cwd=project, call=4)
    examples = next(directory.glob("artifacts/AudioExampleGen/examples/*/Split-train"))
    scores = next(directory.glob(f"artifacts/Evaluator/scores/*/{SCORES_FILE}"))
    program = (
        "from pathlib import Path\n"
        "from components.evaluation.score_files import read_scores\n"
        "from components.serving_check.executor import check\n"
        "from schemas.workflow.serving_check import ServingCheck\n"
        "model, examples, scores, folder = map(Path, sys.argv[1:])\n"
        "check(model, [examples], read_scores(scores), ServingCheck(), folder)\n"
    )
    folder = (directory / SCRATCH).parent
    killed_at(
        "components.serving_check.executor:_ask", model, examples, scores, folder,
        cwd=project, program=program,
    )  # fmt: skip


def test_feedback_then_a_speaker_is_forgotten(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = project / "runs" / "tones"
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
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
    voice = Voice([*(project / "recordings").glob(f"*{NAME}*"), field], waveforms_of(directory))
    leave_unfinished(project, first.pushed_to)
    left = {file.parent for file in voice.files_in(directory)}
    assert {directory / ".scratch", directory / "feedback", directory / SCRATCH} < left
    auricle("forget", "workflow.yaml", "--speaker", NAME, "--yes", cwd=project)
    assert voice.files_in(directory) == []
    assert voice.files_in(temporary) == []
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
