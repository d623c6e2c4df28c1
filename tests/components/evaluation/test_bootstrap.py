"""Intervals of mean errors, against scipy's bootstrap of whole speakers."""

import math

import numpy as np
import pytest
from scipy import stats

from components.evaluation import bootstrap
from components.evaluation.scores import Pairs, Sample


def sample(speakers: int, clips: int, seed: int = 3) -> Sample:
    """Speakers differ more from each other than the clips of one do."""
    rng = np.random.default_rng(seed)
    names = rng.integers(0, speakers, clips)
    hard = rng.gamma(2.0, 1.0, speakers)[names]
    units = rng.integers(1, 12, clips).astype(float)
    return Sample(hard * rng.random(clips) * units, units, np.char.add("s", names.astype(str)))


def by_scipy(units: np.ndarray, errors: np.ndarray, confidence: float) -> tuple[float, float]:
    """Of the sums of clusters: errors a unit, percentile interval."""
    found = stats.bootstrap(
        (units, errors),
        lambda units, errors, axis: errors.sum(axis=axis) / units.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        confidence_level=confidence,
        method="percentile",
        random_state=np.random.default_rng(11),
    )
    return tuple(found.confidence_interval)


def sums_of(speakers: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.array([values[speakers == name].sum() for name in np.unique(speakers)])


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_speakers_are_drawn_whole(confidence: float) -> None:
    clips = sample(40, 2000)
    units, errors = (sums_of(clips.speakers, each) for each in (clips.units, clips.errors))
    low, high = bootstrap.mean_interval(clips, confidence)
    expected = by_scipy(units, errors, confidence)
    width = expected[1] - expected[0]
    np.testing.assert_allclose((low, high), expected, rtol=0, atol=0.05 * width)
    alone = Sample(clips.errors, clips.units, np.full(2000, ""))
    narrow = bootstrap.mean_interval(alone, confidence)
    assert narrow[1] - narrow[0] < 0.5 * width  # clips of one speaker are not independent


def test_clips_without_a_speaker_stand_for_themselves() -> None:
    clips = sample(40, 300)
    unknown = Sample(clips.errors, clips.units, np.full(300, ""))
    expected = by_scipy(clips.units, clips.errors, 0.95)
    width = expected[1] - expected[0]
    low, high = bootstrap.mean_interval(unknown, 0.95)
    np.testing.assert_allclose((low, high), expected, rtol=0, atol=0.06 * width)
    one_speaker = Sample(clips.errors, clips.units, np.full(300, "ann"))
    assert bootstrap.mean_interval(one_speaker, 0.95) == (low, high)


def test_differences_are_those_of_the_same_clips() -> None:
    clips, rng = sample(40, 2000), np.random.default_rng(5)
    better = np.maximum(0, clips.errors - 0.3 * clips.units * rng.random(2000))
    pairs = Pairs(better, clips.errors, clips.units, clips.speakers)
    units = sums_of(clips.speakers, clips.units)
    expected = by_scipy(units, sums_of(clips.speakers, better - clips.errors), 0.95)
    found = bootstrap.difference_interval(pairs, 0.95)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.06 * (expected[1] - expected[0]))
    assert found[1] < 0


def test_it_holds_about_as_often_as_it_says() -> None:
    """Of 30 speakers; a percentile interval is known to be a little too narrow."""
    held = 0
    for seed in range(200):
        low, high = bootstrap.mean_interval(sample(30, 600, seed), 0.9)
        held += low <= 1.0 <= high  # gamma's mean 2, times a half
    assert 0.8 <= held / 200 <= 0.96


def test_so_few_clips_say_nothing_and_the_same_clips_always_the_same() -> None:
    clips = sample(40, 300)
    assert bootstrap.mean_interval(clips, 0.95) == bootstrap.mean_interval(clips, 0.95)
    one = Sample(clips.errors[:1], clips.units[:1], clips.speakers[:1])
    assert bootstrap.mean_interval(one, 0.95) == (0.0, math.inf)
    none = Pairs(*(np.empty(0) for _ in range(3)), np.empty(0, np.str_))
    assert bootstrap.difference_interval(none, 0.95) == (-math.inf, math.inf)
    silent = Sample(np.zeros(2), np.zeros(2), np.array(["a", "b"]))
    assert bootstrap.mean_interval(silent, 0.95) == (0.0, math.inf)
