"""A workflow together with its place: made once, where a command begins, and then handed on."""

import functools
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.loader import read_with_notes
from pipeline.workspace.paths import RunDirectory, locate_run_directory
from schemas.errors import InputError, RunDirectoryError
from schemas.workflow.workflow import Workflow


@dataclass(frozen=True)
class Project:
    """A workflow, and the folder that relative paths in it start from.

    `notes` say how the file was read where it does not say it itself.
    """

    workflow: Workflow
    folder: Path
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the workflow."""
        return self.workflow.name

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        return "://" not in (self.workflow.run.directory or "")

    def check_runs_here(self) -> None:
        """Refuses a workflow that is meant to run elsewhere.

        Raises:
            InputError: says how it would run here.
        """
        if self.workflow.run.orchestrator != "local" or not self.is_local:
            raise InputError(
                f"{self.name}: its `run` block is for Vertex AI, for which `auricle compile` writes"
                " it; to run here it needs `orchestrator: local` and a `directory` of this machine"
            )

    @functools.cached_property
    def run_directory(self) -> RunDirectory:
        """Where it runs; nothing of it has to be there yet.

        Raises:
            RunDirectoryError: not on this machine.
        """
        if not self.is_local:
            raise RunDirectoryError(f"{self.workflow.run.directory} is not on this machine")
        return locate_run_directory(self.workflow, self.folder)


def read_project(file: str | Path) -> Project:
    """The project of a workflow file: paths in it are relative to the folder it lies in, so that it
    means the same wherever it is read from.

    Raises:
        WorkflowError: with a line for every problem in the file.
    """
    workflow, notes = read_with_notes(file)
    return Project(workflow, Path(file).resolve().parent, notes)
