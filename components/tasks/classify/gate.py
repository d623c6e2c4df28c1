"""When a classifier is blessed: rules about its accuracy."""

from collections.abc import Iterator

import numpy as np

from components.evaluation.case import Case, Judgement
from components.evaluation.outlook import Outlook, Unanswered, foresee_share
from components.evaluation.rules import limit, limit_in_slices, no_worse
from components.evaluation.wording import count
from components.tasks.classify.config import Gate
from components.tasks.classify.details import CALIBRATION_ERROR, MACRO_F1, Details
from components.tasks.classify.metrics import (
    all_labels,
    calibration_error,
    class_metrics,
    confusion,
    macro_f1,
    none_below,
)
from components.tasks.classify.scoring import untaught
from schemas.reports.verdict import GateRule


def faults(case: Case) -> list[str]:
    """Why the numbers of this task cannot be trusted at all."""
    return [
        f"the test split has {count(int((case.scores.targets == label).sum()))} with the label "
        f"{label!r}, which the model was not taught"
        for label in untaught(case.scores)
    ]


def foresee(clips: Unanswered, settings: str) -> list[Outlook]:
    """What `gate.accuracy.at_least` could say, of all clips and of the smallest slices."""
    return foresee_accuracy(clips, Gate.model_validate_json(settings))


def foresee_accuracy(clips: Unanswered, gate: Gate) -> list[Outlook]:
    """The same of a gate that has been read."""
    rule = gate.accuracy
    if rule.at_least is None:
        return []
    found = [foresee_share("gate.accuracy.at_least", rule.at_least, clips, gate.confidence)]
    for feature in rule.slices:
        if feature not in clips.features:  # measured on the decoded clips
            continue
        values = clips.features[feature]
        names, sizes = np.unique(values, return_counts=True)
        if not len(names):
            continue
        smallest = str(names[sizes.argmin()])
        found.append(
            foresee_share(
                f"gate.accuracy.slices: {feature}",
                rule.at_least,
                clips.of(values == smallest),
                gate.confidence,
                f" of {feature} {smallest}" if smallest else f" without a {feature}",
            )
        )
    return found


def judge(case: Case, settings: str, *, is_sound: bool) -> Judgement:
    """What the rules of the gate say, whose settings are JSON; none where nothing `is_sound`."""
    gate = Gate.model_validate_json(settings)
    rules = list(accuracy_rules(case, gate)) if is_sound else []
    details, metrics = summary(case)
    return Judgement(rules, metrics, Details(**details, none_below=none_below(case.scores)))


def accuracy_rules(case: Case, gate: Gate) -> Iterator[GateRule]:
    """What the rules about accuracy say."""
    rule = gate.accuracy
    if rule.at_least is not None:
        yield limit(case, "gate.accuracy.at_least", rule.at_least)
        for feature in rule.slices:
            name = f"gate.accuracy.slices: {feature}"
            yield limit_in_slices(case, name, feature, rule.at_least)
    if rule.no_worse_by_more_than is not None:
        yield no_worse(case, "gate.accuracy.no_worse_by_more_than", rule.no_worse_by_more_than)


def summary(case: Case) -> tuple[dict[str, object], dict[str, float]]:
    """The fields of `ClassDetails`, and the metrics by name."""
    labels, matrix = all_labels(case.scores), confusion(case.scores)
    classes = class_metrics(matrix, labels)
    metrics = {
        MACRO_F1: macro_f1(classes),
        CALIBRATION_ERROR: calibration_error(case.scores),
    }
    return {"classes": classes, "confusion": matrix, "labels": labels}, metrics
