"""Whether a model is blessed, and why."""

from typing import Literal

from pydantic import Field

from schemas.document import Document
from schemas.reports.metrics import ClassMetrics, Interval, SliceMetrics

VERDICT_FILE = "verdict.json"


class GateRule(Document):
    """What one rule of ModelGate found: in words, how many more clips would decide, and which clips
    to listen to, by id.
    """

    name: str
    outcome: Literal["held", "broken", "undecided"]
    said: str
    more_clips: int | None = None
    clips: list[str] = Field([])


class OperatingPoint(Document):
    """The threshold from which an answer counts as heard, and what it does.

    Chosen on `choose_hours` of the background so that at most `allowed_per_hour` false alarms are
    left there; `false_alarms` are those in the other `hours`. `false_rejects` is the share of
    `clips`, the test clips of words, that are missed. `left_out` are recordings not heard, and why.
    """

    threshold: float
    allowed_per_hour: float
    choose_hours: float
    hours: float
    false_alarms: int
    false_alarms_per_hour: float
    false_alarms_interval: Interval
    clips: int
    false_rejects: float
    false_rejects_interval: Interval
    left_out: dict[str, str]


class Verdict(Document):
    """What ModelGate decided, on what, and why in words.

    Intervals have `confidence`. `difference` is accuracy less the last blessed model's on the clips
    whose label both know; `incomparable` says why there is none although there is such a model.
    `unsliced` are features with too many values, and how many. `keywords` is None where the
    workflow names no background.
    """

    outcome: Literal["blessed", "refused", "undecided"]
    reasons: list[str]
    rules: list[GateRule]
    confidence: float
    clips: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    calibration_error: float
    baseline_accuracy: float | None
    difference: float | None
    difference_interval: Interval | None
    incomparable: str = ""
    classes: dict[str, ClassMetrics]
    slices: list[SliceMetrics]
    unsliced: dict[str, int]
    confusion: list[list[int]]  # [true class, answered class], both in the order of `labels`
    labels: list[str]
    generated: bool
    keywords: OperatingPoint | None = None
