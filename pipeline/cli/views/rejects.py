"""Rejected rows on the terminal."""

from collections import defaultdict

from pipeline.cli.output import say
from schemas.reports.rejects import Reject

_SHOWN = 5


def print_rejects(rejects: list[Reject], everything: bool) -> None:
    """Groups of one reason with their rows: the first few, or `everything`."""
    groups: dict[str, list[Reject]] = defaultdict(list)
    for reject in rejects:
        groups[reject.reason].append(reject)
    for reason, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        say(f"{reason}: {len(group):,}")
        shown = group if everything else group[:_SHOWN]
        for reject in shown:
            decoder = f" [{reject.decoder}]" if reject.decoder else ""
            # Of a row that is none, the detail begins with its place, which is its id.
            place = "" if reject.detail.startswith(f"{reject.id}: ") else f"{reject.id}: "
            say(f"  {place}{reject.detail}{decoder}")
        if len(shown) < len(group):
            say(f"  and {len(group) - len(shown):,} more: --reason {reason}")
    if not rejects:
        say("Nothing was rejected")
