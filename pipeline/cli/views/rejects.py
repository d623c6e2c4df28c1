"""Rejected rows on the terminal."""

from collections import defaultdict

import typer

from schemas.reports.rejects import Reject

_SHOWN = 5


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
