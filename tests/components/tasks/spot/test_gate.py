"""The operating point and its rules on planted scores; intervals against scipy."""

import numpy as np
import pytest
from keywords import background, clips, verdict_on
from scipy import stats

from components.tasks.spot.details import Details, OperatingPoint
from schemas.reports.verdict import Verdict


def point_of(verdict: Verdict) -> OperatingPoint:
    assert isinstance(verdict.details, Details)
    assert verdict.details.keywords is not None
    return verdict.details.keywords


def test_the_threshold_is_chosen_on_one_recording_and_measured_on_the_other() -> None:
    # r0 chooses: 10 hours, so 10 alarms may come at 1 an hour; the 11th highest is 0.5.
    chooses = [0.95] * 10 + [0.5, 0.4]
    heard = background(10.0, chooses, [0.96] * 7 + [0.5, 0.45])
    verdict = verdict_on(clips([0.9, 0.8, 0.5, 0.6], unknown=3), heard)
    point = point_of(verdict)
    assert point.threshold == np.nextafter(np.float32(0.5), np.float32(1))
    assert (point.choose_hours, point.hours, point.false_alarms) == (10.0, 10.0, 7)
    assert point.false_alarms_per_hour == 0.7
    low, high = stats.chi2.ppf(0.025, 14) / 20, stats.chi2.ppf(0.975, 16) / 20
    assert point.false_alarms_interval.low == pytest.approx(low)
    assert point.false_alarms_interval.high == pytest.approx(high)
    assert (point.clips, point.false_rejects) == (4, 0.25)  # 0.5 is below; unknowns do not count
    exact = stats.binomtest(1, 4).proportion_ci(0.95, "exact")
    assert point.false_rejects_interval.low == pytest.approx(exact.low)
    assert point.false_rejects_interval.high == pytest.approx(exact.high)
    assert verdict.outcome == "blessed"
    assert verdict.reasons == [
        "false alarms: 7 in 10 hours of background at threshold 0.500, between 0.281 and 1.44 an"
        " hour with 95% confidence; it was chosen for 1 an hour on 10 other hours"
        " (gate.false_alarms_per_hour)"
    ]


def test_a_threshold_that_does_not_hold_what_it_promises_is_refused() -> None:
    heard = background(10.0, [0.5] * 11, [0.9] * 25)
    verdict = verdict_on(clips([0.9] * 100), heard)
    assert verdict.outcome == "refused"
    [reason] = verdict.reasons
    assert reason.startswith("false alarms: 25 in 10 hours of background at threshold 0.500, betwe")
    assert reason.endswith(
        ", are more than the 1 an hour that it was chosen for on 10 other hours"
        " (gate.false_alarms_per_hour)"
    )
    assert stats.chi2.ppf(0.025, 50) / 20 > 1
    # As many as could come by chance are not held against it.
    assert verdict_on(clips([0.9] * 100), background(10.0, [0.5] * 11, [0.9] * 16)).outcome == (
        "blessed"
    )


def test_too_little_background_is_said() -> None:
    heard = background(0.03, [0.7], [])
    verdict = verdict_on(clips([0.9] * 10), heard)
    assert point_of(verdict).threshold == np.nextafter(np.float32(0.7), np.float32(1))
    [reason] = verdict.reasons
    assert "1 an hour on 0.0300 other hours, so few that this means none (gate.fals" in reason
    lowest = stats.chi2.ppf(0.975, 2) / 2 / 0.03
    assert reason.endswith(f"so little background can show no rate below {lowest:.0f} an hour")


@pytest.mark.parametrize(
    ("missed", "of", "outcome", "words"),
    [
        (2, 100, "blessed", "false rejects 0.020 on 100 test clips of words at threshold 0.300,"
         " between 0.002 and 0.070 with 95% confidence, are at most 0.1 (gate.false_rejects"),
        (30, 100, "refused", "false rejects 0.300 on 100 test clips of words at threshold 0.300,"
         " between 0.212 and 0.400 with 95% confidence, are above 0.1 (gate.false_rejects.at_most"),
        (8, 100, "undecided", "too few to tell whether they are at most 0.1 (gate.false_r"),
    ],
)  # fmt: skip
def test_false_rejects_are_judged_by_their_interval(
    missed: int, of: int, outcome: str, words: str
) -> None:
    scores = clips([0.29 - 0.001 * n for n in range(missed)] + [0.9] * (of - missed), unknown=50)
    heard = background(10.0, [0.3] * 11, [])
    verdict = verdict_on(scores, heard, false_rejects={"at_most": 0.1})
    assert verdict.outcome == outcome
    rule = verdict.rules[-1]
    assert words in rule.message
    if outcome == "blessed":
        assert rule.clips == []
    else:
        assert rule.clips[0] == f"clip{missed - 1}"  # the lowest score
    if outcome == "undecided":
        assert rule.more_clips is not None
        more = of + rule.more_clips
        assert stats.binomtest(round(0.08 * more), more).proportion_ci(0.95).high <= 0.1005
        assert f"about {rule.more_clips:,} more like these would" in rule.message


def test_a_limit_that_is_as_good_as_what_was_measured_is_never_decided() -> None:
    scores = clips([0.1] * 10 + [0.9] * 90)
    heard = background(10.0, [0.3] * 11, [])
    verdict = verdict_on(scores, heard, false_rejects={"at_most": 0.1})
    assert verdict.outcome == "undecided"
    assert "as good as the limit itself" in verdict.rules[-1].message


def test_without_clips_of_words_nothing_is_shown() -> None:
    verdict = verdict_on(
        clips([], unknown=4), background(9.0, [], []), false_rejects={"at_most": 1.0}
    )
    assert verdict.outcome == "refused"
    assert "no test clip is of a word" in verdict.reasons[0]


def test_recordings_that_were_not_heard_are_named() -> None:
    faults = {f"bad{n}.wav": "unreadable: header" for n in range(5)}
    verdict = verdict_on(clips([0.9] * 4), background(9.0, [], [], left_out=faults))
    assert "; not heard: bad0.wav (unreadable: header), bad1" in verdict.reasons[0]
    assert verdict.reasons[0].endswith(" and 2 more")
    assert point_of(verdict).left_out == faults
    assert point_of(verdict).threshold == 0.0


def test_scores_that_are_no_numbers_are_a_fault() -> None:
    verdict = verdict_on(clips([0.9] * 4), background(9.0, [np.nan, 0.5], []))
    assert verdict.outcome == "refused"
    assert verdict.reasons == [
        "the model answers 1 windows of the background with scores that are no numbers (NaN)"
    ]
    assert verdict.details.keywords is None


def test_without_background_there_is_no_operating_point() -> None:
    assert verdict_on(clips([0.9] * 4), None).task == "classify"
