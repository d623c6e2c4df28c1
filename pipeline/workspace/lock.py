"""Whose a run directory is, and that only one run writes it at a time."""

import contextlib
import json
from collections.abc import Iterator

from pydantic_core import from_json

from components.storage.interface import HeldError
from components.storage.location import Location
from components.storage.trouble import STORE_REFUSED
from pipeline.workspace.identity import IDENTITY_FILE, Identity, read_identity, write_identity
from pipeline.workspace.kept_metadata import metadata_kept
from pipeline.workspace.leftovers import sweep
from pipeline.workspace.ownership import check_serving_owner, known_id
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import BusyError, RunDirectoryError

FORMAT = 3  # of run directories: versions with the digest of their manifest
_LOCK = ".lock"


@contextlib.contextmanager
def claim(project: Project) -> Iterator[RunDirectory]:
    """Holds the run directory for one run, and yields it.

    Raises:
        BusyError: another run holds it.
        RunDirectoryError: it belongs to another workflow, holds other files, or cannot be written.
    """
    directory = project.run_directory
    what = f"workflow '{project.name}' is already running"
    advice = f" in {directory.root}; wait for it, or give this run its own run.directory"
    _check_format(directory)  # before the lock leaves a file there
    with lock(directory, _LOCK, what, advice):
        adopt(project)
        sweep(directory)
        with metadata_kept(directory):
            yield directory


@contextlib.contextmanager
def lock(directory: RunDirectory, name: str, what: str, advice: str = "") -> Iterator[None]:
    """Holds the lock file `name` of a run directory, which says by which process it is held.

    Raises:
        BusyError: `what` another process does, its number, and `advice`.
        RunDirectoryError: the run directory cannot be written.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context((directory.root / name).lease())
        except HeldError as error:
            raise BusyError(f"{what} ({error}){advice}") from None
        except OSError as error:
            raise RunDirectoryError(
                f"cannot write run directory {directory.root}: {error.strerror or error}; mend"
                " that, or name another run.directory"
            ) from error
        yield


def is_held(directory: RunDirectory) -> bool:
    """Whether a run is under way in it."""
    return (directory.root / _LOCK).is_held()


def adopt(project: Project) -> None:
    """Makes the run directory this workflow's, unless it is already.

    Raises:
        RunDirectoryError: it, or the serving directory, belongs to another workflow, or holds other
            files.
    """
    directory = project.run_directory
    directory.local.mkdir(parents=True, exist_ok=True)
    check_owner(project)
    write_identity(directory.root, project.workflow, known_id(project))
    directory.format.put(json.dumps({"format": FORMAT}).encode())


def check_owner(project: Project) -> None:
    """Refuses a run directory or serving directory that is not this workflow's; nothing of them has
    to be there.

    Raises:
        RunDirectoryError: one belongs to another workflow, or the run directory holds other files,
            or was written by a newer version.
    """
    directory = project.run_directory
    _check_format(directory)
    _check_files(directory)
    owner = check_reader(project)
    if owner is None and (
        foreign := sorted(name for name in _names_in(directory.root) if name[0] != ".")
    ):
        raise RunDirectoryError(
            f"{directory.root} is not a run directory and holds other files "
            f"({', '.join(foreign[:3])}); name an empty or a new run.directory"
        )
    check_serving_owner(project)


def check_reader(project: Project) -> Identity | None:
    """Whose the run directory is, which is this workflow or nobody: part of one may have been
    copied here to be read.

    Raises:
        RunDirectoryError: it belongs to another workflow.
    """
    directory = project.run_directory
    owner = read_identity(directory.root)
    if owner is not None and owner.name != project.name:
        raise RunDirectoryError(
            f"{directory.root} belongs to workflow '{owner.name}', not '{project.name}'; name"
            f" another run.directory, or, where '{owner.name}' was renamed, change `name` in"
            f" {directory.root / IDENTITY_FILE}"
        )
    return owner


def _check_files(directory: RunDirectory) -> None:
    """Refuses folders that have the name of a file: it could not be replaced, perhaps at the end of
    a long run.
    """
    if not directory.root.is_local:
        return
    parents = {file.parent for file in directory.files}
    folders = {parent / name for parent in parents for name in parent.children()[1]}
    for file in directory.files:
        if file in folders:
            raise RunDirectoryError(
                f"{file} is a folder, where a run directory has a file; move it away"
            )


def _names_in(folder: Location) -> list[str]:
    files, folders = folder.children()
    return files + folders


def _check_format(directory: RunDirectory) -> None:
    """Refuses a run directory that a newer version wrote; one without a format is of the first."""
    try:
        found = from_json(directory.format.read())["format"]
    except (FileNotFoundError, NotADirectoryError):
        return
    except STORE_REFUSED:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(
            f"{directory.format} names no format of a run directory ({error}); delete it, unless a"
            " newer version of Auricle was used here"
        ) from error
    if not isinstance(found, int) or found > FORMAT:
        raise RunDirectoryError(
            f"{directory.root} was written by a newer version of Auricle (format {found}; this one"
            f" reads up to {FORMAT}); update Auricle, or name another run.directory"
        )
