"""A classifier's target is the label of a row."""

from collections.abc import Mapping, Sequence

from schemas.errors import ClipError, DataError
from schemas.manifest import text_of
from schemas.reports.ingest import IngestReport
from schemas.reports.rule import Rule
from schemas.splits import SPLITS
from schemas.text import some
from schemas.workflow.data import Data
from schemas.workflow.data_gate import DataGate

KEY = "label"
_FEWEST_CLASSES = 2
_NAMED = 3  # examples in a rule's text


def read_target(row: Mapping[str, object]) -> str:
    """The label of a row."""
    return text_of(row, KEY)


def check_target(target: str, data: Data) -> None:
    """Refuses labels other than those of `data.labels`."""
    if data.labels is not None and target not in data.labels:
        raise ClipError("unknown_label", f"{target!r} is not in data.labels")


def check_groups(groups: Sequence[str]) -> None:
    """Refuses a single class."""
    if len(groups) < _FEWEST_CLASSES:
        raise DataError(f"data: one class only ({', '.join(groups)}); expected at least two labels")


def data_rules(gate: DataGate, report: IngestReport) -> list[Rule]:
    """Whether each class has clips in every split, and enough of them and speakers to train."""
    return [_clips(gate, report), _speakers(gate, report)]


def _clips(gate: DataGate, report: IngestReport) -> Rule:
    train, _ = report.least_taught()
    few = {label: clips for label, clips in train.items() if clips < gate.min_clips_per_class}
    lacking = [
        f"{label} has no clip in {split}"
        for split in SPLITS
        if split in report.splits
        for label in sorted(_labels(report) - report.splits[split].labels.keys())
    ]
    if not few and not lacking:
        least = min(train.values(), default=0)
        return Rule(name="clips", passed=True, message=f"at least {least:,} clips of each class")
    found = [f"{label} has {clips} training clips" for label, clips in sorted(few.items())]
    return Rule(
        name="clips",
        passed=False,
        message=f"{some(found + lacking, _NAMED, '; ')}; expected at least"
        f" {gate.min_clips_per_class} of each class to train with, and one in every split",
    )


def _speakers(gate: DataGate, report: IngestReport) -> Rule:
    _, speakers = report.least_taught()
    if not any(speakers.values()):
        return Rule(name="speakers", passed=True, message="no speaker is known")
    few = {label: n for label, n in speakers.items() if n < gate.min_speakers_per_class}
    if not few:
        least = min(speakers.values())
        message = f"at least {least:,} speakers of each class to train with"
        return Rule(name="speakers", passed=True, message=message)
    found = [f"{label} has {n}" for label, n in sorted(few.items())]
    message = (
        f"speakers to train with: {some(found, _NAMED, '; ')}; expected"
        f" {gate.min_speakers_per_class}"
    )
    return Rule(name="speakers", passed=False, message=message)


def _labels(report: IngestReport) -> set[str]:
    return {label for split in report.splits.values() for label in split.labels}
