"""The exceptions a caller can meet, and the exit code each one ends `auricle` with.

AuricleError                1  an internal error
├── InputError              2  what the person gave cannot be used
│   ├── WorkflowError          the workflow file: file, line, key, got, expected, nearest name
│   ├── DataError              the recordings: none found, one class, one speaker, ...
│   ├── RunDirectoryError      the run directory: another workflow's, full, not writable
│   │   └── BusyError              another run holds it
│   ├── VersionError           a published version: not there, changed since, failed before
│   └── JobError               a Beam runner: refused the job, does not answer, lost its workers
├── RegistryError           1  the model registry does not answer, or refuses
├── DataGateError           3  the data may not train a model
└── ClipError                  one clip cannot be used; becomes a reject, never ends a run
"""


class AuricleError(Exception):
    """An error that Auricle can name."""

    exit_code = 1


class InputError(AuricleError):
    """What the person gave cannot be used."""

    exit_code = 2


class WorkflowError(InputError):
    """The workflow file cannot be used; the message names file, line and key."""


class DataError(InputError):
    """The recordings cannot be used as a data set."""


class RunDirectoryError(InputError):
    """The run directory cannot be used now."""


class BusyError(RunDirectoryError):
    """Another run holds the run directory."""


class VersionError(InputError):
    """A published version cannot be used: not there, changed since, or marked as failed."""


class JobError(InputError):
    """The runner of a Beam job, which is not ours, refused it or could not finish it."""


class RegistryError(AuricleError):
    """The model registry does not answer, or refuses."""


class DataGateError(AuricleError):
    """The data may not train a model; the message says which rules are broken."""

    exit_code = 3


class ClipError(AuricleError):
    """One clip cannot be used; it becomes a reject with this reason.

    `reason` is one of the closed list `schemas.utterance.REJECT_REASONS`, `detail` says what was
    seen, `decoder` what read the file, where anything got that far.
    """

    def __init__(self, reason: str, detail: str, decoder: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.decoder = decoder

    def __reduce__(self) -> tuple[type["ClipError"], tuple[str, str, str]]:
        # Crosses process borders in Beam workers; the default would pass one argument.
        return ClipError, (self.reason, self.detail, self.decoder)
