"""The files of `docs/deploy` say what this project does: paths, commands, exit codes."""

import configparser
import re
import runpy
import shlex
import subprocess
import sys
import types
from pathlib import Path

import pytest
from seen import add_span, finish_run
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.workspace.project import read_project
from schemas.errors import DataGateError

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
WORKFLOW = "name: digits\ndata: {manifests: 'data/{SPAN}/manifest.jsonl'}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A workflow file that has run and has nothing new."""
    add_span(tmp_path, 1)
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    finish_run(read_project(tmp_path / "workflow.yaml"))
    return tmp_path / "workflow.yaml"


def arguments(command: str, project: Path) -> list[str]:
    """What the installed program is called with, on this project's workflow."""
    program, *given = shlex.split(command)
    assert Path(program).name == "auricle"
    return [str(project) if word.endswith(".yaml") else word for word in given]


class _Recorder(types.ModuleType):
    """Stands for Airflow, which excludes this project's libraries: keeps what it is called with."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[dict[str, object]] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, **given: object) -> "_Recorder":
        self.calls.append(given)
        return self


def test_the_airflow_task_runs_and_skips_what_a_gate_stopped(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow, bash = _Recorder("airflow"), _Recorder("airflow.operators.bash")
    airflow.DAG = bash.BashOperator = airflow  # type: ignore[attr-defined]
    for name, module in (("", airflow), (".operators", bash), (".operators.bash", bash)):
        monkeypatch.setitem(sys.modules, f"airflow{name}", module)
    runpy.run_path(str(DEPLOY / "airflow_dag.py"))
    dag, task = airflow.calls
    assert (dag["max_active_runs"], dag["catchup"]) == (1, False)
    assert task["skip_on_exit_code"] == [DataGateError.exit_code]
    done = CliRunner().invoke(app, arguments(str(task["bash_command"]), project))
    assert done.exit_code == 0
    assert done.stdout.startswith("nothing new")


def test_the_service_is_a_schedule_that_starts_again(project: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "auricle@.service")
    service = unit["Service"]
    assert service["Restart"] == "on-failure"
    given = arguments(service["ExecStart"], project)
    assert given == ["schedule", str(project)]
    assert CliRunner().invoke(app, [*given, "--once"]).exit_code == 0
    assert Path(service["ExecStart"].split()[1 + 1]).parent == Path(service["WorkingDirectory"])


def test_the_container_takes_what_is_in_the_repository() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    [base] = [line for line in lines if line.startswith("FROM ")]
    assert f"python:{(ROOT / '.python-version').read_text().strip()}" in base
    [install] = [line for line in lines if "pip sync" in line]
    assert (ROOT / install.split()[-2]).is_file()
    [entry] = [line for line in lines if line.startswith("ENTRYPOINT ")]
    assert entry == 'ENTRYPOINT ["/opt/auricle/.venv/bin/auricle"]'


def test_the_workers_image_is_of_the_locked_beam_and_python() -> None:
    text = (DEPLOY / "beam.Dockerfile").read_text()
    python = (ROOT / ".python-version").read_text().strip()
    locked = re.search(
        r"^apache-beam==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    assert locked is not None
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == [
        f"apache/beam_python{python}_sdk:{locked[1]}",
        f"python:{python}-slim-bookworm",
    ]
    assert "uv pip sync --require-hashes requirements.lock" in text
    assert text.rstrip().endswith('ENTRYPOINT ["/opt/apache/beam/boot"]')
    [proof] = re.findall(r'python -c "(.*)"', text)
    subprocess.run([sys.executable, "-W", "ignore", "-c", proof], check=True, cwd="/")
