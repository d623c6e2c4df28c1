"""What the data gate's rules look at, made up: good data, and each thing that can be wrong."""

from typing import get_args

from components.data_gate.rules import Drift, Findings
from schemas.reports.ingest import IngestReport, SplitCounts
from schemas.reports.leakage import Leak, LeakKind, SplitCertificate
from schemas.reports.rejects import Reject

SPEAKERS = {"train": ("ada", "bob"), "eval": ("cyd",), "test": ("dan",)}
LEAKS = {
    "speaker": Leak(kind="speaker", what=["ada", "test", "train"]),
    "identical": Leak(kind="identical", what=["a.wav (train)", "b.wav (test)"]),
    "near_duplicate": Leak(kind="near_duplicate", what=["a.wav (train)", "c.mp3 (eval)"]),
    "two_labels": Leak(kind="two_labels", what=["a.wav (no, train)", "d.wav (yes, train)"]),
}


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


def reject(number: int, reason: str = "missing") -> Reject:
    return Reject(id=f"{number}.wav", uri=f"{number}.wav", reason=reason, detail="no file")


BAD = {
    "three rejects of 100": findings(rejects=[reject(1), reject(2), reject(3, "silent")]),
    "four clips of a class": findings(
        report=report(train={("no", "ada"): 4, ("yes", "ada"): 5}),
    ),
    "a class that is not in test": findings(report=report(test={("no", "dan"): 10})),
    "a speaker in two splits": findings(certificate=certificate(LEAKS["speaker"])),
    "a file in two splits, seven times": findings(
        certificate=certificate(*[LEAKS["identical"]] * 7)
    ),
    "a recording under another encoding": findings(
        certificate=certificate(LEAKS["near_duplicate"])
    ),
    "two labels of one waveform, and of one id": findings(
        certificate=certificate(LEAKS["two_labels"]),
        rejects=[Reject(id="b", uri="b", reason="two_labels", detail="b.wav (no) and again (yes)")],
    ),
    "five anomalies": findings(anomalies=[f"feature {number} is odd" for number in range(5)]),
    "drift": findings(drifts=[Drift("snr_db", 0.1), Drift("rms_db", 0.5)]),
}
