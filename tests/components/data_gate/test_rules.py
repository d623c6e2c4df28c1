"""Each rule holds or is broken at its limit, and says in words what it found."""

from typing import get_args

import pytest

from components.data_gate.rules import Drift, Findings, check, stopped_because
from schemas.reports.ingest import IngestReport, SplitCounts
from schemas.reports.leakage import Leak, LeakKind, SplitCertificate
from schemas.reports.rejects import Reject
from schemas.reports.rule import Rule
from schemas.workflow.data_gate import DataGate

SPEAKERS = {"train": ("ada", "bob"), "eval": ("cyd",), "test": ("dan",)}


def report(rows: int = 100, **clips: dict[tuple[str, str], int]) -> IngestReport:
    """Every split has ten clips of yes and no by each of its speakers, but for `clips`."""
    whole = {
        split: {(label, speaker): 10 for label in ("no", "yes") for speaker in speakers}
        for split, speakers in SPEAKERS.items()
    }
    return IngestReport(
        rows=rows,
        generated=False,
        split_by="speaker",
        splits={name: SplitCounts.of(counts, 60.0) for name, counts in (whole | clips).items()},
        rejects={},
    )


def certificate(*leaks: Leak) -> SplitCertificate:
    kinds = [leak.kind for leak in leaks]
    return SplitCertificate(
        clips=80,
        counts={kind: kinds.count(kind) for kind in get_args(LeakKind)},
        leaks=list(leaks),
        copies_within_splits=0,
        same_recording=0.95,
    )


def findings(**changes: object) -> Findings:
    values = {
        "report": report(),
        "certificate": certificate(),
        "rejects": [],
        "max_reject_fraction": 0.02,
        "anomalies": [],
        "drifts": None,
    }
    return Findings(**(values | changes))  # type: ignore[arg-type]


def rule(name: str, found: Findings, **gate: object) -> Rule:
    [one] = [r for r in check(DataGate(**gate), found) if r.name == name]  # type: ignore[arg-type]
    return one


def reject(number: int, reason: str = "missing") -> Reject:
    return Reject(id=f"{number}.wav", uri=f"{number}.wav", reason=reason, detail="no file")


def test_good_data_passes_every_rule() -> None:
    rules = check(DataGate(), findings())
    assert [r.name for r in rules] == [
        "rejects", "clips", "speakers", "leaks", "near duplicates", "anomalies", "drift",
    ]  # fmt: skip
    assert stopped_because(rules) is None


def test_rejects_are_allowed_up_to_the_fraction() -> None:
    assert rule("rejects", findings(rejects=[reject(1), reject(2)])).passed
    broken = rule("rejects", findings(rejects=[reject(1), reject(2), reject(3, "silent")]))
    assert not broken.passed
    assert broken.said == (
        "3 of 100 rows were rejected (3 %, allowed are 2 %): 2 missing, such as 1.wav (no file);"
        " 1 silent, such as 3.wav (no file)"
    )


def test_all_rejects_may_be_allowed() -> None:
    every = findings(rejects=[reject(number) for number in range(100)], max_reject_fraction=1.0)
    assert rule("rejects", every).passed


def test_every_class_has_enough_clips() -> None:
    few = report(train={("no", "ada"): 4, ("yes", "ada"): 5})
    broken = rule("clips", findings(report=few))
    assert not broken.passed
    assert broken.said.startswith("no has 4 training clips; expected at least 5")
    assert rule("clips", findings(report=few), min_clips_per_class=4).passed


def test_every_class_is_in_every_split() -> None:
    broken = rule("clips", findings(report=report(test={("no", "dan"): 10})))
    assert not broken.passed
    assert "yes has no clip in test" in broken.said


def test_a_split_that_is_not_wanted_is_not_missed() -> None:
    whole = report()
    without = whole.model_copy(update={"splits": {"train": whole.splits["train"]}})
    assert rule("clips", findings(report=without)).passed


def test_every_class_has_enough_speakers() -> None:
    one = report(train={("no", "ada"): 10, ("yes", "ada"): 9, ("yes", "bob"): 1})
    assert rule("speakers", findings(report=one)).passed
    broken = rule("speakers", findings(report=one), min_speakers_per_class=2)
    assert not broken.passed
    assert broken.said == "speakers to train with: no has 1; expected 2"


def test_unknown_speakers_are_not_too_few() -> None:
    unknown = report(train={("no", ""): 10, ("yes", ""): 10})
    assert rule("speakers", findings(report=unknown), min_speakers_per_class=5).passed


LEAKS = {
    "speaker": Leak(kind="speaker", what=["ada", "test", "train"]),
    "identical": Leak(kind="identical", what=["a.wav (train)", "b.wav (test)"]),
    "near_duplicate": Leak(kind="near_duplicate", what=["a.wav (train)", "c.mp3 (eval)"]),
}


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("speaker", "leaks", "one speaker in two splits: ada, test, train"),
        ("identical", "leaks", "the same audio in two splits: a.wav (train), b.wav (test)"),
        (
            "near_duplicate",
            "near duplicates",
            "the same recording in two splits: a.wav (train), c.mp3 (eval)",
        ),
    ],
)
def test_each_kind_of_leak_has_its_switch(kind: str, name: str, said: str) -> None:
    found = findings(certificate=certificate(LEAKS[kind]))
    assert [r.name for r in check(DataGate(), found) if not r.passed] == [name]
    assert rule(name, found).said == said
    switch = name.replace(" ", "_")
    assert stopped_because(check(DataGate(**{switch: False}), found)) is None


def test_many_leaks_are_counted() -> None:
    found = findings(certificate=certificate(*[LEAKS["identical"]] * 7))
    assert rule("leaks", found).said.endswith("; 7 in all")


def test_anomalies_stop_unless_switched_off() -> None:
    found = findings(anomalies=[f"feature {number} is odd" for number in range(5)])
    broken = rule("anomalies", found)
    assert not broken.passed
    assert broken.said.endswith("feature 2 is odd; and 2 more")
    assert stopped_because(check(DataGate(anomalies=False), found)) is None


@pytest.mark.parametrize(("limit", "passed"), [(0.3, False), (0.5, True), (1.0, True)])
def test_drift_up_to_the_limit(limit: float, passed: bool) -> None:
    drifts = [Drift("snr_db", 0.1), Drift("rms_db", 0.5)]
    found = rule("drift", findings(drifts=drifts), max_drift=limit)
    assert found.passed == passed
    assert "rms_db by 0.50" in found.said
    assert ("snr_db" in found.said) == passed


def test_the_reason_names_every_broken_rule() -> None:
    found = findings(anomalies=["rms_db is odd"], rejects=[reject(n) for n in range(5)])
    reason = stopped_because(check(DataGate(), found))
    assert reason is not None
    lines = reason.splitlines()
    assert lines[0] == "The data gate stopped the run before training:"
    assert [line.split(":")[0] for line in lines[1:]] == ["  - rejects", "  - anomalies"]
