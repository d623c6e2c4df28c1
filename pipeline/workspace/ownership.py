"""Whose a serving directory is: one workflow publishes there, reads it, and removes from it.

Who a workflow is says the id of its run directory, which stays when workflow or folder are renamed.
The owner's file lies in the serving directory itself, where every other workflow meets it; model
servers pass over what has no number for a name.
"""

from pydantic import BaseModel, ValidationError

from components.storage.interface import ABSENT, StaleError, Stored
from components.storage.location import Location, location_of
from components.storage.trouble import STORE_REFUSED
from components.versions.ledger import read_ledger
from components.versions.manifest import read_manifest
from components.versions.serving import pushed_versions
from pipeline.workspace.identity import read_identity
from pipeline.workspace.project import Project
from schemas.errors import RunDirectoryError, VersionError

OWNER_FILE = "owner.json"


class Owner(BaseModel):
    """Whose a serving directory is. One that a person handed over names the `workflow` alone."""

    workflow: str
    run_directory: str = ""
    id: str = ""


def check_serving_owner(project: Project) -> None:
    """Refuses a serving directory that is not this workflow's; changes nothing.

    Raises:
        RunDirectoryError: it belongs to another workflow, or its file does not say to whom.
    """
    _read(project)


def own_serving(project: Project) -> None:
    """Makes the serving directory this workflow's, unless it is already; of two that come at once,
    one has it. For who holds the run directory.

    Raises:
        RunDirectoryError: it belongs to another workflow.
    """
    directory = project.run_directory
    identity = read_identity(directory.root)
    own = Owner(
        workflow=project.name,
        run_directory=str(directory.root),
        id=identity.id if identity else "",
    )
    found = _read(project)
    if found is not None and found[0] == own:
        return
    content = own.model_dump_json(indent=2).encode()
    try:
        generation = found[1].generation if found else ABSENT
        (directory.serving / OWNER_FILE).put(content, if_match=generation)
    except StaleError:
        check_serving_owner(project)
    except OSError as error:
        raise RunDirectoryError(
            f"cannot write the serving directory {directory.serving}: {error.strerror};"
            " push.directory names another"
        ) from error


def known_id(project: Project) -> str:
    """The id that the serving directory knows this run directory by; empty where by none. So one
    that was lost, and is begun anew at the same place, goes on with what it published.
    """
    found = _read(project)
    return found[0].id if found and found[0].run_directory == str(_root(project)) else ""


def _root(project: Project) -> Location:
    return project.run_directory.root


def _read(project: Project) -> tuple[Owner, Stored] | None:
    """What the owner's file says, which is this workflow; None where there is none yet."""
    serving = project.run_directory.serving
    file = serving / OWNER_FILE
    try:
        stored = file.stored()
        owner = Owner.model_validate_json(stored.content)
    except (FileNotFoundError, NotADirectoryError):
        _check_names(project)
        return None
    except STORE_REFUSED:
        raise
    except (OSError, ValidationError) as error:
        what = getattr(error, "strerror", None) or "it was cut short, or changed"
        raise RunDirectoryError(
            f"{file} does not say whose serving directory this is ({what}). {_way(project)}"
        ) from error
    if not _is_own(project, owner):
        place = f" ({owner.run_directory})" if owner.run_directory else ""
        raise RunDirectoryError(
            f"{serving} is the serving directory of workflow '{owner.workflow}'{place}, not of"
            f" '{project.name}' ({_root(project)}); name another push.directory. {_way(project)}"
        )
    return owner, stored


def _is_own(project: Project, owner: Owner) -> bool:
    if not owner.id:  # handed over by a person
        return owner.workflow == project.name
    identity = read_identity(_root(project))
    if identity is not None and identity.id:
        return identity.id == owner.id and not _is_copy(project, owner)
    # Lost, and begun anew: no other run directory can be at its place, nor around what was copied.
    is_here = owner.run_directory == str(_root(project))
    is_inside = project.run_directory.serving.is_in(_root(project))
    return owner.workflow == project.name and (is_here or is_inside)


def _is_copy(project: Project, owner: Owner) -> bool:
    """Whether this run directory is a copy of the owner's, which is still where it was. The copy of
    a run directory with a serving directory inside has one of its own.
    """
    root = _root(project)
    if owner.run_directory == str(root) or project.run_directory.serving.is_in(root):
        return False
    try:
        first = location_of(owner.run_directory)
        if first.is_local and root.is_local and first.path.samefile(root.path):
            return False  # reached by two ways
        identity = read_identity(first)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError, RunDirectoryError):
        return True  # it cannot be told
    return identity is not None and identity.id == owner.id


def _check_names(project: Project) -> None:
    """Refuses versions of another workflow where nobody owns the directory yet, as an earlier
    version of Auricle left it. Folders made by hand name nobody.
    """
    serving = project.run_directory.serving
    names: dict[str, str] = {}
    for version in pushed_versions(serving):
        try:
            manifest = read_manifest(version.folder)
        except VersionError:
            continue
        names[manifest.push_id] = manifest.name
    if {project.name}.issuperset(names.values()):
        return
    known = {record.push_id for record in read_ledger(project.run_directory.ledger).versions}
    others = sorted({name for id_, name in names.items() if id_ not in known} - {project.name})
    if others:
        raise RunDirectoryError(
            f"{serving} holds versions of {', '.join(map(repr, others))}, and"
            f" '{project.name}' would take them for its own; name another push.directory."
            f" {_way(project)}"
        )


def _way(project: Project) -> str:
    file = project.run_directory.serving / OWNER_FILE
    return (
        f"To give it to '{project.name}' for good, replace {file} by a file that holds"
        f' {{"workflow": "{project.name}"}}'
    )
