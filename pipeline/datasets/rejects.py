"""What the last ingest could not use, for people: grouped by reason, most frequent first."""

from pipeline.workspace.lock import check_reader
from pipeline.workspace.project import Project
from schemas.errors import InputError
from schemas.reports.rejects import Reject, parse_rejects
from schemas.utterance import REJECT_REASONS


def read_rejects(project: Project, reason: str | None = None) -> list[Reject]:
    """The rejects of the last ingest of a workflow, sorted by id; only those of `reason`, if given.

    Raises:
        InputError: nothing was ingested yet, or there is no such reason.
    """
    if reason is not None and reason not in REJECT_REASONS:
        raise InputError(f"--reason: got {reason!r}, expected one of {', '.join(REJECT_REASONS)}")
    check_reader(project)
    file = project.run_directory.rejects
    try:
        rejects = parse_rejects(file.read())
    except FileNotFoundError:
        message = f"no run of {project.name} has read its recordings yet ({file})"
        raise InputError(message) from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{file} is damaged; the next run writes it anew ({error})") from None
    return [reject for reject in rejects if reason is None or reject.reason == reason]
