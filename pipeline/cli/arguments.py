"""What several commands take, and the project that they begin with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from pipeline.inference.predict import TrainedModel
    from pipeline.workspace.project import Project

Found = TypeVar("Found", bound="BaseModel")
WorkflowFile = Annotated[Path, typer.Argument(metavar="FILE", help="The workflow file.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]

Candidate = Annotated[
    bool, typer.Option("--candidate", help="The model that the last run trained, published or not.")
]
RunNumber = Annotated[
    int | None,
    typer.Option("--run", metavar="N", help="The model of a run, as `runs` lists it."),
]


def show(found: Found, as_json: bool, view: "Callable[[Found], None]") -> None:
    """Prints what a command found: as JSON, or as `view` has it."""
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        view(found)


def load(file: Path) -> "Project":
    """The project of a workflow file. A command calls this before it imports what is heavy, so that
    a file that is refused is refused at once.

    Raises:
        WorkflowError: with a line for every problem in the file.
    """
    from pipeline.workspace.project import read_project

    project = read_project(file)
    for note in project.notes:
        typer.echo(f"note: {note}", err=True)
    return project


def load_asked(project: "Project", candidate: bool, run: int | None) -> "TrainedModel":
    """The model that a command is to ask: the published one, or one that a run trained.

    Raises:
        InputError: there is none.
    """
    if candidate or run is not None:
        from pipeline.runs.trained_models import load_candidate

        return load_candidate(project, run)
    from pipeline.inference.predict import load_model

    return load_model(project)
