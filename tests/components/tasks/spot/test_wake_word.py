"""Alarms, parts and thresholds on tables written by hand, and against brute force."""

import itertools
import math

import numpy as np
import pytest
import scored

from components.tasks.spot.wake_word import (
    Background,
    Part,
    choose_threshold,
    count_alarms,
    divide,
    missed_clips,
    read_background,
    write_background,
)


def part(scores, hours=1.0, step_s=0.5, first_s=0.0):
    starts = first_s + step_s * np.arange(len(scores))
    return Part(hours, starts, np.array(scores, np.float32))


def background(lengths_s, score=None, clip_s=1.0):
    """Recordings `r0`, `r1`, ... cut as Evaluator cuts them; `score(recording, start_s)`."""
    rows = [
        (number, start_s)
        for number, length_s in enumerate(lengths_s)
        for start_s in np.arange(0, max(length_s - clip_s, 0) + 1e-9, clip_s / 2)
    ]
    return Background(
        names=np.array([f"r{number}" for number in range(len(lengths_s))]),
        lengths_s=np.array(lengths_s, float),
        recordings=np.array([number for number, _ in rows]),
        start_s=np.array([start_s for _, start_s in rows]),
        scores=np.array([score(*row) if score else 0.0 for row in rows], np.float32),
        clip_s=clip_s,
        left_out={},
    )


def test_overlapping_windows_are_one_alarm_and_those_apart_are_two():
    # Starts at 0, 0.5, 1, ... s; clips of 1 s.
    assert count_alarms(part([0.9, 0.9, 0, 0, 0.9]), 0.5, 1.0) == 2
    assert count_alarms(part([0.9, 0, 0.9]), 0.5, 1.0) == 2
    assert count_alarms(part([0, 0.9, 0.8, 0, 0]), 0.5, 1.0) == 1
    assert count_alarms(part([0.4, 0.49]), 0.5, 1.0) == 0
    assert count_alarms(part([]), 0.0, 1.0) == 0


def test_a_window_without_a_keyword_is_no_alarm_at_any_threshold():
    assert count_alarms(part([0.0, 0.1, 0.0]), 0.0, 1.0) == 1


def test_a_model_that_never_stops_is_not_one_alarm():
    assert count_alarms(part([0.9] * 7200), 0.5, 1.0) == 3600


@pytest.mark.parametrize("clip_s", [0.3, 0.7, 1.1])  # whose multiples are no exact floats
def test_alarms_of_an_hour_do_not_depend_on_rounding(clip_s):
    windows = 2 * 3000
    assert count_alarms(part([0.9] * windows, step_s=clip_s / 2), 0.5, clip_s) == 3000


def test_alarms_are_the_most_windows_that_do_not_overlap_and_never_grow_with_the_threshold():
    rng = np.random.default_rng(1)
    for _ in range(50):
        scores = np.where(rng.random(10) < 0.6, rng.random(10), 0).astype(np.float32)
        before = math.inf
        for threshold in np.sort(rng.random(4)):
            heard = [n for n in range(10) if scores[n] >= threshold and scores[n] > 0]
            apart = (
                len(some)
                for size in range(len(heard) + 1)
                for some in itertools.combinations(heard, size)
                if all(b - a >= 2 for a, b in itertools.pairwise(some))
            )
            alarms = count_alarms(part(scores), threshold, 1.0)
            assert alarms == max(apart)
            assert alarms <= before
            before = alarms


