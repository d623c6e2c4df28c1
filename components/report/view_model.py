"""What the report says, as plain data: chosen, sorted, counted and cut to size; no HTML here."""

import datetime
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from pydantic import TypeAdapter

from components.pages.clips import Clip, ScoredClip
from components.pages.section import Place, Section
from components.report.eval_gap import eval_gap
from components.report.noise_curve import noise_svg
from components.storage.location import location_of
from components.versions.model_card import read_card
from schemas.reports.data_verdict import DATA_VERDICT_FILE, DataVerdict
from schemas.reports.ingest import INGEST_REPORT_FILE, IngestReport
from schemas.reports.leakage import CERTIFICATE_FILE, LeakKind, SplitCertificate
from schemas.reports.metrics import SliceMetrics
from schemas.reports.model_card import ModelCard
from schemas.reports.rejects import REJECTS_FILE, Reject, parse_rejects
from schemas.reports.serving import SERVING_FILE, ServingReport
from schemas.reports.step_timings import StepTiming
from schemas.reports.training import HISTORY_FILE, Epoch
from schemas.reports.verdict import VERDICT_FILE, Verdict, read_verdict
from schemas.settings import flat_settings

# What is more than these is counted on the page, not listed.
REJECTS_LISTED = 5  # of each reason
SLICES_LISTED = 40
SPEAKERS_LISTED = 100
CLASSES_LISTED = 300
CLASSES_SHOWN = 60  # with examples
CLIPS_OF_A_RULE = 10  # to listen to
NAMED_CLIPS = 30  # of all rules

_ERROR = re.compile(r"[\w.]*(Error|Exception)\b")  # begins the last line of a traceback

LEAKS_LISTED = 20
LEAKS: dict[LeakKind, str] = {
    "speaker": "The same speaker",
    "identical": "The same audio",
    "near_duplicate": "The same recording under another encoding",
    "two_labels": "The same audio with two labels",
}

SPLIT_NOTES = {
    "speaker": "No speaker is in two splits: "
    "test clips are of voices that are not in the training data.",
    "named speakers": "The workflow names the speakers of eval and test: "
    "test clips are of voices that are not in the training data.",
    "manifest": "The manifest says which split a row is in; "
    "the data gate looks for speakers and recordings that are in two.",
    "clip": "No speaker is known, so clips were divided one by one: the same voice may be in train "
    "and in test, and the accuracy may flatter the model.",
}


@dataclass(frozen=True)
class Sources:
    """Where the documents lie: folders of artifacts of this run."""

    ingest_report: Path
    rejects: Path
    data_verdict: Path
    saved_model: Path
    model_run: Path
    blessing: Path
    infra_blessing: Path


@dataclass(frozen=True)
class Push:
    """Where the model went."""

    version: str
    destination: str


@dataclass(frozen=True)
class RejectGroup:
    """All rejects of one reason; `first` are some of them."""

    reason: str
    clips: int
    first: list[Reject]


@dataclass(frozen=True)
class SplitRow:
    """One split in numbers; `speakers` with their clips, the most heard first."""

    name: str
    clips: int
    hours: float
    classes: int
    speakers: list[tuple[str, int]]


@dataclass(frozen=True)
class BalanceRow:
    """One class: clips in each split, and each as a share of that split's largest class."""

    label: str
    clips: list[int]
    shares: list[float]


@dataclass(frozen=True)
class NamedClip:
    """A clip that a rule names. It is played at `anchor`, which is this place if `is_here`."""

    scored: ScoredClip
    anchor: str
    is_here: bool


@dataclass(frozen=True)
class Reason:
    """Why the verdict is what it is; `more_clips` are named beside those to listen to."""

    message: str
    clips: list[NamedClip]
    more_clips: int


@dataclass(frozen=True)
class Check:
    """What ServingCheck found, in a sentence; `printed` is what a program that failed wrote."""

    name: str
    passed: bool
    message: str
    printed: str


@dataclass(frozen=True)
class Parent:
    """The last blessed model, that this one was compared with; `version` None if not served."""

    id: int
    uri: str
    version: int | None


@dataclass(frozen=True)
class Origin:
    """What the model was made of: the examples' SHA-256, None if unknown, and Trainer's code."""

    examples: str | None
    trainer_code: str
    parent: Parent | None


