"""The command line as a person meets it: help, exit codes, messages instead of tracebacks."""

import datetime
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scored import classifier_verdict
from typer.testing import CliRunner

from pipeline import cli
from pipeline.config.loader import read_workflow
from pipeline.runs.records import RunRecord
from pipeline.runs.result import RunResult
from pipeline.workspace.project import Project
from schemas.errors import InputError
from schemas.reports.metrics import Interval
from schemas.reports.serving import ServingReport

AURICLE = [sys.executable, "-c", "from pipeline.cli import main; main()"]
COMMANDS = ("init", "plan", "run", "predict", "explain", "notify", "compile", "feedback", "forget")


def auricle(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*AURICLE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def call_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """The exit code of main() in this process."""
    monkeypatch.setattr(sys, "argv", ["auricle", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code


def test_help_answers_at_once_and_names_every_command() -> None:
    before = os.times()
    done = auricle("--help")
    after = os.times()
    assert done.returncode == 0
    # Of the processor, since the machine may be busy with other things; it waits for nothing else.
    spent_s = after.children_user + after.children_system
    assert spent_s - before.children_user - before.children_system < 0.5
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout
    assert "..." not in done.stdout.split("Commands:")[1]  # no description is cut off
    assert "3 stopped by a gate" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = CliRunner().invoke(cli.app, [command, "--help"])
    assert done.exit_code == 0
    assert f"\n    auricle {command} " in done.stdout


def test_the_version_is_the_packages() -> None:
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.stdout) == (
        0,
        f"auricle {importlib.metadata.version('auricle')}\n",
    )


def test_a_command_that_is_none_gets_the_nearest() -> None:
    done = CliRunner().invoke(cli.app, ["pln"])
    assert done.exit_code == 2
    assert "'plan'" in done.output


def test_no_command_shows_help() -> None:
    done = auricle()
    assert done.returncode == 2
    assert "Usage:" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["rum"], ["run"], ["plan", "a.yaml", "--jsn"]])
def test_wrong_arguments_are_bad_input(arguments: list[str]) -> None:
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 2
    assert "Usage:" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "arguments",
    [["plan", "gone.yaml"], ["run", "gone.yaml"], ["predict", "gone.yaml", "a.wav"]],
)
def test_bad_input_is_a_message_and_exit_code_2(tmp_path: Path, arguments: list[str]) -> None:
    done = auricle(arguments[0], tmp_path / arguments[1], *arguments[2:])
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"{tmp_path}/gone.yaml: no such file")
    assert done.stderr.count("\n") == 1


