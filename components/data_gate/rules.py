"""The rules by which data may train a model, each with what it found in words. No TFX here."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from components.tasks import feeding
from schemas.reports.ingest import IngestReport
from schemas.reports.leakage import LeakKind, SplitCertificate
from schemas.reports.rejects import Reject
from schemas.reports.rule import Rule
from schemas.tasks import FIRST_TASK
from schemas.text import some
from schemas.utterance import TWO_LABELS
from schemas.workflow.data_gate import DataGate

_NO_LEAK: dict[LeakKind, str] = {
    "speaker": "no speaker is in two splits",
    "identical": "no audio is in two splits",
    "near_duplicate": "no recording is in two splits under another encoding",
    "two_labels": "no audio has two labels",
}
_LEAK: dict[LeakKind, str] = {
    "speaker": "one speaker in two splits",
    "identical": "the same audio in two splits",
    "near_duplicate": "the same recording in two splits",
    "two_labels": "the same audio with two labels",
}
_NAMED = 3  # examples said of each finding
_some = partial(some, most=_NAMED, separator="; ")


@dataclass(frozen=True)
class Drift:
    """How far a feature of the train split moved since the last run that passed, from 0 to 1."""

    feature: str
    distance: float


@dataclass(frozen=True)
class Findings:
    """What the rules look at; `anomalies` are sentences, `drifts` None where nothing passed yet.

    `rejects` are read several times, and may be too many to be held.
    """

    report: IngestReport
    certificate: SplitCertificate
    rejects: Iterable[Reject]
    max_reject_fraction: float
    anomalies: list[str]
    drifts: list[Drift] | None


def check(gate: DataGate, findings: Findings, task: str = FIRST_TASK) -> list[Rule]:
    """What every rule says, in a fixed order; rules that are switched off say nothing."""
    rules = foresee(gate, findings, task)
    if findings.report.truncated:
        rules.append(_check_truncated(gate, findings.report))
    if gate.near_duplicates:
        rules.append(_check_leaks("near duplicates", ("near_duplicate",), findings.certificate))
    if gate.anomalies:
        rules.append(_check_anomalies(findings.anomalies))
    rules.append(_check_drift(gate, findings.drifts))
    return rules


def foresee(gate: DataGate, findings: Findings, task: str = FIRST_TASK) -> list[Rule]:
    """What the rules say that need no decoded audio."""
    rules = [
        _check_rejects(findings),
        *feeding.targets(task).data_rules(gate, findings.report),
    ]
    if gate.leaks:
        rules.append(_check_leaks("leaks", ("speaker", "identical"), findings.certificate))
    if gate.two_labels:
        rules.append(_check_two_labels(findings))
    return rules


def _check_rejects(findings: Findings) -> Rule:
    report, allowed = findings.report, findings.max_reject_fraction
    counts: Counter[str] = Counter()
    first: dict[str, Reject] = {}
    for reject in findings.rejects:
        counts[reject.reason] += 1
        first.setdefault(reject.reason, reject)
    fraction = counts.total() / max(1, report.rows)
    message = (
        f"{counts.total():,} of {report.rows:,} rows were rejected ({_percent(fraction)}, allowed"
        f" are {_percent(allowed)})"
    )
    if fraction <= allowed:
        return Rule(name="rejects", passed=True, message=message)
    reasons = "; ".join(
        f"{count:,} {reason}, such as {first[reason].id} ({first[reason].detail})"
        for reason, count in counts.most_common(_NAMED)
    )
    return Rule(name="rejects", passed=False, message=f"{message}: {reasons}")


def _check_truncated(gate: DataGate, report: IngestReport) -> Rule:
    clips = sum(split.clips for split in report.splits.values())
    allowed = gate.max_truncated_fraction
    fraction = report.truncated / max(1, clips)
    shares = f"{_percent(fraction)}, allowed are {_percent(allowed)}"
    return Rule(
        name="truncated",
        passed=fraction <= allowed,
        message=f"{report.truncated:,} of {clips:,} clips are cut short ({shares})",
    )


def _check_leaks(name: str, kinds: tuple[LeakKind, ...], certificate: SplitCertificate) -> Rule:
    count = sum(certificate.counts[kind] for kind in kinds)
    if not count:
        return Rule(name=name, passed=True, message=" and ".join(_NO_LEAK[kind] for kind in kinds))
    return _found(name, count, _leaks_in_words(kinds, certificate))


def _check_two_labels(findings: Findings) -> Rule:
    """Of clips, and of rows that are rejected since another row of the same audio has their id."""
    certificate = findings.certificate
    count = certificate.counts["two_labels"]
    rejected: list[str] = []
    for reject in findings.rejects:
        if reject.reason == TWO_LABELS:
            count += 1
            rejected += [reject.detail] if len(rejected) < _NAMED else []
    if not count:
        return _check_leaks("two labels", ("two_labels",), certificate)
    said = [*(f"{_LEAK['two_labels']}: {detail}" for detail in rejected)]
    return _found("two labels", count, said + _leaks_in_words(("two_labels",), certificate))


def _leaks_in_words(kinds: tuple[LeakKind, ...], certificate: SplitCertificate) -> list[str]:
    return [
        f"{_LEAK[leak.kind]}: {', '.join(leak.what)}"
        for leak in certificate.leaks
        if leak.kind in kinds
    ]


def _found(name: str, count: int, found: list[str]) -> Rule:
    more = f"; {count:,} in all" if count > _NAMED else ""
    return Rule(name=name, passed=False, message="; ".join(found[:_NAMED]) + more)


def _check_anomalies(anomalies: list[str]) -> Rule:
    message = _some(anomalies) if anomalies else "the statistics fit the schema"
    return Rule(name="anomalies", passed=not anomalies, message=message)


def _check_drift(gate: DataGate, drifts: list[Drift] | None) -> Rule:
    if drifts is None:
        return Rule(name="drift", passed=True, message="no earlier run to compare with")
    moved = [drift for drift in drifts if drift.distance > gate.max_drift]
    listed = sorted(moved or drifts, key=lambda drift: (-drift.distance, drift.feature))[:_NAMED]
    message = ", ".join(f"{drift.feature} by {drift.distance:.2f}" for drift in listed)
    end = f"since the last run that passed (from 0 to 1; allowed are {gate.max_drift:g})"
    return Rule(name="drift", passed=not moved, message=f"{message or 'nothing'} moved {end}")


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g} %"


def stopped_because(rules: Iterable[Rule]) -> str | None:
    """Why training does not begin: a line for each broken rule; None where all hold."""
    broken: Mapping[str, str] = {rule.name: rule.message for rule in rules if not rule.passed}
    if not broken:
        return None
    lines = "".join(f"\n  - {name}: {message}" for name, message in broken.items())
    return f"The data gate stopped the run before training:{lines}"
