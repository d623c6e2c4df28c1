"""Whether a model is blessed, refused or cannot be judged yet, and why in plain words."""

import numpy as np

from components.evaluation.intervals import accuracy_interval, difference_interval
from components.evaluation.rules import count, judge, must_pass, on
from components.evaluation.scores import ClipScores, ModelScores
from components.evaluation.tallies import Results, Tally
from components.tasks.spot.gate import judge_keywords, operating_point
from components.tasks.spot.wake_word import Background
from schemas.reports.metrics import ClassMetrics, Interval, SliceMetrics
from schemas.reports.verdict import GateRule, Verdict
from schemas.workflow.gate import Gate

FEWEST_CLIPS = 20  # of a slice; fewer are called too few to judge


def decide(
    gate: Gate,
    candidate: Results,
    scores: ClipScores,
    *,
    baseline: Results | None = None,
    background: Background | None = None,
    generated: bool = False,
) -> Verdict:
    """The verdict on the candidate, by TFMA's counts `candidate` and the table they come from, of
    which they leave out the clips that must pass.

    `background` is what it answered on recordings without keywords, where there are any.

    Refused: a broken rule of the gate, a wrong answer to a clip that must pass, no test clips,
    counts that are not those of the table, scores that are not numbers, and test clips with a label
    the model was not taught. Undecided: no rule is broken, but one cannot be judged on so few
    clips. Without any rule every other model is blessed.
    """
    hard, scores = scores, scores.counted
    labels = scores.candidate.labels.tolist()
    tally, tallies = candidate.tally(labels), candidate.tallies(labels)
    keywords = None
    rules = [
        GateRule(name="sound", outcome="broken", said=said)
        for said in _faults(candidate, baseline, scores, labels, background)
    ]
    if not rules:
        rules = judge(gate, {"": {"": tally}, **tallies}, scores)
        if background is not None:
            keywords = operating_point(gate, scores, background)
            rules += judge_keywords(gate, keywords, scores)
    rules += must_pass(hard)
    outcomes = {rule.outcome for rule in rules}
    all_labels = labels + sorted(set(candidate.answers) - set(labels))
    confusion = _confusion(candidate, labels, all_labels)
    classes = _classes(confusion, all_labels)
    paired = scores.paired(np.ones(len(scores.labels), np.bool_)) if scores.baseline else None
    return Verdict(
        outcome=(
            "refused"
            if "broken" in outcomes
            else "undecided"
            if "undecided" in outcomes
            else "blessed"
        ),
        rules=rules,
        reasons=_reasons(rules, tally),
        confidence=gate.confidence,
        clips=tally.clips,
        accuracy=float(tally.accuracy),
        accuracy_interval=Interval.of(accuracy_interval(tally.right, tally.clips, gate.confidence)),
        macro_f1=_macro_f1(classes),
        calibration_error=candidate.calibration_error,
        baseline_accuracy=(
            float(baseline.tally(scores.baseline.labels.tolist()).accuracy)
            if baseline and scores.baseline
            else None
        ),
        difference=paired.difference if paired else None,
        difference_interval=(
            Interval.of(difference_interval(paired, gate.confidence)) if paired else None
        ),
        classes=classes,
        slices=_slices(tallies, scores, gate.confidence),
        incomparable=scores.incomparable,
        unsliced=scores.unsliced,
        confusion=confusion,
        labels=all_labels,
        generated=generated,
        keywords=keywords,
    )


def _reasons(rules: list[GateRule], tally: Tally) -> list[str]:
    """What decided: all broken rules, or else all undecided ones, or else all that held."""
    for outcome in ("broken", "undecided", "held"):
        if said := [rule.said for rule in rules if rule.outcome == outcome]:
            return said
    return [f"the gate has no rule; accuracy {float(tally.accuracy):.3f} {on(tally.clips)}"]


def _faults(
    candidate: Results,
    baseline: Results | None,
    scores: ClipScores,
    labels: list[str],
    background: Background | None,
) -> list[str]:
    """Why the numbers cannot be trusted at all."""
    if not len(scores.labels):
        return ["there are no test clips, so nothing shows what the model is worth"]
    faults = _miscounts("the model", candidate, scores, scores.candidate)
    if baseline and scores.baseline:
        faults += _miscounts("the last blessed model", baseline, scores, scores.baseline)
    if not_finite := int((~scores.candidate.is_finite).sum()):
        faults.append(
            f"the model answers {count(not_finite)} with scores that are no numbers (NaN)"
        )
    if background is not None and background.not_finite:
        faults.append(
            f"the model answers {background.not_finite:,} windows of the background with scores"
            " that are no numbers (NaN)"
        )
    for label in sorted(set(candidate.answers) - set(labels)):
        clips = sum(candidate.answers[label].values())
        faults.append(
            f"the test split has {count(clips)} with the label {label!r}, "
            "which the model was not taught"
        )
    return faults


def _miscounts(whose: str, results: Results, scores: ClipScores, model: ModelScores) -> list[str]:
    """How TFMA's counts of all clips differ from those of the table that it counted."""
    found = results.tally(model.labels.tolist())
    # Not `is_right`: TFMA takes a score that is no number for the highest.
    expected = Tally(int((model.answers == scores.labels).sum()), len(scores.labels))
    if found == expected:
        return []
    return [
        f"TFMA counts {found.right:,} right answers of {whose} {on(found.clips)}, "
        f"its scores hold {expected.right:,} {on(expected.clips)}"
    ]


def _classes(confusion: list[list[int]], labels: list[str]) -> dict[str, ClassMetrics]:
    counts = np.array(confusion)
    metrics = {}
    for number, label in enumerate(labels):
        clips, times = int(counts[number].sum()), int(counts[:, number].sum())
        right = int(counts[number, number])
        metrics[label] = ClassMetrics(
            precision=right / times if times else None,
            recall=right / clips if clips else None,
            clips=clips,
        )
    return metrics


def _macro_f1(classes: dict[str, ClassMetrics]) -> float:
    """The mean over the classes that have clips; a class that is never answered right counts 0."""
    found = []
    for metrics in classes.values():
        if metrics.recall is not None:
            precision = metrics.precision or 0.0
            both = precision + metrics.recall
            found.append(2 * precision * metrics.recall / both if both else 0.0)
    return float(np.mean(found)) if found else 0.0


def _confusion(candidate: Results, labels: list[str], all_labels: list[str]) -> list[list[int]]:
    unknown = [0] * (len(all_labels) - len(labels))
    return [
        [candidate.answers.get(label, {}).get(class_id, 0) for class_id in range(len(labels))]
        + unknown
        for label in all_labels
    ]


def _slices(
    tallies: dict[str, dict[str, Tally]], scores: ClipScores, confidence: float
) -> list[SliceMetrics]:
    """All slices, worst first."""
    found = []
    for feature, values in tallies.items():
        column = scores.features.get(feature, scores.labels)
        for value, tally in values.items():
            low, high = accuracy_interval(tally.right, tally.clips, confidence)
            paired = scores.paired(column == value) if scores.baseline else None
            found.append(
                SliceMetrics(
                    feature=feature,
                    value=value,
                    accuracy=float(tally.accuracy),
                    interval=Interval(low=low, high=high),
                    clips=tally.clips,
                    is_small=tally.clips < FEWEST_CLIPS,
                    difference=paired.difference if paired and paired.clips else None,
                )
            )
    return sorted(found, key=lambda s: (s.accuracy, s.feature, s.value))
