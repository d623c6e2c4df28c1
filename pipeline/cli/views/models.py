"""Published versions on the terminal."""

from collections.abc import Collection, Mapping

from components.evaluation.formatting import measured_text
from pipeline.cli.output import say
from pipeline.cli.views.terminal import console, shown_place, table
from pipeline.releases.rollout import Exported, Rollout
from schemas.reports.verdict import Verdict
from schemas.versions import Ledger, VersionRecord


def print_models(
    ledger: Ledger,
    verdicts: Mapping[int, Verdict],
    damage: Mapping[int, str],
    *,
    has_registry: bool,
) -> None:
    """A table of all versions for people, with the verdicts of those that are there; below it what
    is damaged, and whether the registry was told all of it.
    """
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
            record.entry or ("not yet" if record.is_there else ""),
            _state(record, ledger, damage),
        )
    console().print(rows)
    for line in damage.values():
        say(line)
    champion = ledger.champion
    served = max(damage, default=0)
    if champion is not None and served >= champion.version:
        say(
            f"Model servers serve version {served} all the same; `auricle rollback` and `promote`"
            " serve another"
        )
    if has_registry and ledger.registered_state != ledger.state:
        say("The registry was not told all of this yet; the next run, rollback or promote does it")


def print_rollout(step: Rollout) -> None:
    """What is served now."""
    for line in step.notes:
        say(f"  - {line}")
    say(f"Serving the model of version {step.content}, as version {step.version}")
    if step.withdrawn is not None:
        say(f"  version {step.withdrawn} is marked as failed and is not published again")
    say(f"  {shown_place(step.folder)}")


def print_export(exported: Exported) -> None:
    """Where the copy lies."""
    say(f"Wrote {exported.folder}")


def _state(record: VersionRecord, ledger: Ledger, damage: Collection[int]) -> str:
    is_damaged = record.version in damage
    words = ["damaged"] if is_damaged else []
    if record == ledger.champion and not is_damaged:
        is_served = record.version > max(damage, default=0)
        words.append("champion" if is_served else "champion, not served")
    if record == ledger.previous and not is_damaged:
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
