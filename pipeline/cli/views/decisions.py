"""What the schedule decided, on the terminal."""

from pipeline.cli.views.terminal import console, table
from pipeline.scheduling.scheduler import Decision

_LISTED = 20


def print_decisions(decisions: list[Decision]) -> None:
    """The last looks as a table."""
    headings = ("time", "outcome", "why")
    rows = table(*headings, fold=headings)
    for decision in decisions[-_LISTED:]:
        why = "; ".join([*decision.reasons, *([decision.detail] if decision.detail else [])])
        version = f" {decision.version}" if decision.version else ""
        rows.add_row(f"{decision.time:%Y-%m-%d %H:%M}", f"{decision.outcome}{version}", why)
    console().print(rows)
