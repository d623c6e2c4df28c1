"""A workflow together with its place: made once, where a command begins, and then handed on."""

import functools
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.loader import read_with_notes
from pipeline.workspace.paths import RunDirectory, locate_run_directory
from schemas.errors import InputError
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
    def runs_here(self) -> bool:
        """Whether this machine runs it, wherever its run directory lies."""
        return self.workflow.run.orchestrator == "local"

    def check_runs_here(self) -> None:
        """Refuses a workflow that is meant to run elsewhere.

        Raises:
            InputError: says how it would run here.
        """
        if not self.runs_here:
            raise InputError(
                f"{self.name}: its `run` block is for Vertex AI, for which `auricle compile` writes"
                " it; to run here it needs `orchestrator: local`"
            )

    @functools.cached_property
    def run_directory(self) -> RunDirectory:
        """Where it runs; nothing of it has to be there yet."""
        return locate_run_directory(self.workflow, self.folder)


def read_project(file: str | Path) -> Project:
    """The project of a workflow file: paths in it are relative to the folder it lies in, so that it
    means the same wherever it is read from.

    Raises:
        WorkflowError: with a line for every problem in the file.
    """
    workflow, notes = read_with_notes(file)
    return Project(workflow, Path(file).resolve().parent, notes)
