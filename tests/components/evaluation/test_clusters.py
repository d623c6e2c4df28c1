"""Clips of one speaker tell less than as many of many: by hand, and against simulation."""

import numpy as np
import pytest

from components.evaluation.clusters import cluster_numbers, effective_clips
from components.evaluation.intervals import accuracy_interval
from components.evaluation.measures import ShareRight
from components.evaluation.scores import Sample
from components.evaluation.tallies import Tally


def names(clusters: int, each: int) -> np.ndarray:
    return np.repeat([f"s{n}" for n in range(clusters)], each)


def test_clips_without_speakers_are_independent():
    rng = np.random.default_rng(0)
    values = (rng.random(200) < 0.9).astype(float)
    nobody = np.full(200, "", np.str_)
    assert effective_clips(values, nobody, 0.95) == pytest.approx(200, rel=0.01)
    one = np.full(200, "ann", np.str_)
    assert effective_clips(values, one, 0.95) == 200
    assert effective_clips(np.empty(0), np.empty(0, np.str_), 0.95) == 0


def test_many_speakers_who_are_all_right_or_all_wrong_count_as_one_clip_each():
    values = np.repeat([1.0] * 1800 + [0.0] * 200, 10)
    assert effective_clips(values, names(2000, 10), 0.95) == pytest.approx(2000, rel=0.01)


def test_few_speakers_are_taken_for_as_alike_as_usual():
    right = np.zeros(100)
    left = [effective_clips(right, names(n, 100 // n), 0.95) for n in (2, 4, 5, 10, 50)]
    assert left == sorted(left)
    # A design effect of 1 + 19 * 0.1, and Student's t of nine degrees of freedom from a table.
    assert left[2] == pytest.approx(100 / 2.9 * (1.984 / 2.262) ** 2, rel=1e-3)


def test_numbers_of_clusters():
    speakers = np.array(["b", "", "a", "b", ""])
    assert cluster_numbers(speakers).tolist() == [1, 2, 0, 1, 3]


@pytest.mark.parametrize(
    ("speakers", "each", "alike"), [(5, 20, 0.05), (10, 10, 0.1), (30, 10, 0.1)]
)
def test_the_interval_holds_where_speakers_differ(speakers, each, alike):
    rng = np.random.default_rng(1)
    true, spread = 0.9, (1 - alike) / alike
    measure, who = ShareRight("accuracy"), names(speakers, each)
    too_high = naive = 0
    for _ in range(400):
        rates = rng.beta(true * spread, (1 - true) * spread, speakers)
        errors = (rng.random((speakers, each)) >= rates[:, None]).astype(float).ravel()
        tally = Tally.of(errors, np.ones(len(errors)))
        low, _ = measure.interval(tally, Sample(errors, np.ones(len(errors)), who, True), 0.95)
        too_high += low > true
        naive += accuracy_interval(len(errors) - errors.sum(), len(errors), 0.95)[0] > true
    assert too_high / 400 <= 0.04  # 0.025 were it exact
    assert naive > too_high
