"""Whether a model is blessed, refused or cannot be judged yet, and why in plain words."""

from collections.abc import Mapping
from types import MappingProxyType

from components.evaluation.case import Case
from components.evaluation.rules import must_pass
from components.evaluation.scores import ClipScores
from components.evaluation.tallies import OVERALL, Tallies, overall
from components.evaluation.wording import count, on, with_unit
from components.model_gate import conditions as condition_rules
from components.model_gate.trace import clips_digest
from components.tasks import parts
from schemas.reports.metrics import Headline, Interval, SliceMetrics
from schemas.reports.verdict import GateRule, Verdict
from schemas.tasks import load_part
from schemas.workflow.gate import common_to_all

FEWEST_CLIPS = 20  # of a slice; fewer are called too few to judge
_NOTHING = "there are no test clips, so nothing shows what the model is worth"


def decide(
    case: Case,
    scores: ClipScores,
    *,
    task: str,
    settings: str,
    baseline: Tallies | None = None,
    generated: bool = False,
    conditions: Mapping[str, ClipScores] = MappingProxyType({}),
) -> Verdict:
    """The verdict on a candidate of `task`, by the rules of its gate, whose settings are JSON.

    `case` leaves out the clips of `scores` that must pass. `baseline` are the tallies of the last
    blessed model. `conditions` are tables of clips as they sound in noise, in a room and so on.

    Refused: a broken rule of the gate, a wrong answer to a clip that must pass, no test clips,
    counts that are not of the table, answers that are not numbers, and what the task calls a fault.
    Undecided: no rule is broken, but one cannot be judged on so few clips. Without any rule every
    other model is blessed.
    """
    part = parts.gate(task)
    faults = [*_faults(case), *part.faults(case)] if len(case.scores) else [_NOTHING]
    judgement = part.judge(case, settings, is_sound=not faults)
    rules = [GateRule(name="sound", outcome="broken", message=message) for message in faults]
    gate = load_part(task, "config").Gate.model_validate_json(settings)
    heard = condition_rules.cases(case, conditions)
    rules += [*judgement.rules, *must_pass(scores)]
    rules += condition_rules.judge(heard, gate.conditions) if not faults else []
    outcomes = {rule.outcome for rule in rules}
    measure, has_baseline = case.measure, case.scores.baseline is not None
    pairs = case.scores.pairs(case.scores.everything) if has_baseline else None
    return Verdict(
        outcome=(
            "refused"
            if "broken" in outcomes
            else "undecided"
            if "undecided" in outcomes
            else "blessed"
        ),
        rules=rules,
        reasons=_reasons(rules, case),
        confidence=case.confidence,
        clips=case.tally.clips,
        headline=_headline(case),
        baseline=(float(measure.value(overall(baseline))) if baseline and has_baseline else None),
        difference=float(measure.difference(pairs)) if pairs is not None else None,
        difference_interval=(
            Interval.of(measure.difference_interval(pairs, case.confidence))
            if pairs is not None
            else None
        ),
        incomparable=case.scores.incomparable,
        metrics=judgement.metrics,
        slices=_slices(case),
        unsliced=case.scores.unsliced,
        conditions=condition_rules.measure(heard),
        limits=gate.in_words(),
        judged_by=clips_digest(map(str, case.scores.ids)),
        folds=len(set(case.scores.folds.distinct()) - {""}),
        is_pushed_undecided=common_to_all(settings).when_undecided == "push",
        generated=generated,
        details=judgement.details,
    )


def _headline(case: Case) -> Headline:
    measure = case.measure
    bounds = case.interval(case.tally, case.scores.everything, case.confidence)
    return Headline(
        name=measure.name,
        value=float(measure.value(case.tally)),
        interval=Interval.of(bounds),
        unit=measure.unit,
        higher_is_better=measure.higher_is_better,
    )


def _reasons(rules: list[GateRule], case: Case) -> list[str]:
    """What decided: all broken rules, or else all undecided ones, or else all that held."""
    for outcome in ("broken", "undecided", "held"):
        if message := [rule.message for rule in rules if rule.outcome == outcome]:
            return message
    measure, tally = case.measure, case.tally
    text = with_unit(f"{float(measure.value(tally)):.3f}", measure.unit)
    return [f"the gate has no rule; {measure.name} {text} {on(tally.clips)}"]


def _faults(case: Case) -> list[str]:
    """Why the numbers cannot be trusted at all, whatever the task."""
    faults = []
    if case.tally.clips != len(case.scores):
        faults.append(
            f"TFMA counts {count(case.tally.clips)}, the table of scores holds"
            f" {count(len(case.scores))}"
        )
    if not_finite := int((~case.scores.candidate.is_finite).sum()):
        faults.append(
            f"the model answers {count(not_finite)} with scores that are no numbers (NaN)"
        )
    return faults


def _slices(case: Case) -> list[SliceMetrics]:
    """All slices, worst first."""
    measure, scores = case.measure, case.scores
    found = []
    for feature, values in case.tallies.items():
        if feature == OVERALL:
            continue
        for value, tally in values.items():
            chosen = case.is_value(feature, value)
            pairs = scores.pairs(chosen) if scores.baseline else None
            found.append(
                SliceMetrics(
                    feature=feature,
                    value=value,
                    headline=float(measure.value(tally)),
                    interval=Interval.of(case.interval(tally, chosen, case.confidence)),
                    clips=tally.clips,
                    is_small=tally.clips < FEWEST_CLIPS,
                    difference=float(measure.difference(pairs)) if pairs else None,
                )
            )
    sign = 1 if measure.higher_is_better else -1
    return sorted(found, key=lambda s: (sign * s.headline, s.feature, s.value))
