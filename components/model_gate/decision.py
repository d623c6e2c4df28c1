"""Whether a model is blessed, by the workflow's thresholds, and why in plain words."""

from fractions import Fraction

from components.model_gate.counts import Results, Tally
from schemas.reports import ClassMetrics, SliceMetrics, Verdict
from schemas.workflow import Gate

_SLICES_NAMED = 10  # a reason lists this many failing values of one feature, worst first


def decide(
    gate: Gate,
    candidate: Results,
    labels: list[str],
    *,
    baseline: Results | None = None,
    baseline_labels: list[str] | None = None,
    generated: bool = False,
) -> Verdict:
    """The verdict on `candidate`, whose classes are `labels` in the order of its scores.

    Refused: a broken rule of the gate, no test clips, scores that are not numbers, and test clips
    with a label the model was not taught. Without any rule every other model is blessed. A refused
    verdict gives each reason to refuse, a blessed one each rule that held.
    """
    tally = candidate.tally(labels)
    baseline_tally = baseline.tally(baseline_labels or []) if baseline is not None else None
    faults = _faults(candidate, labels)
    held: list[str] = []
    if not faults:
        for reason, is_met in _rules(gate, tally, candidate.tallies(labels), baseline_tally):
            (held if is_met else faults).append(reason)
    if not faults and not held:
        held.append(f"the gate has no rule; accuracy {_number(tally.accuracy)} {_on(tally)}")
    all_labels = labels + sorted(set(candidate.answers) - set(labels))
    return Verdict(
        outcome="refused" if faults else "blessed",
        reasons=faults or held,
        clips=tally.clips,
        accuracy=float(tally.accuracy),
        baseline_accuracy=float(baseline_tally.accuracy) if baseline_tally else None,
        classes=_classes(candidate, labels, all_labels),
        slices=_slices(candidate, labels),
        confusion=_confusion(candidate, labels, all_labels),
        labels=all_labels,
        generated=generated,
    )


def _faults(candidate: Results, labels: list[str]) -> list[str]:
    """Why the numbers cannot be trusted at all."""
    if not candidate.clips:
        return ["there are no test clips, so nothing shows what the model is worth"]
    faults = []
    if not candidate.is_finite:
        faults.append("the model answers some test clips with scores that are not numbers (NaN)")
    for label in sorted(set(candidate.answers) - set(labels)):
        clips = sum(candidate.answers[label].values())
        faults.append(
            f"the test split has {_clips(clips)} with the label {label!r}, "
            "which the model was not taught"
        )
    return faults


def _rules(
    gate: Gate, tally: Tally, slices: dict[str, dict[str, Tally]], baseline: Tally | None
) -> list[tuple[str, bool]]:
    """Each rule of the gate in words, and whether it is met."""
    rule = gate.accuracy
    found: list[tuple[str, bool]] = []
    if rule.at_least is not None:
        found.append(_at_least(tally, rule.at_least))
        for feature in rule.slices:
            found.append(_at_least_in_slices(feature, slices.get(feature, {}), rule.at_least))
    if rule.no_worse_by_more_than is not None:
        found.append(_no_worse(tally, baseline, rule.no_worse_by_more_than))
    return found


def _at_least(tally: Tally, at_least: float) -> tuple[str, bool]:
    limit = _exact(at_least)
    is_met = tally.accuracy >= limit
    relation = "reaches" if is_met else "is below"
    shown = _number(tally.accuracy, limit)
    return (
        f"accuracy {shown} {relation} {at_least} (gate.accuracy.at_least), {_on(tally, 'test ')}",
        is_met,
    )


def _at_least_in_slices(
    feature: str, tallies: dict[str, Tally], at_least: float
) -> tuple[str, bool]:
    limit = _exact(at_least)
    if not tallies:
        return f"gate.accuracy.slices names {feature}, but no test clip has one", False
    ordered = sorted(tallies.items(), key=lambda item: (item[1].accuracy, item[0]))
    below = [(value, tally) for value, tally in ordered if tally.accuracy < limit]
    worst = "; ".join(
        f"{_slice_name(feature, value)}: accuracy {_number(tally.accuracy, limit)} {_on(tally)}"
        for value, tally in (below or ordered[:1])[:_SLICES_NAMED]
    )
    if not below:
        return f"every {feature} reaches {at_least}; the worst is {worst}", True
    more = len(below) - _SLICES_NAMED
    tail = f"; and {more} more" if more > 0 else ""
    return f"{worst}{tail}: below {at_least} (gate.accuracy.slices: {feature})", False


def _no_worse(tally: Tally, baseline: Tally | None, allowed: float) -> tuple[str, bool]:
    if baseline is None:
        return "no model was blessed before, so there is none to be worse than", True
    loss = baseline.accuracy - tally.accuracy
    is_met = loss <= _exact(allowed)
    change = (
        f"{_number(loss, _exact(allowed))} below"
        if loss > 0
        else f"{_number(-loss)} above"
        if loss < 0
        else "the same as"
    )
    relation = "no more" if is_met else "more"
    return (
        f"accuracy {_number(tally.accuracy)} is {change} the {_number(baseline.accuracy)} "
        f"of the last blessed model on the same {_clips(tally.clips)}, {relation} than "
        f"{allowed} worse (gate.accuracy.no_worse_by_more_than)",
        is_met,
    )


def _classes(
    candidate: Results, labels: list[str], all_labels: list[str]
) -> dict[str, ClassMetrics]:
    answered: dict[int, int] = {}
    for row in candidate.answers.values():
        for class_id, count in row.items():
            answered[class_id] = answered.get(class_id, 0) + count
    metrics = {}
    for class_id, label in enumerate(all_labels):
        clips = sum(candidate.answers.get(label, {}).values())
        is_known = class_id < len(labels)
        right = candidate.answers.get(label, {}).get(class_id, 0) if is_known else 0
        times = answered.get(class_id, 0) if is_known else 0
        metrics[label] = ClassMetrics(
            precision=right / times if times else None,
            recall=right / clips if clips else None,
            clips=clips,
        )
    return metrics


def _confusion(candidate: Results, labels: list[str], all_labels: list[str]) -> list[list[int]]:
    unknown = [0] * (len(all_labels) - len(labels))
    return [
        [candidate.answers.get(label, {}).get(class_id, 0) for class_id in range(len(labels))]
        + unknown
        for label in all_labels
    ]


def _slices(candidate: Results, labels: list[str]) -> list[SliceMetrics]:
    """All slices, worst first."""
    found = [
        SliceMetrics(
            feature=feature, value=value, accuracy=float(tally.accuracy), clips=tally.clips
        )
        for feature, tallies in candidate.tallies(labels).items()
        for value, tally in tallies.items()
    ]
    return sorted(found, key=lambda s: (s.accuracy, s.feature, s.value))


def _slice_name(feature: str, value: str) -> str:
    return f"{feature} {value}" if value else f"clips without a {feature}"


def _exact(value: float) -> Fraction:
    """The decimal number that was written, not its nearest binary float."""
    return Fraction(repr(value))


def _number(value: Fraction, limit: Fraction | None = None) -> str:
    """Three decimals, or as many more as it takes to tell `value` from `limit`."""
    for digits in range(3, 9):
        text = f"{float(value):.{digits}f}"
        if limit is None or value == limit or Fraction(text) != limit:
            return text
    return text


def _on(tally: Tally, kind: str = "") -> str:
    return f"on {_clips(tally.clips, kind)}"


def _clips(count: int, kind: str = "") -> str:
    return f"{count} {kind}clip" + ("" if count == 1 else "s")
