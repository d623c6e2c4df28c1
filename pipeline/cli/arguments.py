"""What several commands take, and the project that they begin with."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from pipeline.cli.output import say, say_json
from schemas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

    from pipeline.inference.predict import TrainedModel
    from pipeline.workspace.project import Project

Found = TypeVar("Found", bound="BaseModel")


def checked_path(path: Path | None) -> Path | None:
    """The path; what is there, if anything, is seen to later.

    Raises:
        InputError: no file could ever be there, or nobody may look.
    """
    try:
        if path is not None and path.is_dir():
            next(path.iterdir(), None)
        elif path is not None:
            path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return path


WorkflowFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="The workflow file.", callback=checked_path)
]
WorkflowOrRecordings = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="The workflow file; or a folder of recordings, a manifest.",
        callback=checked_path,
    ),
]
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
        say_json(found.model_dump_json(indent=2))
    else:
        view(found)


@contextlib.contextmanager
def output_kept(is_kept: bool) -> "Iterator[None]":
    """Has what is drawn meanwhile, also by libraries, go to standard error where `is_kept`: then
    only a JSON document is on standard output.
    """
    if not is_kept:
        yield
        return
    sys.stdout.flush()
    output = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(output, 1)
        os.close(output)


def is_no_workflow(file: Path) -> bool:
    """Whether a command that takes recordings too was given some; imports nothing for a workflow
    file.
    """
    if file.suffix.lower() in (".yaml", ".yml"):
        return False
    from pipeline.datasets.scaffold import is_recordings

    return is_recordings(file)


def load(file: Path) -> "Project":
    """The project of a workflow file. A command calls this before it imports what is heavy, so that
    a file that is refused is refused at once.

    Raises:
        WorkflowError: with a line for every problem in the file.
    """
    from pipeline.workspace.project import read_project

    project = read_project(file)
    for note in project.notes:
        say(f"note: {note}", err=True)
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
