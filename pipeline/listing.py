"""The rows of a workflow as its run directory has them: the person's data, with the feedback clips,
without the speakers that are to be forgotten.
"""

import hashlib
import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from components.durable import replace_file
from components.example_gen.sources import Listing, list_utterances
from pipeline.run_directory import RunDirectory, locate_run_directory
from schemas.errors import InputError
from schemas.workflow import Workflow


class Forgotten(BaseModel):
    """Who is to be forgotten, without a name: SHA-256 of `salt` and the name, in hex."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    salt: str
    speakers: list[str] = []

    def has(self, speaker: str) -> bool:
        """Whether this speaker is to be forgotten."""
        return bool(self.speakers) and self._hashed(speaker) in self.speakers

    def with_speaker(self, speaker: str) -> "Forgotten":
        """The same with one more."""
        if self.has(speaker):
            return self
        return self.model_copy(update={"speakers": [*self.speakers, self._hashed(speaker)]})

    def _hashed(self, speaker: str) -> str:
        return hashlib.sha256(f"{self.salt}{speaker}".encode()).hexdigest()


class _Remembered(dict[str, bool]):
    """Asks `Forgotten` once about each speaker: a million rows have a few thousand."""

    def __init__(self, forgotten: Forgotten) -> None:
        super().__init__()
        self._forgotten = forgotten

    def __missing__(self, speaker: str) -> bool:
        self[speaker] = self._forgotten.has(speaker)
        return self[speaker]


def read_forgotten(directory: RunDirectory) -> Forgotten:
    """The list of a run directory; a fresh, empty one where there is none yet.

    Raises:
        InputError: it cannot be read. A run that went on without it would hear them again.
    """
    try:
        return Forgotten.model_validate_json(directory.forgotten.read_bytes())
    except FileNotFoundError:
        return Forgotten(salt=secrets.token_hex(16))
    except (OSError, ValidationError) as error:
        what = str(error).partition("\n")[0]
        raise InputError(
            f"{directory.forgotten} is no list of forgotten speakers: {what}"
        ) from error


def write_forgotten(forgotten: Forgotten, directory: RunDirectory) -> None:
    """Replaces the list, whole or not at all."""
    replace_file(directory.forgotten, forgotten.model_dump_json(indent=2).encode())


def list_rows(workflow: Workflow, base: Path) -> Listing:
    """What a run would read: `list_utterances`, and what the run directory says of it.

    Raises:
        DataError: nothing in the data can be used.
        InputError: the list of forgotten speakers cannot be read.
    """
    if "://" in (workflow.run.directory or ""):  # not on this machine
        return list_utterances(workflow.data, base)
    directory = locate_run_directory(workflow, base)
    remembered = _Remembered(read_forgotten(directory))
    return list_utterances(workflow.data, base, directory.feedback, remembered.__getitem__)
