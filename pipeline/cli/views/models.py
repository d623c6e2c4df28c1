"""Published versions on the terminal."""

from collections.abc import Mapping

import typer

from components.evaluation.formatting import measured_text
from pipeline.cli.views.terminal import console, shown_place, table
from pipeline.releases.rollout import Exported, Rollout
from schemas.reports.verdict import Verdict
from schemas.versions import Ledger, VersionRecord


def print_models(ledger: Ledger, verdicts: Mapping[int, Verdict]) -> None:
    """A table of all versions for people, with the verdicts of those that are there."""
    measures = [verdict.headline.name for verdict in verdicts.values()]
    measure = measures[-1] if measures else "result"
    headings = ("version", "published", measure, "clips", "registry", "state")
    rows = table(*headings, fold=["state"])
    for record in reversed(ledger.versions):
        verdict = verdicts.get(record.version)
        rows.add_row(
            str(record.version),
            f"{record.created.astimezone():%Y-%m-%d %H:%M}",
            measured_text(verdict.headline.value, verdict.headline.unit) if verdict else "",
            f"{verdict.clips:,}" if verdict else "",
            record.entry or "not yet",
            _state(record, ledger),
        )
    console().print(rows)


def print_rollout(step: Rollout) -> None:
    """What is served now."""
    for line in step.notes:
        typer.echo(f"  - {line}")
    typer.echo(f"Serving the model of version {step.content}, as version {step.version}")
    if step.withdrawn is not None:
        typer.echo(f"  version {step.withdrawn} is marked as failed and is not published again")
    typer.echo(f"  {shown_place(step.folder)}")


def print_export(exported: Exported) -> None:
    """Where the copy lies."""
    typer.echo(f"Wrote {exported.folder}")


def _state(record: VersionRecord, ledger: Ledger) -> str:
    words = []
    if record == ledger.champion:
        words.append("champion")
    if record == ledger.previous:
        words.append("previous")
    if record.content != record.version:
        words.append(f"the model of version {record.content}")
    if record.failed:
        words.append(f"failed: {record.failed}")
    if record.replace:
        words.append(f"to be replaced: {record.replace}")
    if not record.is_there:
        words.append("removed")
    return ", ".join(words)
