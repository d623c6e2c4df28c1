"""What several commands take, and the project that they begin with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.workspace.project import Project

WorkflowFile = Annotated[Path, typer.Argument(metavar="FILE", help="The workflow file.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


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
