"""The rules of the gate: each looks at intervals, never at bare numbers, and answers in words.

A rule holds where the whole interval is on the right side of its limit, is broken where the whole
interval is on the wrong side, and is undecided where the limit lies within: then it says how many
more clips would decide. The names of rules are the workflow's keys, which a task hands in.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from components.evaluation.case import Case
from components.evaluation.measures import Measure
from components.evaluation.scores import Chosen, ClipScores, Pairs, lowest
from components.evaluation.tallies import Tally
from components.evaluation.wording import between, count, number, on, with_unit, would_decide
from schemas.reports.verdict import GateRule
from schemas.text import some
from schemas.utterance import MUST_PASS

SLICES_NAMED = 10  # a reason lists this many values of one feature, worst first
CLIPS_NAMED = 10  # to listen to
_some = partial(some, most=SLICES_NAMED, separator="; ")

_Side = Literal["good", "bad", "both"]  # of a limit


@dataclass(frozen=True)
class _Words:
    """How a limit is spoken of."""

    reaches: str
    reach: str
    misses: str
    beyond: str

    @classmethod
    def of(cls, measure: Measure) -> "_Words":
        if measure.higher_is_better:
            return cls("reaches", "reach", "is below", "below")
        return cls("is at most", "are at most", "is above", "above")


def must_pass(scores: ClipScores) -> list[GateRule]:
    """Whether the candidate is right on every clip that must pass; nothing where there are none."""
    chosen = scores.is_must_pass
    if not chosen.any():
        return []
    clips = count(int(chosen.sum()), "must-pass ")
    wrong = np.flatnonzero(chosen & ~scores.candidate.is_right)
    if not len(wrong):
        return [GateRule(name=MUST_PASS, outcome="held", message=f"right on {clips} ({MUST_PASS})")]
    answers = scores.candidate.answers
    ids = scores.ids[wrong].tolist()
    words = [
        f"{scores.targets[place]} as {answers[place]} ({id_})"
        for place, id_ in zip(wrong.tolist(), ids, strict=True)
    ]
    return [
        GateRule(
            name=MUST_PASS,
            outcome="broken",
            message=f"wrong on {len(wrong):,} of {clips}, {_some(words)} ({MUST_PASS})",
            clips=ids,
        )
    ]


def limit(case: Case, name: str, value: float) -> GateRule:
    """Whether the measure of all clips surely is on the good side of `value`."""
    measure, tally = case.measure, case.tally
    low, high = case.interval(tally, case.scores.everything, case.confidence)
    seen = f"{_seen(measure, tally, value, 'test ')}, "
    seen += between(low, high, case.confidence, value, measure.unit)
    rule, words = f"{with_unit(f'{value:g}', measure.unit)} ({name})", _Words.of(measure)
    side = _side(measure, low, high, value)
    listen = _wrong_clips(case.scores, case.scores.everything)
    if side == "good":
        message = f"{seen}, {words.reaches} {rule}"
        return GateRule(name=name, outcome="held", message=message, clips=listen)
    if side == "bad":
        message = f"{seen}, {words.misses} {rule}"
        return GateRule(name=name, outcome="broken", message=message, clips=listen)
    sample = case.scores.sample(case.scores.everything)
    needed = measure.clips_to_show(tally, sample, value, case.confidence)
    return GateRule(
        name=name,
        outcome="undecided",
        message=f"{seen}: too few to tell whether it {words.reaches} {rule}; "
        + would_decide(needed, tally.clips),
        more_clips=needed and needed - tally.clips,
        clips=listen,
    )


def limit_in_slices(case: Case, name: str, feature: str, value: float) -> GateRule:
    """Whether the measure surely is on the good side of `value` for every value of a feature."""
    scores = case.scores
    if feature in scores.unsliced:
        message = f"{name}: {scores.unsliced[feature]:,} different values are no groups to judge by"
        return GateRule(name=name, outcome="broken", message=message)
    found = case.tallies.get(feature, {})
    if not any(found):
        message = f"{name}, but no test clip says its {feature}"
        return GateRule(name=name, outcome="broken", message=message)
    sides: dict[_Side, list[_Seen]] = {"bad": [], "both": [], "good": []}
    for each in _seen_slices(case, feature, value):
        sides[_side_of_slice(case, each, value, len(found))].append(each)
    words, text = _Words.of(case.measure), with_unit(f"{value:g}", case.measure.unit)
    if below := sides["bad"]:
        message = f"{_some([each.message for each in below])}: {words.beyond} {text} ({name})"
        return GateRule(name=name, outcome="broken", message=message, clips=_wrong_in(case, below))
    if unsure := sides["both"]:
        needed = [
            case.measure.clips_to_show(
                each.tally, scores.sample(each.chosen), value, case.confidence
            )
            for each in unsure
        ]
        more = [n - each.tally.clips for n, each in zip(needed, unsure, strict=True) if n]
        how_many = f"up to {max(more):,} more clips of each would" if more else "more clips might"
        message = _some([each.message for each in unsure])
        return GateRule(
            name=name,
            outcome="undecided",
            message=f"{message}: too few to tell whether they {words.reach} {text} ({name});"
            f" {how_many}",
            more_clips=sum(more) or None,
            clips=_wrong_in(case, unsure),
        )
    worst = sides["good"][0]
    message = f"every {feature} {words.reaches} {text}; the worst is {worst.message}"
    return GateRule(name=name, outcome="held", message=message, clips=_wrong_in(case, [worst]))


def no_worse(case: Case, name: str, allowed: float) -> GateRule:
    """Whether the candidate surely is no more than `allowed` worse than the last blessed model."""
    scores, measure = case.scores, case.measure
    if scores.baseline is None:
        message = "no model was blessed before, so there is none to be worse than"
        if scores.incomparable:
            message = f"not compared with the last blessed model: {scores.incomparable}"
        return GateRule(name=name, outcome="held", message=message)
    pairs = scores.pairs(scores.everything)
    if not len(pairs):
        message = (
            f"the last blessed model knows no label of the test clips: nothing to compare ({name})"
        )
        return GateRule(name=name, outcome="broken", message=message)
    low, high = measure.difference_interval(pairs, case.confidence)
    seen = _seen_difference(case, pairs, allowed)
    seen += f", the difference between {low:+.4f} and {with_unit(f'{high:+.4f}', measure.unit)}"
    seen += f" with {case.confidence:.0%} confidence"
    rule = f"{with_unit(f'{allowed:g}', measure.unit)} worse ({name})"
    worst = -allowed if measure.higher_is_better else allowed
    side = _side(measure, low, high, worst)
    listen = _wrong_clips(scores, scores.is_shared & scores.baseline.is_right)
    if side == "good":
        message = f"{seen}: no more than {rule}"
        return GateRule(name=name, outcome="held", message=message, clips=listen)
    if side == "bad":
        return GateRule(
            name=name, outcome="broken", message=f"{seen}: more than {rule}", clips=listen
        )
    needed = measure.pairs_to_show(pairs, allowed, case.confidence)
    return GateRule(
        name=name,
        outcome="undecided",
        message=f"{seen}: too few to tell whether it is more than {rule}; "
        + would_decide(needed, len(pairs)),
        more_clips=needed and needed - len(pairs),
        clips=listen,
    )


def worst_clips(scores: ClipScores, chosen: Chosen) -> list[str]:
    """Ids of some of the `chosen` clips, the worst first."""
    ids: list[str] = scores.ids[lowest(scores.candidate.merit, CLIPS_NAMED, chosen)].tolist()
    return ids


@dataclass(frozen=True)
class _Seen:
    """What was seen of one slice."""

    case: Case
    feature: str
    value: str
    tally: Tally
    message: str

    @property
    def chosen(self) -> Chosen:
        """Its clips; not kept, or 500 slices would take 500 bytes a clip."""
        return self.case.is_value(self.feature, self.value)


def _seen_slices(case: Case, feature: str, value: float) -> list[_Seen]:
    """All slices by a feature, worst first."""
    measure = case.measure
    sign = 1 if measure.higher_is_better else -1
    tallies = case.tallies[feature].items()
    ordered = sorted(tallies, key=lambda item: (sign * measure.value(item[1]), item[0]))
    return [
        _Seen(
            case,
            feature,
            name,
            tally,
            f"{_slice(feature, name)}: {_seen(measure, tally, value)}",
        )
        for name, tally in ordered
    ]


def _side_of_slice(case: Case, seen: _Seen, value: float, slices: int) -> _Side:
    # That one of many values fails by chance must not be likelier than for one alone.
    strict = 1 - (1 - case.confidence) / slices
    is_bad = _side(case.measure, *case.interval(seen.tally, seen.chosen, strict), value) == "bad"
    if is_bad:
        return "bad"
    bounds = case.interval(seen.tally, seen.chosen, case.confidence)
    return "good" if _side(case.measure, *bounds, value) == "good" else "both"


def _side(measure: Measure, low: float, high: float, value: float) -> _Side:
    """On which side of `value` the whole interval lies; the limit itself is good."""
    if measure.higher_is_better:
        return "good" if low >= value else "bad" if high < value else "both"
    return "good" if high <= value else "bad" if low > value else "both"


def _seen(measure: Measure, tally: Tally, value: float, kind: str = "") -> str:
    text = with_unit(number(measure.value(tally), value), measure.unit)
    return f"{measure.name} {text} {on(tally.clips, kind)}"


def _seen_difference(case: Case, pairs: Pairs, allowed: float) -> str:
    measure = case.measure
    change = measure.difference(pairs)
    how = "the same as"
    if change:
        size = with_unit(number(abs(change), allowed), measure.unit)
        how = f"{size} {'above' if change > 0 else 'below'}"
    seen = f"{measure.name} is {how} the last blessed model's {on(len(pairs), 'same ')}"
    if len(pairs) < len(case.scores):
        seen += f" (of {len(case.scores)}: those whose label both know)"
    return seen


def _slice(feature: str, value: str) -> str:
    return f"{feature} {value}" if value else f"clips without a {feature}"


def _wrong_in(case: Case, slices: list[_Seen]) -> list[str]:
    chosen = ~case.scores.everything
    for each in slices:
        chosen |= each.chosen
    return _wrong_clips(case.scores, chosen)


def _wrong_clips(scores: ClipScores, chosen: Chosen) -> list[str]:
    """The worst of the `chosen` clips that were answered wrong; of those that were not, where none
    was.
    """
    wrong = chosen & ~scores.candidate.is_right
    return worst_clips(scores, wrong if wrong.any() else chosen)