def test_a_plan_that_a_run_would_refuse(tmp_path: Path) -> None:
    for label in ("go", "no"):
        (tmp_path / "clips" / label).mkdir(parents=True)
    (tmp_path / "clips" / "go" / "a.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    path = tmp_path / "workflow.yaml"
    path.write_text("name: words\ndata: {folder: clips}\n")
    done = auricle("plan", path)
    assert done.returncode == 2
    assert done.stdout.startswith("words: 1 clips")
    assert done.stderr.startswith("A run would be refused. data: one class only (go);")


HEAVY = (
    "apache_beam",
    "keras",
    "numpy",
    "pydantic",
    "rich",
    "schemas.workflow",
    "tensorflow",
    "tfx",
)


def test_the_command_line_loads_nothing_heavy() -> None:
    """`--help`, and with it every command's first answer, waits for what this imports."""
    code = "import sys; from pipeline.cli import app; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "pipeline.cli.models" in loaded
    assert not [name for name in HEAVY if name in loaded]


def test_a_fault_is_short_and_its_traceback_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a long\nstory")

    monkeypatch.setattr("pipeline.workspace.project.read_with_notes", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert call_main(monkeypatch, "plan", "workflow.yaml") == 1
    fault, where = capsys.readouterr().err.splitlines()
    assert fault == "internal error: ZeroDivisionError: a long"
    [log] = tmp_path.iterdir()
    assert where == f"Traceback: {log}"
    assert "in fail\n    raise ZeroDivisionError" in log.read_text()


def test_a_fault_of_a_run_is_kept_with_its_logs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    path = tmp_path / "workflow.yaml"
    path.write_text("name: words\ndata: {generated: {}}\n")
    logs = tmp_path / "runs" / "words" / "logs"
    logs.mkdir(parents=True)
    monkeypatch.setattr("pipeline.runners.local.run_workflow", fail)
    assert call_main(monkeypatch, "run", str(path)) == 1
    [log] = logs.iterdir()
    assert capsys.readouterr().err.splitlines()[1] == f"Traceback: {log}"


def test_a_run_for_elsewhere_is_refused_here(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_text("name: words\ndata: {generated: {}}\nrun: {orchestrator: vertex}\n")
    with pytest.raises(InputError, match="`run`"):
        CliRunner().invoke(cli.app, ["run", str(path)], catch_exceptions=False)


@pytest.mark.parametrize("is_pushed", [True, False])
def test_the_result_of_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_pushed: bool
) -> None:
    verdict = classifier_verdict(
        outcome="blessed" if is_pushed else "refused",
        reasons=["accuracy 0.9125 against at least 0.9"],
        rules=[],
        confidence=0.95,
        clips=1200,
        accuracy=0.9125,
        accuracy_interval=Interval(low=0.895, high=0.927),
        macro_f1=0.9,
        calibration_error=0.1,
        baseline=0.8,
        difference=0.1125,
        difference_interval=Interval(low=0.09, high=0.13),
        unsliced={},
        classes={},
        slices=[],
        confusion=[],
        labels=[],
        generated=True,
    )
    path = tmp_path / "workflow.yaml"
    path.write_text("name: words\ndata: {generated: {}}\n")
    record = RunRecord(
        number=1,
        finished=datetime.datetime.now(datetime.timezone.utc),
        workflow=read_workflow(path),
        data="",
        verdict=verdict,
        serving=ServingReport(passed=is_pushed, rules=[], asked=0),
        pushed_version="3" if is_pushed else None,
        scores="",
        seconds=75.0,
    )
    result = RunResult(
        record=record,
        report=tmp_path / "report.html",
        log=tmp_path / "run.log",
        pushed_to=tmp_path / "serving" / "3" if is_pushed else None,
        reused=["AudioExampleGen"],
        ran=["Trainer", "Evaluator"],
        notes=[],
    )
    monkeypatch.setattr("pipeline.runners.local.run_workflow", lambda *_: result)
    done = CliRunner().invoke(cli.app, ["run", str(path)])
    assert done.exit_code == (0 if is_pushed else 3)
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == ("Published" if is_pushed else "Refused: nothing was published")
    assert lines[1] == "- accuracy 0.9125 against at least 0.9"
    assert (
        "accuracy  0.912 (0.895 to 0.927) on 1,200 test clips of generated speech"
        " (last blessed model: 0.800)" in lines
    )
    assert (f"model  {tmp_path}/serving/3" in lines) == is_pushed
    assert f"report  {tmp_path}/report.html" in lines
    assert "steps  2 ran, 1 reused" in lines
    assert "time  1 min 15 s" in lines
    assert (f"try it  auricle predict {path} CLIP --candidate" in lines) != is_pushed


def test_an_interrupt_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.workspace.project.read_with_notes", interrupt)
    assert call_main(monkeypatch, "plan", "workflow.yaml") == 130
    assert capsys.readouterr().err.startswith("Interrupted.")


def test_a_closed_pipe_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_text("name: words\ndata: {generated: {}}\n")
    command = f"{sys.executable} -c 'from pipeline.cli import main; main()' plan {path} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("words: 1,200 clips of generated speech")
    assert done.stderr == ""


def test_recordings_in_place_of_a_workflow(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").symlink_to(digits)
    folder = tmp_path / "digits"
    done = CliRunner().invoke(cli.app, ["plan", str(folder)])
    assert done.exit_code == 0
    assert not (tmp_path / f"{digits.name}.yaml").exists()
    names: list[str] = []

    def run_workflow(project: Project) -> None:
        names.append(project.name)
        raise InputError("enough")

    monkeypatch.setattr("pipeline.runners.local.run_workflow", run_workflow)
    for first in ("Wrote", "Running"):
        done = CliRunner().invoke(cli.app, ["run", str(folder)])
        assert done.stdout.splitlines()[0].startswith(f"{first} {tmp_path / digits.name}.yaml")
    assert names == [digits.name, digits.name]


def test_init_then_plan(tmp_path: Path, digits: Path) -> None:
    output = tmp_path / "fsdd.yaml"
    done = auricle("init", digits, "--output", output)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"Next: auricle plan {output}"
    assert auricle("plan", output).returncode == 0
