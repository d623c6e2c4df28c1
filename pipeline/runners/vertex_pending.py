"""The job of a workflow on Vertex AI that was started last, and what it was made from: once it has
succeeded, that is what the schedule compares with.
"""

import datetime

from pydantic import BaseModel, ValidationError

from components.storage.location import Location
from pipeline.runs.snapshot import Observation, remember
from pipeline.workspace.paths import RunDirectory
from schemas.errors import AuricleError, DataGateError

_FILE = "submitted.json"


class Pending(BaseModel):
    """A job that was started, and nobody has seen the end of; `data` is the digest of its index."""

    job: str
    time: datetime.datetime
    data: str
    observed: Observation


def keep(pending: Pending, directory: RunDirectory) -> None:
    """Has `read_pending` find it."""
    _file(directory).put(pending.model_dump_json().encode())


def read_pending(directory: RunDirectory) -> Pending | None:
    """None where none was started, its end was seen, or another version of auricle started it."""
    try:
        return Pending.model_validate_json(_file(directory).read())
    except (FileNotFoundError, ValidationError):
        return None


def settle(pending: Pending, error: AuricleError | None, directory: RunDirectory) -> None:
    """Of a job that has ended: it is no longer pending, and one that succeeded, or that the data
    gate stopped, is the last finished run; another one is to be repeated.
    """
    is_stopped = isinstance(error, DataGateError)
    if error is None or is_stopped:
        remember(
            pending.observed,
            pending.data,
            directory,
            pending.time,
            has_trained=not is_stopped,
        )
    _file(directory).delete()


def _file(directory: RunDirectory) -> Location:
    return directory.root / _FILE
