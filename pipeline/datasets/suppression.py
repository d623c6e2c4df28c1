"""The speakers that every run leaves out, kept without their names."""

import hashlib
import secrets

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.workspace.paths import RunDirectory
from schemas.errors import InputError
from schemas.text import plain


class Forgotten(BaseModel):
    """Who is to be forgotten, without a name: SHA-256 of `salt` and the name, in hex."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    salt: str
    speakers: list[str] = []

    def has(self, speaker: str) -> bool:
        """Whether this speaker is to be forgotten, in this spelling or the plain one."""
        return bool(self.speakers) and any(
            self._hashed(name) in self.speakers for name in {speaker, plain(speaker)}
        )

    def with_speaker(self, speaker: str) -> "Forgotten":
        """The same with one more."""
        if self.has(speaker):
            return self
        return self.model_copy(update={"speakers": [*self.speakers, self._hashed(speaker)]})

    def _hashed(self, speaker: str) -> str:
        return hashlib.sha256(f"{self.salt}{speaker}".encode()).hexdigest()


def read_forgotten(directory: RunDirectory) -> Forgotten:
    """The list of a run directory; a fresh, empty one where there is none yet.

    Raises:
        InputError: it cannot be read. A run that went on without it would hear them again.
    """
    try:
        return Forgotten.model_validate_json(directory.forgotten.read())
    except (FileNotFoundError, NotADirectoryError):  # a file where the folder is to be
        return Forgotten(salt=secrets.token_hex(16))
    except (OSError, ValidationError) as error:
        what = str(error).partition("\n")[0]
        raise InputError(
            f"{directory.forgotten} is no list of forgotten speakers: {what}; take it from a copy,"
            " or delete it and forget them again"
        ) from error


def write_forgotten(forgotten: Forgotten, directory: RunDirectory) -> None:
    """Replaces the list, whole or not at all."""
    directory.forgotten.put(forgotten.model_dump_json(indent=2).encode())
