"""How sure one can be of an accuracy, of a rate, and of the difference of two on the same clips.

Closed forms, so that a verdict never depends on a random seed, and that hold where a bootstrap
does not: of 20 clips all right a bootstrap says 1.0 for certain. Their error rates are measured in
`benchmarks/gate_calibration.py`, beside those of a bootstrap and of comparing bare numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from scipy.special import betaincinv, gammaincinv

from components.evaluation.scores import Chosen

MOST_CLIPS = 10_000_000


@dataclass(frozen=True)
class Paired:
    """How two models answered the same clips: how many each was right on."""

    both: int = 0
    only_candidate: int = 0
    only_baseline: int = 0
    neither: int = 0

    @classmethod
    def of(cls, ours: Chosen, theirs: Chosen) -> "Paired":
        """Of which clips the candidate was right and the other model: bool [clips]."""
        return cls(
            both=int((ours & theirs).sum()),
            only_candidate=int((ours & ~theirs).sum()),
            only_baseline=int((~ours & theirs).sum()),
            neither=int((~ours & ~theirs).sum()),
        )

    @property
    def clips(self) -> int:
        """All of them."""
        return self.both + self.only_candidate + self.only_baseline + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of the candidate less that of the baseline; 0 of no clips."""
        return (self.only_candidate - self.only_baseline) / self.clips if self.clips else 0.0


def accuracy_interval(right: float, clips: float, confidence: float) -> tuple[float, float]:
    """Exact interval of a share (Clopper and Pearson 1934); [0, 1] where there are no clips.

    It holds at least as often as `confidence` says, also of three clips.
    """
    if not clips:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = float(betaincinv(right, clips - right + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, clips - right, 1 - tail)) if right < clips else 1.0
    return low, high


def rate_interval(events: int, hours: float, confidence: float) -> tuple[float, float]:
    """Exact interval of how many events an hour has (Garwood 1936); [0, inf] of no hours.

    Of events that come independently of each other it holds at least as often as `confidence` says.
    """
    if not hours:
        return 0.0, math.inf
    tail = (1 - confidence) / 2
    low = float(gammaincinv(events, tail)) if events else 0.0
    return low / hours, float(gammaincinv(events + 1, 1 - tail)) / hours


def difference_interval(
    paired: Paired, confidence: float, effective: float | None = None
) -> tuple[float, float]:
    """Of `paired.difference`: Wald's, half a clip added to each cell (Agresti and Min 2005).

    The clips count for as many as are `effective`, where they are not independent.
    """
    scale = 1.0 if effective is None or not paired.clips else effective / paired.clips
    return _difference_interval(
        paired.only_candidate * scale,
        paired.only_baseline * scale,
        paired.clips * scale,
        confidence,
    )


def clips_to_show(share: float, floor: float, confidence: float) -> int | None:
    """Of how many clips, `share` of them right, the interval lies on one side of `floor`.

    None where `share` is the floor itself, or so near that ten million are not enough.
    """

    def is_shown(clips: int) -> bool:
        low, high = accuracy_interval(share * clips, clips, confidence)
        return low >= floor or high < floor

    return _fewest(is_shown)


def pairs_to_show(paired: Paired, allowed_loss: float, confidence: float) -> int | None:
    """Of how many clips that differ as these do the interval lies on one side of the loss."""
    if not paired.clips:
        return None

    def is_shown(clips: int) -> bool:
        scale = clips / paired.clips
        low, high = _difference_interval(
            paired.only_candidate * scale, paired.only_baseline * scale, clips, confidence
        )
        return low >= -allowed_loss or high < -allowed_loss

    return _fewest(is_shown)


def _difference_interval(
    only_candidate: float, only_baseline: float, clips: float, confidence: float
) -> tuple[float, float]:
    if not clips:
        return -1.0, 1.0
    size = clips + 2.0
    ours, theirs = (only_candidate + 0.5) / size, (only_baseline + 0.5) / size
    half = _quantile(confidence) * math.sqrt((ours + theirs - (ours - theirs) ** 2) / size)
    return max(-1.0, ours - theirs - half), min(1.0, ours - theirs + half)


def _fewest(is_shown: Callable[[int], bool]) -> int | None:
    clips = 1
    while not is_shown(clips):
        clips *= 2
        if clips > MOST_CLIPS:
            return None
    low, high = clips // 2, clips
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_shown(middle) else (middle, high)
    return high


def _quantile(confidence: float) -> float:
    """Of the normal distribution, for an interval of both sides."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
