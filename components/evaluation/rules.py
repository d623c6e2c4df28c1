"""The rules of the gate: each looks at intervals, never at bare numbers, and answers in words.

A rule holds where the whole interval is on the right side of its limit, is broken where the whole
interval is on the wrong side, and is undecided where the limit lies within: then it says how many
more clips would decide.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import numpy as np

from components.evaluation.intervals import (
    Paired,
    accuracy_interval,
    clips_to_show,
    difference_interval,
    pairs_to_show,
)
from components.evaluation.scores import ClipScores
from components.evaluation.tallies import Tally
from schemas.reports.verdict import GateRule
from schemas.text import some
from schemas.utterance import MUST_PASS
from schemas.workflow.gate import Gate

SLICES_NAMED = 10  # a reason lists this many values of one feature, worst first
CLIPS_NAMED = 10  # to listen to
_some = partial(some, most=SLICES_NAMED, separator="; ")


def judge(gate: Gate, tallies: dict[str, dict[str, Tally]], scores: ClipScores) -> list[GateRule]:
    """What every rule of `gate` says; `tallies[feature][value]`, all clips as `""` of `""`."""
    return list(_judge(gate, tallies, scores))


def _judge(
    gate: Gate, tallies: dict[str, dict[str, Tally]], scores: ClipScores
) -> Iterator[GateRule]:
    rule = gate.accuracy
    if rule.at_least is not None:
        yield _at_least(tallies[""][""], rule.at_least, gate.confidence, scores)
        for feature in rule.slices:
            yield _at_least_in_slices(feature, tallies, rule.at_least, gate.confidence, scores)
    if rule.no_worse_by_more_than is not None:
        yield _no_worse(scores, rule.no_worse_by_more_than, gate.confidence)


def must_pass(scores: ClipScores) -> list[GateRule]:
    """Whether the candidate is right on every clip that must pass; nothing where there are none."""
    chosen = scores.is_must_pass
    if not chosen.any():
        return []
    clips = count(int(chosen.sum()), "must-pass ")
    wrong = np.flatnonzero(chosen & ~scores.is_right(scores.candidate))
    if not len(wrong):
        return [GateRule(name=MUST_PASS, outcome="held", said=f"right on {clips} ({MUST_PASS})")]
    answers = scores.candidate.answers
    words = [f"{scores.labels[n]} as {answers[n]} ({scores.ids[n]})" for n in wrong.tolist()]
    return [
        GateRule(
            name=MUST_PASS,
            outcome="broken",
            said=f"wrong on {len(wrong):,} of {clips}, {_some(words)} ({MUST_PASS})",
            clips=scores.ids[wrong].tolist(),
        )
    ]


def _at_least(tally: Tally, at_least: float, confidence: float, scores: ClipScores) -> GateRule:
    low, high = accuracy_interval(tally.right, tally.clips, confidence)
    seen = f"accuracy {number(tally.accuracy, at_least)} {on(tally.clips, 'test ')}"
    seen += f", {between(low, high, confidence, at_least)}"
    rule = f"{at_least:g} (gate.accuracy.at_least)"
    if low >= at_least:
        return GateRule(
            name="gate.accuracy.at_least", outcome="held", said=f"{seen}, reaches {rule}"
        )
    listen = _wrong_clips(scores, np.ones(len(scores.labels), np.bool_))
    if high < at_least:
        return GateRule(
            name="gate.accuracy.at_least",
            outcome="broken",
            said=f"{seen}, is below {rule}",
            clips=listen,
        )
    needed = clips_to_show(float(tally.accuracy), at_least, confidence)
    return GateRule(
        name="gate.accuracy.at_least",
        outcome="undecided",
        said=f"{seen}: too few to tell whether it reaches {rule}; "
        + would_decide(needed, tally.clips),
        more_clips=needed and needed - tally.clips,
        clips=listen,
    )


def _at_least_in_slices(
    feature: str,
    tallies: dict[str, dict[str, Tally]],
    at_least: float,
    confidence: float,
    scores: ClipScores,
) -> GateRule:
    name = f"gate.accuracy.slices: {feature}"
    if feature in scores.unsliced:
        said = f"{name}: {scores.unsliced[feature]:,} different values are no groups to judge by"
        return GateRule(name=name, outcome="broken", said=said)
    found = tallies.get(feature, {})
    if not any(found):
        return GateRule(
            name=name, outcome="broken", said=f"{name}, but no test clip says its {feature}"
        )
    # That one of many values fails by chance must not be likelier than for one alone.
    strict = 1 - (1 - confidence) / len(found)
    below: list[tuple[str, Tally, str]] = []
    open_: list[tuple[str, Tally, str]] = []
    reached: list[tuple[str, Tally, str]] = []
    for value, tally in sorted(found.items(), key=lambda item: (item[1].accuracy, item[0])):
        low, _ = accuracy_interval(tally.right, tally.clips, confidence)
        _, high = accuracy_interval(tally.right, tally.clips, strict)
        (below if high < at_least else reached if low >= at_least else open_).append(
            (value, tally, f"{_slice(feature, value)}: {_seen(tally, at_least)}")
        )
    if below:
        said = f"{_some([words for *_, words in below])}: below {at_least:g} ({name})"
        listen = _wrong_clips(scores, _is_one_of(scores, feature, [value for value, *_ in below]))
        return GateRule(name=name, outcome="broken", said=said, clips=listen)
    if open_:
        needed = [clips_to_show(float(t.accuracy), at_least, confidence) for _, t, _ in open_]
        more = [n - t.clips for n, (_, t, _) in zip(needed, open_, strict=True) if n]
        how_many = f"up to {max(more):,} more clips of each would" if more else "more clips might"
        said = f"{_some([words for *_, words in open_])}: too few to tell whether they reach"
        return GateRule(
            name=name,
            outcome="undecided",
            said=f"{said} {at_least:g} ({name}); {how_many}",
            more_clips=sum(more) or None,
            clips=_wrong_clips(scores, _is_one_of(scores, feature, [value for value, *_ in open_])),
        )
    said = f"every {feature} reaches {at_least:g}; the worst is {reached[0][2]}"
    return GateRule(name=name, outcome="held", said=said)


def _no_worse(scores: ClipScores, allowed: float, confidence: float) -> GateRule:
    name = "gate.accuracy.no_worse_by_more_than"
    if scores.baseline is None:
        said = "no model was blessed before, so there is none to be worse than"
        if scores.incomparable:
            said = f"not compared, the last blessed model hears other audio: {scores.incomparable}"
        return GateRule(name=name, outcome="held", said=said)
    everything = np.ones(len(scores.labels), np.bool_)
    paired = scores.paired(everything)
    if not paired.clips:
        said = (
            f"the last blessed model knows no label of the test clips: nothing to compare ({name})"
        )
        return GateRule(name=name, outcome="broken", said=said)
    low, high = difference_interval(paired, confidence)
    seen = (
        f"accuracy {_change(paired, allowed)} the last blessed model's {on(paired.clips, 'same ')}"
    )
    if paired.clips < len(scores.labels):
        seen += f" (of {len(scores.labels)}: those whose label both know)"
    seen += f", the difference between {low:+.4f} and {high:+.4f} with {confidence:.0%} confidence"
    rule = f"{allowed:g} worse ({name})"
    if low >= -allowed:
        return GateRule(name=name, outcome="held", said=f"{seen}: no more than {rule}")
    lost = everything & scores.is_shared & scores.is_right(scores.baseline)
    listen = _wrong_clips(scores, lost)
    if high < -allowed:
        return GateRule(name=name, outcome="broken", said=f"{seen}: more than {rule}", clips=listen)
    needed = pairs_to_show(paired, allowed, confidence)
    return GateRule(
        name=name,
        outcome="undecided",
        said=f"{seen}: too few to tell whether it is more than {rule}; "
        + would_decide(needed, paired.clips),
        more_clips=needed and needed - paired.clips,
        clips=listen,
    )


def on(clips: int, kind: str = "") -> str:
    """`on 12 test clips`."""
    return f"on {count(clips, kind)}"


def count(clips: int, kind: str = "") -> str:
    """`12 test clips`."""
    return f"{clips:,} {kind}clip" + ("" if clips == 1 else "s")


def _change(paired: Paired, allowed: float) -> str:
    change = Fraction(paired.only_candidate - paired.only_baseline, paired.clips)
    if not change:
        return "is the same as"
    where = "above" if change > 0 else "below"
    return f"is {number(abs(change), allowed)} {where}"


def _seen(tally: Tally, limit: float) -> str:
    return f"accuracy {number(tally.accuracy, limit)} {on(tally.clips)}"


def between(low: float, high: float, confidence: float, limit: float) -> str:
    """`between 0.915 and 0.994 with 95% confidence`."""
    low_text = number(Fraction(low), limit)
    high_text = number(Fraction(high), limit)
    return f"between {low_text} and {high_text} with {confidence:.0%} confidence"


def would_decide(needed: int | None, clips: int) -> str:
    """How many more clips than `clips` would decide, where `needed` would."""
    if needed is None:
        return "it is as good as the limit itself, which no number of clips decides"
    return f"about {needed - clips:,} more like these would"


def _slice(feature: str, value: str) -> str:
    return f"{feature} {value}" if value else f"clips without a {feature}"


def _is_one_of(scores: ClipScores, feature: str, values: list[str]) -> np.ndarray:
    column = scores.features.get(feature, scores.labels)
    chosen: np.ndarray = np.isin(column, values)
    return chosen


def _wrong_clips(scores: ClipScores, chosen: np.ndarray) -> list[str]:
    return worst_clips(scores, chosen & ~scores.is_right(scores.candidate))


def worst_clips(scores: ClipScores, chosen: np.ndarray) -> list[str]:
    """Ids of some of the `chosen` clips, the lowest score of the true label first."""
    places = np.flatnonzero(chosen)
    order = np.argsort(scores.candidate.score_of(scores.labels)[places], kind="stable")
    ids: list[str] = scores.ids[places[order]][:CLIPS_NAMED].tolist()
    return ids


def number(value: Fraction, limit: float) -> str:
    """Three decimals, or as many more as it takes to tell `value` from `limit`."""
    exact = Fraction(repr(limit))
    for digits in range(3, 9):
        text = f"{float(value):.{digits}f}"
        if value == exact or Fraction(text) != exact:
            return text
    return text
