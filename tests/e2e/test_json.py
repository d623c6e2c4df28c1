"""Every command that reports has `--json`: a typed document, alone on standard output."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from e2e.running import auricle
from e2e.tiny import TINY, TONES_HZ, write_workflow
from pydantic import TypeAdapter
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.datasets.download import KnownDataSets
from pipeline.datasets.dry_run import Plan
from pipeline.datasets.feedback import Added, FeedbackClip
from pipeline.datasets.importers import Imported
from pipeline.datasets.scaffold import NewWorkflow
from pipeline.erasure.forget import Traces
from pipeline.inference.batch import Inference
from pipeline.inference.explain import Explanation
from pipeline.inference.predict import Predictions
from pipeline.notifications import Deliveries
from pipeline.releases.rollout import Exported, Rollout, Versions
from pipeline.runners.vertex import Compiled
from pipeline.runs.compare import Comparison
from pipeline.runs.records import RunRecord
from pipeline.runs.result import RunResult
from pipeline.scheduling.scheduler import Decision
from schemas.reports.rejects import Reject
from schemas.reports.verdict import Verdict

pytestmark = pytest.mark.e2e

CLIP = "recordings/low-speaker5-0.wav"
FEEDBACK = ("feedback", "workflow.yaml")
# In an order in which each finds what it needs.
COMMANDS: list[tuple[tuple[str, ...], Any]] = [
    (("init", "recordings", "--output", "new.yaml"), NewWorkflow),
    (("import", "speech_commands", "commands", "--output", "commands.jsonl"), Imported),
    (("fetch",), KnownDataSets),
    (("plan", "workflow.yaml"), Plan),
    (("notify", "workflow.yaml", "--test"), Deliveries),
    (("run", "workflow.yaml"), RunResult),
    (("rejects", "workflow.yaml"), list[Reject]),
    (("why", "workflow.yaml"), Verdict),
    (("why", "workflow.yaml", "--run", "1"), Verdict),
    ((*FEEDBACK, "field.wav", "--label", "low", "--speaker", "kim"), Added),
    ((*FEEDBACK, "--list"), list[FeedbackClip]),
    (("schedule", "workflow.yaml", "--once"), Decision),
    (("schedule", "workflow.yaml", "--log"), list[Decision]),
    (("runs", "workflow.yaml"), list[RunRecord]),
    (("compare", "1", "2"), Comparison),
    (("predict", "workflow.yaml", CLIP), Predictions),
    (("explain", "workflow.yaml", CLIP), Explanation),
    (("infer", "workflow.yaml", "--input", CLIP, "--output", "answers.jsonl"), Inference),
    (("models", "workflow.yaml"), Versions),
    (("export", "workflow.yaml", "1", "copy"), Exported),
    (("rollback", "workflow.yaml"), Rollout),
    (("promote", "workflow.yaml", "2", "--force"), Rollout),
    (("forget", "workflow.yaml", "--speaker", "speaker0"), Traces),
    (("compile", "vertex.yaml", "--output", "pipeline.json"), Compiled),
]
LINES = (list[Reject], list[Decision])  # a document a line
IN_A_PROCESS = ("run", "compile")  # what libraries write past Python counts


@pytest.fixture
def prepared(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with a broken recording, something to import, a clip from the field, and a
    workflow for Vertex AI.
    """
    monkeypatch.chdir(project)
    with (project / "recordings" / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"audio_filepath": "gone.wav", "label": "low", "speaker": "speaker0"}\n')
    waveform, rate = soundfile.read(project / CLIP)
    time_s = np.arange(len(waveform)) / rate
    noise = np.random.default_rng(7).normal(0, 0.01, len(waveform))
    field = 0.3 * np.sin(2 * np.pi * 470 * time_s) + noise
    soundfile.write(project / "field.wav", field, rate, subtype="PCM_16")
    for name in ("yes/ab_nohash_0.wav", "no/cd_nohash_0.wav"):
        (project / "commands" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(project / "commands" / name, waveform, rate)
    for name in ("testing", "validation"):
        (project / "commands" / f"{name}_list.txt").write_text("")
    vertex = {
        "orchestrator": "vertex",
        "directory": "gs://bucket/tones",
        "vertex": {"image": "europe-docker.pkg.dev/my-project/auricle/auricle:1"},
    }
    generated = {"generated": {"words": list(TONES_HZ)}}  # no recordings of this machine
    write_workflow(project, run=vertex, data=generated).rename(project / "vertex.yaml")
    write_workflow(project, notify={"command": [sys.executable, "-c", "pass"]})
    return project


def answer(project: Path, arguments: tuple[str, ...]) -> str:
    """What the command writes to standard output."""
    if arguments[0] in IN_A_PROCESS:
        done = auricle(*arguments, "--json", cwd=project)
        assert done.returncode == 0, done.stderr
        if arguments[0] == "compile":
            assert done.stderr == ""  # nothing of TensorFlow's, TFX's or absl's
        return done.stdout
    result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def document(text: str) -> Any:
    """A JSON document, or a list of those that stand in a line each."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def test_every_command_that_reports(prepared: Path) -> None:
    found: dict[tuple[str, ...], Any] = {}
    for arguments, kind in COMMANDS:
        said = document(answer(prepared, arguments))
        if kind in LINES and isinstance(said, dict):
            said = [said]  # there is only one line
        found[arguments] = said
        if kind is RunResult:
            said = {key: said[key] for key in said if key not in RunResult.model_computed_fields}
        TypeAdapter(kind).validate_json(json.dumps(said))
    assert found["run", "workflow.yaml"]["outcome"] == "pushed"
    assert found["run", "workflow.yaml"]["record"]["pushed_version"] == "1"
    assert found["schedule", "workflow.yaml", "--once"]["version"] == "2"
    assert [run["number"] for run in found["runs", "workflow.yaml"]] == [1, 2]
    assert found["init", "recordings", "--output", "new.yaml"]["labels"] == len(TONES_HZ)
    assert found["compile", "vertex.yaml", "--output", "pipeline.json"]["file"] == "pipeline.json"
    assert TINY["name"] == found["predict", "workflow.yaml", CLIP]["model"]


def test_no_command_is_left_out() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    elsewhere = {"submit"}  # asks Google: `pipeline/runners/test_vertex_submit.py`
    assert {arguments[0] for arguments, _ in COMMANDS} == set(commands) - elsewhere
    for name, command in commands.items():
        assert "--json" in [option for each in command.params for option in each.opts], name