def test_the_lowest_threshold_that_keeps_the_rate_is_found():
    scores = [0.0] * 40
    scores[::4] = [0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    table = part(scores, hours=2.0)
    for rate, kept in ((0.4, 0.95), (0.5, 0.9), (1.0, 0.8), (1.9, 0.7), (4.5, 0.1)):
        threshold = choose_threshold(table, rate, 1.0)
        assert threshold == np.nextafter(np.float32(kept), np.float32(2))
        assert count_alarms(table, threshold, 1.0) <= 2 * rate
        assert count_alarms(table, kept, 1.0) > 2 * rate
    assert choose_threshold(table, 5.0, 1.0) == 0.0  # all ten may come
    assert choose_threshold(part([0.0, 0.0]), 1.0, 1.0) == 0.0
    assert choose_threshold(part([1.0], hours=0.01), 1.0, 1.0) > 1  # nothing is ever heard


def test_of_many_recordings_each_is_in_one_part_and_the_hours_are_near():
    rng = np.random.default_rng(2)
    lengths_s = rng.integers(20, 200, 21)
    table = background(lengths_s, lambda number, _: (number + 1) / 100)
    choose, judge = divide(table)
    assert choose.hours + judge.hours == pytest.approx(lengths_s.sum() / 3600)
    assert abs(choose.hours - judge.hours) * 3600 <= lengths_s.max()
    assert len(choose.scores) + len(judge.scores) == len(table.scores)
    ours, theirs = set(choose.scores.tolist()), set(judge.scores.tolist())
    assert not ours & theirs
    assert len(ours | theirs) == 21
    again = divide(table)
    np.testing.assert_array_equal(again[0].scores, choose.scores)


def test_recordings_beside_each_other_do_not_share_an_alarm():
    # Of equal length: r0 and r2 choose, r1 and r3 judge. Each ends and begins with an alarm.
    table = background([3.0] * 4, lambda _, start_s: 0.9 * (start_s in (0.0, 2.0)))
    choose, judge = divide(table)
    assert count_alarms(choose, 0.5, 1.0) == count_alarms(judge, 0.5, 1.0) == 4


@pytest.mark.parametrize("others", [[], [2.0, 1.0]])
def test_one_recording_that_outweighs_all_others_is_cut_in_its_middle(others):
    table = background([10.0, *others], lambda number, start_s: start_s + 1 if not number else 0)
    choose, judge = divide(table)
    assert choose.scores[choose.scores > 0].max() == 4.0 + 1  # the last that ends at 5 s
    assert judge.scores[judge.scores > 0].min() == 5.0 + 1
    assert abs(choose.hours - judge.hours) <= sum(others) / 3600


def test_no_part_is_more_than_twice_as_long_as_the_other():
    rng = np.random.default_rng(4)
    for recordings in (1, 2, 3, 8):
        for _ in range(50):
            choose, judge = divide(background(np.round(rng.uniform(1, 9, recordings) ** 3, 2)))
            low, high = sorted((choose.hours, judge.hours))
            assert high <= 2 * low + 1e-9
    choose, judge = divide(background([10.0, 9.0], lambda number, _: number + 1))
    assert (set(choose.scores), set(judge.scores)) == ({1.0}, {2.0})  # both whole


def test_a_word_is_missed_below_the_threshold_or_by_another_answer():
    scores = scored.table(
        ids=np.array(list("abcde")),
        labels=np.array(["no", "no", "yes", "_unknown_", "yes"]),
        candidate=scored.Answered(
            np.array(["_unknown_", "no", "yes"]),
            np.array(
                [[0, 0.9, 0.1], [0, 0.6, 0.4], [0.1, 0.7, 0.2], [0, 1, 0], [np.nan, 0, 0.9]],
                np.float32,
            ),
        ),
    )
    assert missed_clips(scores, 0.7).tolist() == [False, True, True, False, True]
    assert missed_clips(scores, 0.0).tolist() == [False, False, True, False, True]
    exact = float(np.float32(0.9))
    assert not missed_clips(scores, exact)[0]
    assert missed_clips(scores, float(np.nextafter(np.float32(0.9), np.float32(1))))[0]


def test_the_part_that_chose_flatters_the_threshold():
    """Of windows that are all alike, those that judge keep the rate in the mean only."""
    rng = np.random.default_rng(3)
    chosen, judged = [], []
    for _ in range(40):
        table = background([900.0] * 4, lambda *_: rng.random())
        choose, judge = divide(table)
        threshold = choose_threshold(choose, 20.0, table.clip_s)
        chosen.append(count_alarms(choose, threshold, table.clip_s) / choose.hours)
        judged.append(count_alarms(judge, threshold, table.clip_s) / judge.hours)
    assert max(chosen) <= 20.0
    assert max(judged) > 20.0
    assert np.mean(judged) == pytest.approx(20.0, rel=0.2)


def test_a_table_written_is_the_table_read(tmp_path):
    table = background([3.0, 2.0], lambda number, start_s: number + start_s)
    table.left_out["zoë.wav"] = "unreadable: no"
    write_background(table, tmp_path / "new" / "background.npz")
    read = read_background(tmp_path / "new" / "background.npz")
    for name, value in vars(table).items():
        np.testing.assert_equal(getattr(read, name), value)
    assert read.not_finite == 0
