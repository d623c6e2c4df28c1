"""Tables of scores of classifiers, from labels and scores of classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.evaluation.case import Case
from components.evaluation.score_files import SCORES_FILE, write_scores
from components.evaluation.score_summary import ScoreSummary
from components.evaluation.scores import ClipScores
from components.evaluation.tallies import Tallies, Tally
from components.storage.location import Location, location_of
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


def write(scores: ClipScores, folder: Path | Location, files: int = 1) -> Path | Location:
    """A table as Evaluator leaves it, in as many files; returns their list."""
    summary = ScoreSummary()
    for number, places in enumerate(np.array_split(np.arange(len(scores)), files)):
        part, name = scores.select(places), f"test-{number:05}-00000.npz"
        write_scores(part, folder / name)
        summary = summary.joined(ScoreSummary.of((number, 0), name, part, []))
    listed = summary.listed(
        "label" if "label" in scores.features else None,
        has_baseline=scores.baseline is not None,
        incomparable=scores.incomparable,
    )
    files = [file.model_copy(update={"examples": None}) for file in listed.files]
    listed = listed.model_copy(update={"unsliced": scores.unsliced, "files": files})
    location_of(folder / SCORES_FILE).put(listed.model_dump_json().encode())
    return folder / SCORES_FILE


def in_arrays(value: object) -> object:
    """The same with plain arrays, for numpy to compare."""
    if isinstance(value, Mapping):
        return {name: np.asarray(each) for name, each in value.items()}
    return np.asarray(value)


def check_same(found: ClipScores, wanted: ClipScores) -> None:
    """Every number and text of both tables."""
    assert (found.baseline is None) == (wanted.baseline is None)
    for ours, theirs in (
        (found, wanted),
        (found.candidate, wanted.candidate),
        (found.baseline, wanted.baseline),
    ):
        for name, value in vars(theirs).items() if theirs else ():
            if name not in ("candidate", "baseline"):
                np.testing.assert_equal(in_arrays(getattr(ours, name)), in_arrays(value))


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
