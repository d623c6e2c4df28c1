"""Tables of scores of classifiers, from labels and scores of classes."""

from dataclasses import dataclass

import numpy as np

from components.evaluation.case import Case
from components.evaluation.scores import ClipScores
from components.evaluation.tallies import Tallies, Tally
from components.tasks.classify.details import Details
from components.tasks.classify.scoring import MEASURE, score_labels, units
from components.tasks.spot.details import Details as SpotDetails
from components.tasks.spot.details import OperatingPoint
from schemas.reports.metrics import Headline
from schemas.reports.verdict import Verdict


@dataclass
class Answered:
    """Scores of one model, [clips, classes], whose classes are `labels`."""

    labels: np.ndarray
    scores: np.ndarray


def table(
    ids,
    labels,
    features=None,
    unsliced=None,
    candidate=None,
    baseline=None,
    incomparable="",
    folds=None,
) -> ClipScores:
    """The table of clips with these labels; clips are sliced by them too."""
    labels = np.array(labels, np.str_)
    features = dict(features or {})
    return ClipScores(
        ids=np.array(ids, np.str_),
        targets=labels,
        units=units(labels),
        speakers=features.get("speaker", np.full(len(labels), "", np.str_)),
        folds=np.full(len(labels), "", np.str_) if folds is None else folds,
        features={"label": labels, **features},
        unsliced=unsliced or {},
        candidate=score_labels(labels, candidate.labels, candidate.scores),
        baseline=baseline and score_labels(labels, baseline.labels, baseline.scores),
        incomparable=incomparable,
    )


def classifier_verdict(
    *, accuracy, accuracy_interval, macro_f1, calibration_error, classes, confusion, labels, **rest
) -> Verdict:
    """A verdict on a classifier; `rest` are fields that every task's verdict has."""
    return Verdict(
        headline=Headline(
            name="accuracy",
            value=accuracy,
            interval=accuracy_interval,
            unit="",
            higher_is_better=True,
        ),
        metrics={"macro_f1": macro_f1, "calibration_error": calibration_error},
        details=Details(classes=classes, confusion=confusion, labels=labels),
        **rest,
    )


def spotted(verdict: Verdict, point: OperatingPoint | None) -> Verdict:
    """A classifier's verdict as that of a keyword spotter."""
    details = SpotDetails(
        **verdict.details.model_dump(exclude={"task", "none_below"}), keywords=point
    )
    return verdict.model_copy(update={"details": details})


def tallies(scores: ClipScores, which=None) -> Tallies:
    """What TFMA counts of a table."""
    model = which or scores.candidate

    def tally(chosen: np.ndarray) -> Tally:
        return Tally.of(model.errors[chosen], scores.units[chosen])

    found = {"": {"": tally(scores.everything)}}
    for name, values in scores.features.items():
        found[name] = {value: tally(values == value) for value in dict.fromkeys(values.tolist())}
    return found


def case(scores: ClipScores, folder=None, confidence=0.95, counts=None) -> Case:
    """The case of a table; TFMA's counts are its own unless others are given."""
    counted = scores.counted
    return Case(MEASURE, confidence, counted, counts or tallies(counted), folder)
