"""Judged runs on the terminal."""

import itertools
from pathlib import Path

from components.evaluation.formatting import measured_text
from pipeline.cli.output import say
from pipeline.cli.views.terminal import console, table
from pipeline.notifications import Deliveries
from pipeline.runs.records import RunRecord
from pipeline.runs.result import RunResult
from schemas.reports.verdict import GateRule, Verdict
from schemas.text import duration_text, some
from schemas.workflow.conditions import NOISE

_MARKS = {"held": "✓", "broken": "✗", "undecided": "?"}


def print_result(result: RunResult, workflow: Path) -> None:
    """What became of a run, and where its results are."""
    record, verdict = result.record, result.record.verdict
    speech = " of generated speech" if verdict.generated else ""
    outcome = "Withdrawn" if record.is_withdrawn else verdict.outcome.capitalize()
    say("Published" if result.pushed_to else f"{outcome}: nothing was published")
    if record.is_withdrawn:
        say("  - this model failed where it was served: `auricle models` says why")
    for note in result.notes:
        say(f"  - {note}")
    for reason in [*record.reasons, *verdict.remarks]:
        say(f"  - {reason}")
    headline, baseline = verdict.headline, ""
    if verdict.baseline is not None:
        baseline = f" (last blessed model: {measured_text(verdict.baseline, headline.unit)})"
    value = measured_text(headline.value, headline.unit)
    interval = f"{headline.interval.low:.3f} to {headline.interval.high:.3f}"
    rows = {
        headline.name: f"{value} ({interval}) on {verdict.clips:,} test clips{speech}{baseline}",
        "in noise": _in_noise(verdict),
        "model": str(result.pushed_to) if result.pushed_to else "",
        "report": str(result.report),
        "log": str(result.log),
        "steps": f"{len(result.ran)} ran, {len(result.reused)} reused",
        "time": duration_text(record.seconds),
        "try it": "" if result.pushed_to else f"auricle predict {workflow} CLIP --candidate",
    }
    for key, value in rows.items():
        if value:
            say(f"{key:>10}  {value}")


def _in_noise(verdict: Verdict) -> str:
    """The headline number by the ratio of speech to noise; nothing where none was heard."""
    found = [(NOISE.fullmatch(each.name), each.value) for each in verdict.conditions]
    ratios = sorted(((int(match[1]), value) for match, value in found if match), reverse=True)
    return ", ".join(f"{value:.3f} at {snr_db} dB" for snr_db, value in ratios)


def print_records(records: list[RunRecord], workflow: Path) -> None:
    """A table of runs for people; `judged` is how often their test clips had judged by then."""
    measure = records[-1].verdict.headline.name
    others = ("finished", "model", measure, "clips", "judged", "outcome")
    rows = table("run", *others, numbers=["run", "clips", "judged"], whole=others)
    for record in records:
        verdict, headline = record.verdict, record.verdict.headline
        interval = headline.interval
        rows.add_row(
            str(record.number),
            f"{record.finished:%Y-%m-%d %H:%M}",
            record.workflow.model.architecture,
            f"{measured_text(headline.value, headline.unit)}"
            f" ({interval.low:.2f}-{interval.high:.2f})",
            f"{verdict.clips:,}",
            f"{verdict.judged_before + 1:,}",
            f"{record.outcome} {record.pushed_version or ''}".strip(),
        )
    console().print(rows)
    for limits, same in itertools.groupby(records, key=_limits):
        alike = list(same)
        first, last = alike[0].number, alike[-1].number
        runs = f"run {first}" if first == last else f"runs {first} to {last}"
        say(f"{runs} asked for: {limits}")
    if len(records) > 1:
        numbers = " ".join(str(record.number) for record in records[-2:])
        say(f"`auricle compare {numbers} --workflow {workflow}` compares two")


def _limits(record: RunRecord) -> str:
    return "; ".join(record.workflow.gate.in_words()) or "nothing"


def print_reasons(record: RunRecord) -> None:
    """Why a run ended as it did: every rule, what would decide, the clips to listen to."""
    outcome = record.outcome.capitalize()
    version = f" as version {record.pushed_version}" if record.pushed_version else ""
    say(f"{outcome}{version}, {record.finished:%Y-%m-%d %H:%M}")
    for rule in record.verdict.rules or [_no_rule(record.verdict)]:
        say(f"  {_MARKS[rule.outcome]} {rule.message}")
        if rule.clips:
            say(f"    listen to: {', '.join(rule.clips)}")
    for remark in record.verdict.remarks:
        say(f"  ! {remark}")
    for check in record.serving.rules:
        if not check.passed:
            say(f"  ✗ serving, {check.name}: {check.message}")
    by_target = record.verdict.details.target_feature
    small = [s for s in record.verdict.slices if s.is_small and s.feature != by_target]
    if small:
        names = [f"{s.feature} {s.value or 'unknown'} ({s.clips})" for s in small]
        say(f"  too few clips to judge: {some(names, 10)}")
    for feature, values in record.verdict.unsliced.items():
        say(f"  not sliced by {feature}: {values:,} different values")


def print_deliveries(told: Deliveries) -> None:
    """Whom a message reached, and why not."""
    for delivery in told.deliveries:
        say(f"{delivery.to}: {delivery.problem or 'delivered'}")


def _no_rule(verdict: Verdict) -> GateRule:
    return GateRule(name="none", outcome="held", message=verdict.reasons[0])
