"""What the last ingest could not use, for people: grouped by reason, most frequent first."""

from pathlib import Path

from pipeline.workspace.paths import locate_run_directory
from schemas.errors import InputError
from schemas.reports.rejects import Reject
from schemas.utterance import REJECT_REASONS
from schemas.workflow.workflow import Workflow


def read_rejects(workflow: Workflow, base: Path, reason: str | None = None) -> list[Reject]:
    """The rejects of the last ingest of `workflow`, sorted by id; only those of `reason`, if given.

    Raises:
        InputError: nothing was ingested yet, or there is no such reason.
    """
    if reason is not None and reason not in REJECT_REASONS:
        raise InputError(f"--reason: got {reason!r}, expected one of {', '.join(REJECT_REASONS)}")
    path = locate_run_directory(workflow, base).rejects
    if not path.exists():
        raise InputError(f"no run of {workflow.name} has read its recordings yet ({path})")
    with path.open("rb") as file:
        rejects = [Reject.model_validate_json(line) for line in file]
    return [reject for reject in rejects if reason is None or reject.reason == reason]
