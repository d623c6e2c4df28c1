"""What a candidate is worth under the conditions that test clips are also heard under."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from components.evaluation.case import Case
from components.evaluation.rules import limit, no_worse
from components.evaluation.scores import ClipScores
from components.evaluation.tallies import OVERALL, Tally
from schemas.reports.metrics import ConditionMetrics, Interval
from schemas.reports.verdict import GateRule
from schemas.workflow.gate import Limit


def cases(case: Case, conditions: Mapping[str, ClipScores]) -> dict[str, Case]:
    """A case for each condition; clips that must pass are left out, as they are of `case`."""
    return {name: _case(case, table.counted) for name, table in conditions.items()}


def judge(found: Mapping[str, Case], limits: Mapping[str, Limit]) -> Iterator[GateRule]:
    """What the rules about conditions say."""
    for name, each in limits.items():
        key = f"gate.conditions.{name}"
        if name not in found or not len(found[name].scores):
            message = f"no test clip was heard under {name} ({key})"
            yield GateRule(name=key, outcome="broken", message=message)
            continue
        case = found[name]
        if each.at_least is not None:
            yield _named(name, limit(case, f"{key}.at_least", each.at_least))
        if each.no_worse_by_more_than is not None:
            worst = each.no_worse_by_more_than
            yield _named(name, no_worse(case, f"{key}.no_worse_by_more_than", worst))


def measure(found: Mapping[str, Case]) -> list[ConditionMetrics]:
    """The numbers under each condition, in the order of their names."""
    return [_metrics(name, case) for name, case in found.items() if len(case.scores)]


def _case(case: Case, scores: ClipScores) -> Case:
    tally = Tally.of(scores.candidate.errors, scores.units)
    return replace(case, scores=scores, tallies={OVERALL: {OVERALL: tally}})


def _named(condition: str, rule: GateRule) -> GateRule:
    return rule.model_copy(update={"message": f"{condition}: {rule.message}"})


def _metrics(name: str, case: Case) -> ConditionMetrics:
    scores, measure = case.scores, case.measure
    baseline = difference = None
    if scores.baseline is not None and len(pairs := scores.pairs(scores.everything)):
        baseline = float(measure.value(Tally.of(scores.baseline.errors, scores.units)))
        difference = Interval.of(measure.difference_interval(pairs, case.confidence))
    return ConditionMetrics(
        name=name,
        value=float(measure.value(case.tally)),
        interval=Interval.of(case.interval(case.tally, scores.everything, case.confidence)),
        clips=case.tally.clips,
        baseline=baseline,
        difference_interval=difference,
    )
