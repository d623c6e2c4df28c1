"""The JSON documents components leave for people, reports and the command line."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from schemas.utterance import is_keyword

SPLITS = ("train", "eval", "test")
SplitBy = Literal["speaker", "clip", "named speakers", "manifest"]

INGEST_REPORT_FILE = "report.json"
CERTIFICATE_FILE = "certificate.json"  # beside the ingest report
REJECTS_FILE = "rejects.jsonl"
HISTORY_FILE = "history.json"
VERDICT_FILE = "verdict.json"
DATA_VERDICT_FILE = "data_verdict.json"
SERVING_FILE = "serving.json"
PUSHED_FILE = "pushed.json"
TIMINGS_FILE = "timings.json"  # in the run directory
MODEL_CARD_FILE = "assets.extra/auricle.json"  # inside the SavedModel


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitCounts(_Document):
    """What one split holds: clips by label and by known speaker, known speakers by label."""

    clips: int
    hours: float
    labels: dict[str, int]
    speakers: dict[str, int]
    speakers_by_label: dict[str, int]

    @classmethod
    def of(cls, clips: Mapping[tuple[str, str], int], seconds: float) -> "SplitCounts":
        """From the clips of each label and speaker, who is empty where nobody knows."""
        labels: Counter[str] = Counter()
        speakers: Counter[str] = Counter()
        speakers_by_label: Counter[str] = Counter()
        for (label, speaker), count in sorted(clips.items()):
            labels[label] += count
            speakers_by_label[label] += bool(speaker)
            if speaker:
                speakers[speaker] += count
        return cls(
            clips=labels.total(),
            hours=seconds / 3600,
            labels=dict(labels),
            speakers=dict(sorted(speakers.items())),
            speakers_by_label=dict(speakers_by_label),
        )


class IngestReport(_Document):
    """What became of the rows: rows = clips of all splits + rejects."""

    rows: int
    generated: bool
    split_by: SplitBy
    splits: dict[str, SplitCounts]
    rejects: dict[str, int]


class Reject(_Document):
    """One row that did not become an example; `reason` is of `schemas.utterance.REJECT_REASONS`.

    `decoder` is what read the file, where anything got that far; `settings` the hash of the
    settings it was read under.
    """

    id: str
    uri: str
    reason: str
    detail: str
    decoder: str = ""
    settings: str = ""


LeakKind = Literal["speaker", "identical", "near_duplicate"]


class Leak(_Document):
    """Something in two splits: `what` names a speaker and the splits, or clips with theirs."""

    kind: LeakKind
    what: list[str]


class SplitCertificate(_Document):
    """What was looked for between the splits, and found; `leaks` are the first of them.

    `counts` has all of them by kind. `copies_within_splits` counts groups of identical clips of
    one split, which are no leak. `same_recording` is the correlation from which two clips are one.
    """

    clips: int
    counts: dict[LeakKind, int]
    leaks: list[Leak]
    copies_within_splits: int
    same_recording: float


class Rule(_Document):
    """What one rule of DataGate or ServingCheck found, in words."""

    name: str
    passed: bool
    said: str


class DataVerdict(_Document):
    """Why training may begin: every rule that DataGate looked at.

    `drifts`: how far each feature of the train split moved since the last run that passed, from 0
    to 1; None where there was none.
    """

    rules: list[Rule]
    drifts: dict[str, float] | None = None


class ServingReport(_Document):
    """How the exported model answered in a process of its own; `asked` 0 where it was not asked."""

    passed: bool
    rules: list[Rule]
    asked: int


class StepTiming(_Document):
    """How long one step of a run took; a timings file is a list of these, in the order of the run.

    A reused step did nothing but find its earlier result.
    """

    name: str
    seconds: float
    is_reused: bool


class Epoch(_Document):
    """One epoch of training; a history file is a list of these."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


class ClassMetrics(_Document):
    """One class on the test split; None where it has no clips or was never answered."""

    precision: float | None
    recall: float | None
    clips: int


class Interval(_Document):
    """Where a number lies with the confidence that the document states."""

    low: float
    high: float

    @classmethod
    def of(cls, bounds: tuple[float, float]) -> "Interval":
        """From both ends, the lower one first."""
        return cls(low=bounds[0], high=bounds[1])


class SliceMetrics(_Document):
    """One slice of the test split, e.g. feature `speaker`, value `theo`.

    `is_small`: too few clips to judge. `difference` is accuracy less the last blessed model's on
    the same clips.
    """

    feature: str
    value: str
    accuracy: float
    interval: Interval
    clips: int
    is_small: bool
    difference: float | None


class GateRule(_Document):
    """What one rule of ModelGate found: in words, how many more clips would decide, and which clips
    to listen to, by id.
    """

    name: str
    outcome: Literal["held", "broken", "undecided"]
    said: str
    more_clips: int | None = None
    clips: list[str] = []


class OperatingPoint(_Document):
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


class Verdict(_Document):
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


class TrainingData(_Document):
    """What a model was trained on; `licences` as the manifest states them, with their clips."""

    clips: int
    speakers: int
    licences: dict[str, int]


class Lineage(_Document):
    """What a model was made from: SHA-256 of the rows and recordings, of the settings that matter
    to it, and of the code and library versions of its training.
    """

    examples: str
    settings: str
    code: str


class Trial(_Document):
    """How the model trained from the champion and the one from scratch answered the eval clips.

    `difference` is the first one's accuracy less the second one's, on the same clips.
    """

    clips: int
    champion_accuracy: float
    scratch_accuracy: float
    difference: float
    difference_interval: Interval
    confidence: float


class Start(_Document):
    """The weights that a training began with, and why these, in words.

    `champion` is the SHA-256 of the model they were taken from, by which a version's manifest and
    the ledger know it too. `trial` is there where both were trained.
    """

    weights: Literal["scratch", "champion"]
    said: str
    champion: str | None = None
    trial: Trial | None = None


class ModelCard(_Document):
    """What a SavedModel needs to be used: lies inside it as `assets.extra/auricle.json`.

    `threshold` is the score from which an answer counts as heard; a pushed model has one where the
    workflow names background recordings.
    """

    name: str
    labels: list[str]
    audio: dict[str, object]  # workflow.audio, so that `predict` conditions a clip as ingest did
    frontend: dict[str, object]
    model: dict[str, object]
    augment: dict[str, object] = {}
    train: dict[str, object] = {}
    parameters: int
    generated: bool
    data: TrainingData | None = None
    lineage: Lineage | None = None
    start: Start | None = None
    threshold: float | None = None

    def is_heard(self, label: str, score: float) -> bool | None:
        """Whether the answer `label` with `score` is a word heard; None without a threshold."""
        if self.threshold is None:
            return None
        return is_keyword(label) and score >= self.threshold
