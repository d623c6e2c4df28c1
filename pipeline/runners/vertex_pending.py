"""The job of a workflow on Vertex AI that was started last, and what it was made from: once it has
succeeded, that is what the schedule compares with.
"""

import datetime

from pydantic import BaseModel, ValidationError

from components.storage.location import Location
from pipeline.runs.snapshot import Observation, remember
from pipeline.runs.stamps import Stamps, read_stamps, write_stamps
from pipeline.workspace.paths import RunDirectory
from schemas.errors import AuricleError, DataGateError

_FILE = "submitted.json"
_STAMPS = "submitted-files.json"


class Pending(BaseModel):
    """A job that was started, and nobody has seen the end of; `data` is the digest of its index.
    The stamps of its recordings lie beside it.
    """

    job: str
    time: datetime.datetime
    data: str
    observed: Observation


def keep(pending: Pending, stamps: Stamps, directory: RunDirectory) -> None:
    """Has `read_pending` find it."""
    write_stamps(stamps, _stamps(directory))
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
            read_stamps(_stamps(directory)),
            pending.data,
            directory,
            pending.time,
            has_trained=not is_stopped,
        )
    _file(directory).delete()
    _stamps(directory).delete()


def _file(directory: RunDirectory) -> Location:
    return directory.root / _FILE


def _stamps(directory: RunDirectory) -> Location:
    return directory.root / _STAMPS
