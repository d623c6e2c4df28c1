"""Intervals against closed forms of others, and against exact probabilities."""

import math

import numpy as np
import pytest
from scipy import stats

from components.evaluation.intervals import (
    Paired,
    accuracy_interval,
    clips_to_show,
    difference_interval,
    pairs_to_show,
    rate_interval,
)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("right", "clips"), [(0, 7), (7, 7), (19, 20), (912, 1000), (1, 3)])
def test_accuracy_is_the_exact_interval_that_scipy_has(right, clips, confidence):
    expected = stats.binomtest(right, clips).proportion_ci(confidence, "exact")
    assert accuracy_interval(right, clips, confidence) == pytest.approx(
        (expected.low, expected.high), abs=1e-9
    )


def test_of_no_clips_nothing_is_known():
    assert accuracy_interval(0, 0, 0.95) == (0.0, 1.0)
    assert difference_interval(Paired(), 0.95) == (-1.0, 1.0)


def test_all_right_is_not_certain():
    low, high = accuracy_interval(20, 20, 0.95)
    assert low == pytest.approx(0.832, abs=1e-3)
    assert high == 1.0
    low, high = difference_interval(Paired(both=20), 0.95)
    assert low < -0.05 < 0.05 < high


def test_the_interval_of_a_difference_holds_as_often_as_it_says():
    rng = np.random.default_rng(1)
    for clips, cells in ((30, (0.8, 0.1, 0.05, 0.05)), (400, (0.9, 0.02, 0.03, 0.05))):
        true = cells[1] - cells[2]
        bounds = [
            difference_interval(Paired(*draw), 0.95) for draw in rng.multinomial(clips, cells, 4000)
        ]
        held = np.mean([low <= true <= high for low, high in bounds])
        assert 0.935 <= held <= 0.995


def test_swapping_the_models_swaps_the_interval():
    low, high = difference_interval(Paired(80, 12, 5, 3), 0.9)
    assert difference_interval(Paired(80, 5, 12, 3), 0.9) == pytest.approx((-high, -low))


def test_how_many_clips_would_show():
    needed = clips_to_show(0.96, 0.95, 0.95)
    assert needed is not None
    assert accuracy_interval(0.96 * needed, needed, 0.95)[0] >= 0.95
    assert accuracy_interval(0.96 * (needed - 1), needed - 1, 0.95)[0] < 0.95
    assert clips_to_show(0.95, 0.95, 0.95) is None
    paired = Paired(180, 10, 8, 2)
    needed = pairs_to_show(paired, 0.005, 0.95)
    assert needed is not None
    assert needed > paired.clips
    assert pairs_to_show(Paired(), 0.005, 0.95) is None


def test_a_rate_is_garwoods():
    """His table of 1936 gives 0 to 3.69, 0.0253 to 5.57, 4.80 to 18.4; the formula is by chi2."""
    for events, low, high in ((0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39)):
        assert rate_interval(events, 1.0, 0.95) == pytest.approx((low, high), rel=1e-3)
    for events in (0, 1, 7, 300):
        for confidence in (0.8, 0.95):
            tail = (1 - confidence) / 2
            low = stats.chi2.ppf(tail, 2 * events) / 2 if events else 0.0
            high = stats.chi2.ppf(1 - tail, 2 * events + 2) / 2
            assert rate_interval(events, 2.5, confidence) == pytest.approx((low / 2.5, high / 2.5))
    assert rate_interval(0, 0.0, 0.95) == (0.0, math.inf)


def test_a_rate_holds_as_often_as_it_says():
    for rate in (0.3, 2.0, 11.0):
        counts = np.random.default_rng(5).poisson(3 * rate, 4000)
        bounds = {int(n): rate_interval(int(n), 3.0, 0.95) for n in set(counts)}
        held = np.mean([bounds[n][0] <= rate <= bounds[n][1] for n in counts.tolist()])
        assert held >= 0.945
