"""Intervals of errors that are no shares: resampled by speaker, always from the same seed.

Clips of one speaker are not independent, so whole speakers are drawn (Efron and Tibshirani 1993,
the percentile interval of a ratio). A clip without a speaker stands for itself, and so does every
clip where there is one speaker alone.
"""

import math

import numpy as np

from components.evaluation.clusters import cluster_numbers
from components.evaluation.scores import Coded, Numbers, Pairs, Sample, Texts

RESAMPLES = 2000
_SEED = 0
_DRAWN_AT_ONCE = 2_000_000  # numbers in memory
_DRAWN_IN_ALL = 40_000_000  # of very many clips without speakers fewer resamples are made
_FEWEST_RESAMPLES = 200


def mean_interval(sample: Sample, confidence: float) -> tuple[float, float]:
    """Of errors a unit; [0, inf] of fewer than two clips with units."""
    sums = _cluster_sums(sample.speakers, sample.units, sample.errors)
    if len(sums) < 2:
        return 0.0, math.inf
    units, errors = _resampled(sums).T
    return _percentiles(errors / np.maximum(units, np.finfo(float).tiny), confidence)


def difference_interval(pairs: Pairs, confidence: float) -> tuple[float, float]:
    """Of the candidate's errors a unit less the other's; unbounded of fewer than two clips."""
    sums = _cluster_sums(pairs.speakers, pairs.units, pairs.errors - pairs.others)
    if len(sums) < 2:
        return -math.inf, math.inf
    units, errors = _resampled(sums).T
    return _percentiles(errors / np.maximum(units, np.finfo(float).tiny), confidence)


def _cluster_sums(speakers: Coded | Texts, units: Numbers, errors: Numbers) -> Numbers:
    """[clusters, 2]: units and errors of each speaker; clips without units count for nothing."""
    has_units = units > 0
    columns = np.stack([units, errors], axis=1)[has_units]
    members = cluster_numbers(speakers[has_units])
    clusters = int(members.max(initial=-1)) + 1
    if clusters < 2:
        return columns
    sums = np.zeros((clusters, 2))
    np.add.at(sums, members, columns)
    return sums


def _resampled(sums: Numbers) -> Numbers:
    """[resamples, 2]: units and errors of as many clusters, drawn with replacement."""
    clusters = len(sums)
    resamples = max(_FEWEST_RESAMPLES, min(RESAMPLES, _DRAWN_IN_ALL // clusters))
    at_once = max(1, _DRAWN_AT_ONCE // clusters)
    rng = np.random.default_rng(_SEED)
    parts = [
        rng.multinomial(clusters, np.full(clusters, 1 / clusters), count) @ sums
        for start in range(0, resamples, at_once)
        if (count := min(at_once, resamples - start))
    ]
    return np.concatenate(parts)


def _percentiles(values: Numbers, confidence: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
