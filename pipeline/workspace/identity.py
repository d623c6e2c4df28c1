"""Which workflow a run directory belongs to: its name, and an id that stays when it is renamed."""

import json
import uuid

from pydantic import BaseModel, ValidationError

from components.storage.interface import ABSENT, StaleError, Stored
from components.storage.location import Location
from components.storage.trouble import STORE_REFUSED
from schemas.errors import RunDirectoryError
from schemas.workflow.workflow import Workflow

IDENTITY_FILE = "workflow.json"


class Identity(BaseModel):
    """What `workflow.json` says beside the workflow itself; no `id` where an earlier version wrote
    it.
    """

    name: str
    id: str = ""


def read_identity(root: Location) -> Identity | None:
    """Whose the run directory `root` is; None where nobody's.

    Raises:
        RunDirectoryError: its file cannot be read, or says something else.
    """
    found = _read(root)
    return found[0] if found else None


def write_identity(root: Location, workflow: Workflow, known_id: str) -> None:
    """Makes the run directory `root` the workflow's; `known_id` is its id if it has none yet, a new
    one where that is empty.

    Raises:
        RunDirectoryError: another workflow made it its own meanwhile.
    """
    found = _read(root)
    id_ = (found[0].id if found else "") or known_id or uuid.uuid4().hex
    content = json.dumps({"id": id_, **workflow.model_dump(mode="json")}, indent=2).encode()
    if found is not None and found[1].content == content:
        return
    try:
        (root / IDENTITY_FILE).put(content, if_match=found[1].generation if found else ABSENT)
    except StaleError as error:
        other = read_identity(root)
        if other is None or other.name != workflow.name:  # else it wrote what this one would
            raise RunDirectoryError(
                f"another workflow made {root} its own at the same moment; name another"
                " run.directory"
            ) from error


def _read(root: Location) -> tuple[Identity, Stored] | None:
    file = root / IDENTITY_FILE
    try:
        stored = file.stored()
        return Identity.model_validate_json(stored.content), stored
    except (FileNotFoundError, NotADirectoryError):
        return None
    except STORE_REFUSED:
        raise
    except (OSError, ValidationError) as error:
        what = getattr(error, "strerror", None) or "it was cut short, or changed"
        raise RunDirectoryError(
            f"{file} does not say whose run directory this is ({what}); replace it by a file that"
            ' holds {"name": "..."}, the name of the workflow that it belongs to'
        ) from error
