"""Each rule holds or is broken at its limit. What it says stands in `sentences.txt`."""

import pytest
from data_findings import LEAKS, certificate, findings, reject, report

from components.data_gate.rules import Drift, Findings, check, stopped_because
from schemas.reports.rule import Rule
from schemas.workflow.data_gate import DataGate


def rule(name: str, found: Findings, **gate: object) -> Rule:
    [one] = [r for r in check(DataGate(**gate), found) if r.name == name]  # type: ignore[arg-type]
    return one


def test_good_data_passes_every_rule() -> None:
    rules = check(DataGate(), findings())
    assert [r.name for r in rules] == [
        "rejects", "clips", "speakers", "leaks", "two labels", "near duplicates", "anomalies",
        "drift",
    ]  # fmt: skip
    assert stopped_because(rules) is None


def test_rejects_are_allowed_up_to_the_fraction() -> None:
    assert rule("rejects", findings(rejects=[reject(1), reject(2)])).passed
    broken = rule("rejects", findings(rejects=[reject(1), reject(2), reject(3, "silent")]))
    assert not broken.passed


def test_all_rejects_may_be_allowed() -> None:
    every = findings(rejects=[reject(number) for number in range(100)], max_reject_fraction=1.0)
    assert rule("rejects", every).passed


def test_every_class_has_enough_clips() -> None:
    few = report(train={("no", "ada"): 4, ("yes", "ada"): 5})
    broken = rule("clips", findings(report=few))
    assert not broken.passed
    assert rule("clips", findings(report=few), min_clips_per_class=4).passed


def test_every_class_is_in_every_split() -> None:
    broken = rule("clips", findings(report=report(test={("no", "dan"): 10})))
    assert not broken.passed


def test_a_split_that_is_not_wanted_is_not_missed() -> None:
    whole = report()
    without = whole.model_copy(update={"splits": {"train": whole.splits["train"]}})
    assert rule("clips", findings(report=without)).passed


def test_every_class_has_enough_speakers() -> None:
    one = report(train={("no", "ada"): 10, ("yes", "ada"): 9, ("yes", "bob"): 1})
    assert rule("speakers", findings(report=one)).passed
    broken = rule("speakers", findings(report=one), min_speakers_per_class=2)
    assert not broken.passed


def test_unknown_speakers_are_not_too_few() -> None:
    unknown = report(train={("no", ""): 10, ("yes", ""): 10})
    assert rule("speakers", findings(report=unknown), min_speakers_per_class=5).passed


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("speaker", "leaks"),
        ("identical", "leaks"),
        ("near_duplicate", "near duplicates"),
        ("two_labels", "two labels"),
    ],
)
def test_each_kind_of_leak_has_its_switch(kind: str, name: str) -> None:
    found = findings(certificate=certificate(LEAKS[kind]))
    assert [r.name for r in check(DataGate(), found) if not r.passed] == [name]
    assert all(what in rule(name, found).message for what in LEAKS[kind].what)
    switch = name.replace(" ", "_")
    assert stopped_because(check(DataGate(**{switch: False}), found)) is None


def test_rows_of_one_id_with_two_labels_stop_however_many_rejects_are_allowed() -> None:
    found = findings(rejects=[reject(1, "two_labels")], max_reject_fraction=1.0)
    assert [r.name for r in check(DataGate(), found) if not r.passed] == ["two labels"]
    assert stopped_because(check(DataGate(two_labels=False), found)) is None


def test_anomalies_stop_unless_switched_off() -> None:
    found = findings(anomalies=[f"feature {number} is odd" for number in range(5)])
    assert not rule("anomalies", found).passed
    assert stopped_because(check(DataGate(anomalies=False), found)) is None


@pytest.mark.parametrize(("limit", "passed"), [(0.3, False), (0.5, True), (1.0, True)])
def test_drift_up_to_the_limit(limit: float, passed: bool) -> None:
    drifts = [Drift("snr_db", 0.1), Drift("rms_db", 0.5)]
    found = rule("drift", findings(drifts=drifts), max_drift=limit)
    assert found.passed == passed
    assert "rms_db" in found.message
    assert ("snr_db" in found.message) == passed


def test_the_reason_names_every_broken_rule() -> None:
    found = findings(anomalies=["rms_db is odd"], rejects=[reject(n) for n in range(5)])
    reason = stopped_because(check(DataGate(), found))
    assert reason is not None
    lines = reason.splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["  - rejects", "  - anomalies"]


def test_clips_that_are_cut_short_are_bounded_where_they_are_kept() -> None:
    cut = report().model_copy(update={"truncated": 3})
    clips = sum(split.clips for split in cut.splits.values())
    assert rule("truncated", findings(report=cut)).passed
    assert rule("truncated", findings(report=cut), max_truncated_fraction=3 / clips).passed
    assert not rule("truncated", findings(report=cut), max_truncated_fraction=2.9 / clips).passed
