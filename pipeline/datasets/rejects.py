"""What the last ingest could not use, for people: grouped by reason, most frequent first."""

from collections import defaultdict
from pathlib import Path

import typer

from pipeline.workspace.paths import locate_run_directory
from schemas.errors import InputError
from schemas.reports.rejects import Reject
from schemas.utterance import REJECT_REASONS
from schemas.workflow.workflow import Workflow

_SHOWN = 5


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


def print_rejects(rejects: list[Reject], everything: bool) -> None:
    """Groups of one reason with their rows: the first few, or `everything`."""
    groups: dict[str, list[Reject]] = defaultdict(list)
    for reject in rejects:
        groups[reject.reason].append(reject)
    for reason, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        typer.echo(f"{reason}: {len(group):,}")
        shown = group if everything else group[:_SHOWN]
        for reject in shown:
            decoder = f" [{reject.decoder}]" if reject.decoder else ""
            typer.echo(f"  {_one_line(reject.id)}: {_one_line(reject.detail)}{decoder}")
        if len(shown) < len(group):
            typer.echo(f"  and {len(group) - len(shown):,} more: --reason {reason}")
    if not rejects:
        typer.echo("Nothing was rejected")


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]
