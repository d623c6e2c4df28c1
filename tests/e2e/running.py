"""Runs a project, in this process or by the command line, for tests."""

import os
import subprocess
import sys
from pathlib import Path

from e2e.tiny import TINY

from pipeline.runners.local import run_workflow
from pipeline.runs.result import RunResult
from pipeline.workspace.project import read_project

AURICLE = [sys.executable, "-W", "ignore", "-c", "from pipeline.cli import main; main()"]


def auricle(
    *arguments: str, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`auricle` with these arguments, in `cwd`."""
    return subprocess.run(
        [*AURICLE, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=280,
        env=os.environ | (environment or {}),
    )


def run(project: Path) -> RunResult:
    """Runs its workflow here."""
    return run_workflow(read_project(project / "workflow.yaml"))


def artifacts(project: Path, component: str, output: str) -> Path:
    """The folder of the newest artifact of one output."""
    root = project / "runs" / TINY["name"] / "artifacts" / component / output
    return max(root.iterdir(), key=lambda folder: int(folder.name))