@dataclass(frozen=True)
class Artifact:
    """One thing this report was made from."""

    role: str
    type: str
    id: int
    uri: str


class Documents(TypedDict):
    """The documents of a run, as the fields of `Content` that hold them."""

    ingest: IngestReport
    certificate: SplitCertificate
    rejects: list[RejectGroup]
    data_verdict: DataVerdict
    card: ModelCard
    epochs: list[Epoch]
    serving: ServingReport
    verdict: Verdict


@dataclass(frozen=True)
class Content:
    """Everything on the page.

    `sections` and `facts` are the task's. `named` are clips that rules name, by id. `timings` are
    of the run that made the page.
    """

    name: str
    created: datetime.datetime
    settings: dict[str, object]
    verdict: Verdict
    card: ModelCard
    ingest: IngestReport
    certificate: SplitCertificate
    rejects: list[RejectGroup]
    data_verdict: DataVerdict
    serving: ServingReport
    epochs: list[Epoch]
    push: Push | None
    examples: list[Clip]
    worst: list[ScoredClip]
    sections: list[Section]
    facts: dict[str, str]
    named: dict[str, ScoredClip]
    origin: Origin
    timings: list[StepTiming]
    lineage: list[Artifact]
    versions: dict[str, str]

    @property
    def is_generated(self) -> bool:
        """The speech is generated; every place that shows results has to say it."""
        return self.ingest.generated or self.verdict.generated or self.card.generated

    @property
    def has_classes(self) -> bool:
        """Whether the targets are classes, of which clips can be counted."""
        return self.verdict.details.target_feature is not None

    @property
    def sample_rate(self) -> int:
        """Of all clips, in Hz."""
        return self.card.audio.sample_rate

    @property
    def split_note(self) -> str:
        """How speakers were kept apart, in words."""
        return SPLIT_NOTES[self.ingest.split_by]

    @property
    def reasons(self) -> list[Reason]:
        """Why, with the clips to listen to; each is played at one place of the page."""
        anchors = {scored.clip.id: f"worst-{n}" for n, scored in enumerate(self.worst, start=1)}
        found = []
        for message, ids in _deciding(self.verdict):
            clips = []
            for id_ in ids[:CLIPS_OF_A_RULE]:
                if id_ in self.named:
                    is_here = id_ not in anchors
                    anchor = anchors.setdefault(id_, f"named-{len(anchors) + 1}")
                    clips.append(NamedClip(self.named[id_], anchor, is_here))
            found.append(Reason(message, clips, len(ids) - len(clips)))
        return found

    @property
    def drifts(self) -> list[tuple[str, float]]:
        """How far each feature moved since the last run that passed, the farthest first."""
        return sorted((self.data_verdict.drifts or {}).items(), key=lambda item: -item[1])

    @property
    def settings_digest(self) -> str:
        """SHA-256 of the settings, whatever their order."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    @property
    def splits(self) -> list[SplitRow]:
        """Each split in numbers."""
        return [
            SplitRow(name, split.clips, split.hours, len(split.labels), _most_heard(split.speakers))
            for name, split in self.ingest.splits.items()
        ]

    @property
    def balance(self) -> list[BalanceRow]:
        """Clips by class and split, as many classes as are listed."""
        splits = [self.ingest.splits[row.name].labels for row in self.splits]
        largest = [max(labels.values(), default=0) for labels in splits]
        names = sorted({label for labels in splits for label in labels})[:CLASSES_LISTED]
        rows = []
        for name in names:
            clips = [labels.get(name, 0) for labels in splits]
            shares = [
                count / most if most else 0.0 for count, most in zip(clips, largest, strict=True)
            ]
            rows.append(BalanceRow(name, clips, shares))
        return rows

    @property
    def checks(self) -> list[Check]:
        """What ServingCheck found."""
        return [
            Check(rule.name, rule.passed, *_sentence_and_output(rule.message))
            for rule in self.serving.rules
        ]

    @property
    def eval_gap(self) -> str | None:
        """What it means that eval and test differ, where they do."""
        return eval_gap(self.epochs, self.verdict, self.ingest)

    @property
    def slices(self) -> list[SliceMetrics]:
        """Slices other than by target, which the task's sections show, worst first."""
        by_target = self.verdict.details.target_feature
        sign = 1 if self.verdict.headline.higher_is_better else -1
        found = [s for s in self.verdict.slices if s.feature != by_target]
        return sorted(found, key=lambda s: (sign * s.headline, -s.clips, s.value))

    @property
    def noise_svg(self) -> str:
        """What the model is worth in noise, drawn."""
        return noise_svg(self.verdict.conditions, self.verdict.headline)

    @property
    def has_recorded_noise(self) -> bool:
        """Whether what test clips were mixed with was recorded."""
        return self.card.augment.noise.recordings is not None

    def sections_at(self, place: Place) -> list[Section]:
        """The task's own, in the order in which it gave them."""
        return [section for section in self.sections if section.place == place]

    @property
    def training_s(self) -> float:
        """Seconds of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def settings_rows(self) -> list[tuple[str, str]]:
        """Every setting as `block.key` and its value."""
        return [(key, _shown(value)) for key, value in flat_settings(self.settings).items()]


def clips_to_hear(verdict: Verdict) -> list[str]:
    """Ids of the clips that the deciding rules name, as many as the page plays."""
    ids = dict.fromkeys(id_ for _, clips in _deciding(verdict) for id_ in clips[:CLIPS_OF_A_RULE])
    return list(ids)[:NAMED_CLIPS]


def _deciding(verdict: Verdict) -> list[tuple[str, list[str]]]:
    """Each reason with the clips that its rule names."""
    clips = {rule.message: rule.clips for rule in verdict.rules}
    return [(message, clips.get(message, [])) for message in verdict.reasons]


def read_documents(sources: Sources) -> Documents:
    """The documents that Trainer and the gates left, and ingest.

    Raises:
        OSError: one is missing.
        pydantic.ValidationError: one is not what `schemas.reports` says.
    """
    ingest = IngestReport.model_validate_json(
        (sources.ingest_report / INGEST_REPORT_FILE).read_bytes()
    )
    return {
        "ingest": ingest,
        "certificate": SplitCertificate.model_validate_json(
            (sources.ingest_report / CERTIFICATE_FILE).read_bytes()
        ),
        "rejects": _read_rejects(sources.rejects / REJECTS_FILE, ingest),
        "data_verdict": DataVerdict.model_validate_json(
            (sources.data_verdict / DATA_VERDICT_FILE).read_bytes()
        ),
        "card": read_card(sources.saved_model),
        "epochs": TypeAdapter(list[Epoch]).validate_json(
            (sources.model_run / HISTORY_FILE).read_bytes()
        ),
        "serving": ServingReport.model_validate_json(
            (sources.infra_blessing / SERVING_FILE).read_bytes()
        ),
        "verdict": read_verdict(location_of(sources.blessing) / VERDICT_FILE),
    }


def read_timings(file: str) -> list[StepTiming]:
    """The steps finished so far; none where nobody writes them.

    Raises:
        OSError: the file is missing.
        pydantic.ValidationError: it holds something else.
    """
    return TypeAdapter(list[StepTiming]).validate_json(Path(file).read_bytes()) if file else []


def _read_rejects(path: Path, ingest: IngestReport) -> list[RejectGroup]:
    """Rejects by reason, the most frequent first."""
    first: dict[str, list[Reject]] = {}
    with location_of(path).open() as lines:
        for line in lines:  # of a large data set there are too many to be held
            for reject in parse_rejects(line):
                group = first.setdefault(reject.reason, [])
                if len(group) < REJECTS_LISTED:
                    group.append(reject)
    groups = [
        RejectGroup(reason, clips, first.get(reason, []))
        for reason, clips in ingest.rejects.items()
        if clips
    ]
    return sorted(groups, key=lambda group: (-group.clips, group.reason))


def _sentence_and_output(message: str) -> tuple[str, str]:
    """A message without a traceback in it, and the whole of it where it had one."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if len(lines) <= 1:
        return message, ""
    errors = [line for line in lines if _ERROR.match(line)]
    # The rule's own words stand before what was printed, on the same line.
    words, colon, _ = lines[0].partition(": ")
    said = (errors or lines)[-1]
    return (f"{words}: {said}" if colon and said != lines[0] else said), message


def _most_heard(speakers: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(speakers.items(), key=lambda item: (-item[1], item[0]))


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
