"""A classifier's sections of the report: confusion matrix, classes, scores, what decided."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.audio.pcm16 import to_waveform
from components.evaluation.scores import ClipScores
from components.explanation.explain import BRIEF, attribute
from components.explanation.picture import explanation_png, explanation_text
from components.pages.clips import Clip, ScoredClip
from components.pages.drawing import data_uri, waveform_svg
from components.pages.player import Players
from components.pages.section import Judged, Section, html_environment
from components.pages.text import share
from components.saved_model import load_saved_model
from components.tasks.classify.cells import heard_cells, heard_places, most_frequent
from components.tasks.classify.charts import confusion_png, detection_svg, reliability_svg
from components.tasks.classify.curves import detection_errors, reliability
from components.tasks.classify.details import (
    CALIBRATION_ERROR,
    MACRO_F1,
    ClassDetails,
    ClassMetrics,
)
from components.tasks.classify.metrics import all_labels
from components.tasks.classify.tracked import tracked
from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import Verdict

__all__ = ["facts", "places", "sections", "tracked"]

# What is more than these is counted on the page, not listed.
CONFUSIONS_LISTED = 10
CLASSES_LISTED = 300
CLASSES_IN_TABLE = 24  # a larger confusion matrix becomes a picture
CLASSES_EXPLAINED = 24
_AUDIO_BYTES = 2_500_000  # of the clips behind the cells
_LONGEST_EXPLAINED_S = 5.0  # a minute of one clip would take as long
_TEMPLATES = html_environment(Path(__file__).parent / "templates")


@dataclass(frozen=True)
class ConfusionCell:
    """Clips of one true class with one answer, and their share of the true class."""

    clips: int
    share: float
    is_right: bool


@dataclass(frozen=True)
class Confusion:
    """How often one class was taken for another."""

    true: str
    answered: str
    clips: int
    share: float


@dataclass(frozen=True)
class Explained:
    """A wrong answer, and what decided for it: as a PNG and in words.

    `unexplained` is the part of the score that integrated gradients miss.
    """

    scored: ScoredClip
    picture: bytes
    message: str
    unexplained: float


def places(scores: ClipScores) -> list[int]:
    """The mistakes that are explained, and the clips behind the cells of the confusion matrix."""
    counted = scores.counted
    wanted = mistake_places(counted, CLASSES_EXPLAINED) + _heard_places(counted)
    return list(map(int, np.flatnonzero(~scores.is_must_pass)[wanted])) if wanted else []


def mistake_places(scores: ClipScores, count: int) -> list[int]:
    """Of each class the wrong answer with the highest score, the `count` highest of them."""
    model = scores.candidate
    wrong = np.flatnonzero(model.is_finite & (model.answers != scores.targets))
    order = wrong[np.argsort(-model.confidence[wrong], kind="stable")]
    _, first = np.unique(scores.targets.codes[order], return_index=True)
    places: list[int] = order[np.sort(first)][:count].tolist()
    return places


def _heard_places(scores: ClipScores) -> list[int]:
    is_large = len(all_labels(scores)) > CLASSES_IN_TABLE
    return heard_places(scores, CONFUSIONS_LISTED if is_large else None)


def facts(verdict: Verdict) -> dict[str, str]:
    """Numbers for the head of the report."""
    return {
        "Macro F1": share(verdict.metrics.get(MACRO_F1)),
        "Calibration error": share(verdict.metrics.get(CALIBRATION_ERROR)),
        "Classes": str(len(_details(verdict).labels)),
    }


def sections(judged: Judged) -> list[Section]:
    """All of them."""
    details = _details(judged.verdict)
    return [
        Section("confusion", "Confusion matrix", "before slices", _confusion_html(judged)),
        Section("classes", "Classes", "beside slices", _classes_html(details)),
        Section("scores", "Scores", "after slices", _scores_html(judged)),
        Section("explained", "What decided", "after worst", _explained_html(judged)),
    ]


def _details(verdict: Verdict) -> ClassDetails:
    assert isinstance(verdict.details, ClassDetails)
    return verdict.details


def _confusion_html(judged: Judged) -> str:
    details = _details(judged.verdict)
    shares = confusion_shares(details)
    is_large = len(details.labels) > CLASSES_IN_TABLE
    picture = confusion_png(np.array(shares)) if is_large else b""
    rate = judged.card.audio.sample_rate
    heard = heard_cells(
        judged.scores,
        _heard_places(judged.scores),
        {scored.clip.id: scored for scored in judged.clips.values()},
    )
    return _TEMPLATES.get_template("confusion.html.jinja").render(
        labels=details.labels,
        table=None if is_large else confusion_table(details),
        image=data_uri(picture, "image/png"),
        confusions=frequent_confusions(details),
        heard=heard,
        heard_in_all=sum(len(cell.clips) for cell in heard.values()),
        clips_in_all=len(judged.scores),
        player=Players(rate, _AUDIO_BYTES),
        waveform=functools.partial(_waveform, sample_rate=rate),
    )


def _waveform(clip: Clip, sample_rate: int) -> str:
    seconds = len(clip.waveform) / sample_rate
    return waveform_svg(clip.waveform, f"Waveform of {clip.target}, {seconds:.2f} s")


def confusion_shares(details: ClassDetails) -> list[list[float]]:
    """[true, answered] as shares of the true class; zeros for a class without clips."""
    return [
        [count / total if (total := sum(row)) else 0.0 for count in row]
        for row in details.confusion
    ]


def confusion_table(details: ClassDetails) -> list[tuple[str, list[ConfusionCell]]]:
    """Rows of the confusion matrix by true class."""
    shares = confusion_shares(details)
    return [
        (
            label,
            [
                ConfusionCell(count, shares[i][j], i == j)
                for j, count in enumerate(details.confusion[i])
            ],
        )
        for i, label in enumerate(details.labels)
    ]


def frequent_confusions(details: ClassDetails) -> list[Confusion]:
    """The most frequent wrong answers."""
    labels, shares = details.labels, confusion_shares(details)
    counts = {
        (labels[i], labels[j]): count
        for i, row in enumerate(details.confusion)
        for j, count in enumerate(row)
    }
    place = {label: number for number, label in enumerate(labels)}
    return [
        Confusion(true, answered, counts[true, answered], shares[place[true]][place[answered]])
        for true, answered in most_frequent(counts)[:CONFUSIONS_LISTED]
    ]


def _classes_html(details: ClassDetails) -> str:
    ordered: list[tuple[str, ClassMetrics]] = sorted(
        details.classes.items(),
        key=lambda item: (item[1].recall is None, item[1].recall, item[0]),
    )
    return _TEMPLATES.get_template("classes.html.jinja").render(
        classes=ordered[:CLASSES_LISTED], total=len(ordered)
    )


def _scores_html(judged: Judged) -> str:
    return _TEMPLATES.get_template("scores.html.jinja").render(
        reliability=reliability_svg(reliability(judged.scores)),
        detection=detection_svg(detection_errors(judged.scores)),
        calibration_error=judged.verdict.metrics.get(CALIBRATION_ERROR),
    )


def _explained_html(judged: Judged) -> str:
    by_id = {scored.clip.id: scored for scored in judged.clips.values()}
    mistakes = np.array(mistake_places(judged.scores, CLASSES_EXPLAINED), np.intp)
    wanted = judged.scores.ids[mistakes].tolist()
    explained = _explain(judged.saved_model, judged.card, [by_id[id_] for id_ in wanted])
    return _TEMPLATES.get_template("explained.html.jinja").render(
        explained=explained,
        most=CLASSES_EXPLAINED,
        most_unexplained=max((abs(each.unexplained) for each in explained), default=0.0),
        picture=lambda png: data_uri(png, "image/png"),
    )


def _explain(saved_model: Path, card: ModelCard, mistakes: Sequence[ScoredClip]) -> list[Explained]:
    """What decided for the wrong answers, of clips that are short enough."""
    if not mistakes or card.audio.clip_s > _LONGEST_EXPLAINED_S:
        return []
    found = attribute(
        load_saved_model(saved_model),
        card,
        to_waveform(np.stack([scored.clip.waveform for scored in mistakes])),
        [card.labels.index(scored.answer) for scored in mistakes],
        BRIEF,
    )
    return [
        Explained(
            scored,
            explanation_png(attributions, scored.answer, ground="none"),
            explanation_text(attributions, scored.answer),
            attributions["integrated gradients"].unexplained,
        )
        for scored, attributions in zip(mistakes, found, strict=True)
    ]
