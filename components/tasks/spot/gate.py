"""What a model is worth as a keyword spotter: its operating point, and the rules about it."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from components.evaluation.case import Case, Judgement
from components.evaluation.formatting import amount_text, score_text
from components.evaluation.intervals import accuracy_interval, clips_to_show, rate_interval
from components.evaluation.outlook import Outlook, Unanswered, foresee_share
from components.evaluation.rules import worst_clips
from components.evaluation.scores import ClipScores
from components.evaluation.wording import between, number, on, would_decide
from components.tasks.classify import gate as classify
from components.tasks.spot.config import Gate
from components.tasks.spot.details import Details, OperatingPoint
from components.tasks.spot.wake_word import (
    BACKGROUND_FILE,
    Background,
    choose_threshold,
    count_alarms,
    divide,
    keyword_clips,
    missed_clips,
    read_background,
)
from schemas.reports.metrics import Interval
from schemas.reports.verdict import GateRule
from schemas.text import some
from schemas.utterance import is_keyword

_NAMED = 3  # recordings that were left out


def faults(case: Case) -> list[str]:
    """Why the numbers of this task cannot be trusted at all."""
    found = classify.faults(case)
    if not_finite := read_background(case.folder / BACKGROUND_FILE).not_finite:
        found.insert(
            0,
            f"the model answers {not_finite:,} windows of the background with scores that are no"
            " numbers (NaN)",
        )
    return found


def foresee(clips: Unanswered, settings: str) -> list[Outlook]:
    """What the rules about shares could say; the hours of background are known, not the alarms."""
    gate = Gate.model_validate_json(settings)
    found = classify.foresee_accuracy(clips, gate)
    if (most := gate.false_rejects.at_most) is not None:
        words = clips.of(np.array([is_keyword(each) for each in clips.targets.tolist()], np.bool_))
        rule = "gate.false_rejects.at_most"
        found.append(
            foresee_share(rule, 1 - most, replace(words, is_clustered=False), gate.confidence)
        )
    return found


def judge(case: Case, settings: str, *, is_sound: bool) -> Judgement:
    """What the rules of the gate say, whose settings are JSON; none where nothing `is_sound`."""
    gate = Gate.model_validate_json(settings)
    details, metrics = classify.summary(case)
    if not is_sound:
        return Judgement([], metrics, Details(**details, keywords=None))
    point = operating_point(gate, case.scores, read_background(case.folder / BACKGROUND_FILE))
    rules = [
        *classify.accuracy_rules(case, gate),
        *judge_keywords(gate, point, case.scores),
    ]
    return Judgement(rules, metrics, Details(**details, keywords=point))


def operating_point(gate: Gate, scores: ClipScores, background: Background) -> OperatingPoint:
    """The threshold that one part of `background` chooses, measured on the other."""
    choose, judge = divide(background)
    threshold = choose_threshold(choose, gate.false_alarms_per_hour, background.clip_s)
    alarms = count_alarms(judge, threshold, background.clip_s)
    clips = int(keyword_clips(scores).sum())
    missed = int(missed_clips(scores, threshold).sum())
    return OperatingPoint(
        threshold=threshold,
        allowed_per_hour=gate.false_alarms_per_hour,
        choose_hours=choose.hours,
        hours=judge.hours,
        false_alarms=alarms,
        false_alarms_per_hour=alarms / judge.hours,
        false_alarms_interval=Interval.of(rate_interval(alarms, judge.hours, gate.confidence)),
        clips=clips,
        false_rejects=missed / clips if clips else 0.0,
        false_rejects_interval=Interval.of(accuracy_interval(missed, clips, gate.confidence)),
        left_out=background.left_out,
    )


def judge_keywords(gate: Gate, point: OperatingPoint, scores: ClipScores) -> Iterator[GateRule]:
    """What the rules about false alarms and false rejects say."""
    yield _false_alarms(point, gate.confidence)
    if gate.false_rejects.at_most is not None:
        yield _false_rejects(point, gate.false_rejects.at_most, gate.confidence, scores)


def _false_alarms(point: OperatingPoint, confidence: float) -> GateRule:
    """Broken where the threshold surely lets through more than it was chosen for."""
    name = "gate.false_alarms_per_hour"
    low, high = point.false_alarms_interval.low, point.false_alarms_interval.high
    allowed = amount_text(point.allowed_per_hour)
    message = (
        f"false alarms: {point.false_alarms:,} in {amount_text(point.hours)} hours of background"
        f" at threshold {score_text(point.threshold)}, between {amount_text(low)} and"
        f" {amount_text(high)} an hour with {confidence:.0%} confidence"
    )
    chosen_on = f" on {amount_text(point.choose_hours)} other hours"
    if point.choose_hours * point.allowed_per_hour < 1:
        chosen_on += ", so few that this means none"
    if low > point.allowed_per_hour:
        message += (
            f", are more than the {allowed} an hour that it was chosen for{chosen_on} ({name})"
        )
        return GateRule(name=name, outcome="broken", message=message + _left_out(point))
    message += f"; it was chosen for {allowed} an hour{chosen_on} ({name})"
    _, lowest = rate_interval(0, point.hours, confidence)
    if lowest > point.allowed_per_hour:
        message += f"; so little background can show no rate below {amount_text(lowest)} an hour"
    return GateRule(name=name, outcome="held", message=message + _left_out(point))


def _false_rejects(
    point: OperatingPoint, at_most: float, confidence: float, scores: ClipScores
) -> GateRule:
    name = "gate.false_rejects.at_most"
    if not point.clips:
        message = f"no test clip is of a word: nothing shows how many are missed ({name})"
        return GateRule(name=name, outcome="broken", message=message)
    missed = missed_clips(scores, point.threshold)
    low, high = point.false_rejects_interval.low, point.false_rejects_interval.high
    share = Fraction(int(missed.sum()), point.clips)
    message = (
        f"false rejects {number(share, at_most)} {on(point.clips, 'test ')} of words at threshold"
        f" {score_text(point.threshold)}, {between(low, high, confidence, at_most)}"
    )
    rule = f"{at_most:g} ({name})"
    if high <= at_most:
        return GateRule(name=name, outcome="held", message=f"{message}, are at most {rule}")
    listen = worst_clips(scores, missed)
    if low > at_most:
        return GateRule(
            name=name, outcome="broken", message=f"{message}, are above {rule}", clips=listen
        )
    needed = clips_to_show(1 - float(share), 1 - at_most, confidence)
    return GateRule(
        name=name,
        outcome="undecided",
        message=f"{message}: too few to tell whether they are at most {rule};"
        f" {would_decide(needed, point.clips)}",
        more_clips=needed and needed - point.clips,
        clips=listen,
    )


def _left_out(point: OperatingPoint) -> str:
    if not point.left_out:
        return ""
    message = [f"{name} ({why})" for name, why in point.left_out.items()]
    return f"; not heard: {some(message, _NAMED)}"
