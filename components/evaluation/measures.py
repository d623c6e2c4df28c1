"""The two kinds of number that models are judged by, from errors and units of clips alone.

A task names its own; what differs is the interval, and which way is better.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from components.evaluation import bootstrap, intervals
from components.evaluation.clusters import effective_clips
from components.evaluation.intervals import MOST_CLIPS, Paired
from components.evaluation.scores import Numbers, Pairs, Sample
from components.evaluation.tallies import Tally


class Measure(Protocol):
    """A number that a model has on some clips; `unit` is empty where it is a share."""

    @property
    def name(self) -> str:
        """As in a sentence: `accuracy`."""

    @property
    def unit(self) -> str:
        """Behind the number: `dB`."""

    @property
    def higher_is_better(self) -> bool:
        """Whether a model with a higher number is the better one."""

    def value(self, tally: Tally) -> Fraction:
        """Exact, so that 19 of 20 is never below 0.95; 0 of no clips."""

    def interval(self, tally: Tally, sample: Sample, confidence: float) -> tuple[float, float]:
        """Where the number lies; `sample` are the clips of `tally`."""

    def difference(self, pairs: Pairs) -> Fraction:
        """The candidate's number less the other's; 0 of no clips."""

    def difference_interval(self, pairs: Pairs, confidence: float) -> tuple[float, float]:
        """Where that difference lies."""

    def clips_to_show(
        self, tally: Tally, sample: Sample, limit: float, confidence: float
    ) -> int | None:
        """Of how many clips like these the interval lies on one side of `limit`; None if of none
        that there can be.
        """

    def pairs_to_show(self, pairs: Pairs, allowed_loss: float, confidence: float) -> int | None:
        """Of how many clips like these the interval lies on one side of a loss so large."""


@dataclass(frozen=True)
class ShareRight:
    """The share of clips answered right; errors are 0 or 1 of 1 unit. Intervals are closed forms
    that hold of any number of clips (Clopper and Pearson; Agresti and Min), of as many as tell
    something new where clips are clustered by speaker.
    """

    name: str
    unit: str = ""
    higher_is_better: bool = True

    def value(self, tally: Tally) -> Fraction:
        return 1 - tally.error_rate if tally.units else Fraction(0)

    def interval(self, tally: Tally, sample: Sample, confidence: float) -> tuple[float, float]:
        scale = _independent(sample.errors, sample, confidence)
        right = tally.units - tally.errors
        return intervals.accuracy_interval(right * scale, tally.units * scale, confidence)

    def difference(self, pairs: Pairs) -> Fraction:
        paired = _paired(pairs)
        return Fraction(paired.only_candidate - paired.only_baseline, paired.clips or 1)

    def difference_interval(self, pairs: Pairs, confidence: float) -> tuple[float, float]:
        scale = _independent(pairs.errors - pairs.others, pairs, confidence)
        return intervals.difference_interval(_paired(pairs), confidence, scale * len(pairs))

    def clips_to_show(
        self, tally: Tally, sample: Sample, limit: float, confidence: float
    ) -> int | None:
        needed = intervals.clips_to_show(float(self.value(tally)), limit, confidence)
        return needed and math.ceil(needed / _independent(sample.errors, sample, confidence))

    def pairs_to_show(self, pairs: Pairs, allowed_loss: float, confidence: float) -> int | None:
        needed = intervals.pairs_to_show(_paired(pairs), allowed_loss, confidence)
        scale = _independent(pairs.errors - pairs.others, pairs, confidence)
        return needed and math.ceil(needed / scale)


@dataclass(frozen=True)
class MeanError:
    """Errors a unit: word error rate, or mean absolute error. Intervals are a seeded bootstrap by
    speaker.
    """

    name: str
    unit: str = ""
    higher_is_better: bool = False

    def value(self, tally: Tally) -> Fraction:
        return tally.error_rate

    def interval(self, tally: Tally, sample: Sample, confidence: float) -> tuple[float, float]:
        return bootstrap.mean_interval(sample, confidence)

    def difference(self, pairs: Pairs) -> Fraction:
        units = Fraction(float(pairs.units.sum()))
        return Fraction(float((pairs.errors - pairs.others).sum())) / units if units else Fraction()

    def difference_interval(self, pairs: Pairs, confidence: float) -> tuple[float, float]:
        return bootstrap.difference_interval(pairs, confidence)

    def clips_to_show(
        self, tally: Tally, sample: Sample, limit: float, confidence: float
    ) -> int | None:
        bounds = self.interval(tally, sample, confidence)
        return _clips_until(tally.clips, float(self.value(tally)), bounds, limit)

    def pairs_to_show(self, pairs: Pairs, allowed_loss: float, confidence: float) -> int | None:
        bounds = self.difference_interval(pairs, confidence)
        return _clips_until(len(pairs), float(self.difference(pairs)), bounds, allowed_loss)


def _independent(values: Numbers, clips: Sample | Pairs, confidence: float) -> float:
    """Which share of the clips tells something new of the mean of their `values`."""
    if not clips.is_clustered or not len(values):
        return 1.0
    return effective_clips(values, clips.speakers, confidence) / len(values)


def _paired(pairs: Pairs) -> Paired:
    return Paired.of(pairs.errors == 0, pairs.others == 0)


def _clips_until(clips: int, value: float, bounds: tuple[float, float], limit: float) -> int | None:
    """An interval narrows with the root of the number of clips."""
    half = bounds[1] - value if limit > value else value - bounds[0]
    if value == limit or not math.isfinite(half):
        return None
    needed = math.ceil(clips * (half / (limit - value)) ** 2)
    return max(clips + 1, needed) if needed <= MOST_CLIPS else None
