"""From attributions to what a person is told: the times that decided, and whether methods agree."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.explanation.attribution import Attribution

_SMOOTHED_S = 0.05  # single frames flicker; what is shorter is no sound of speech
_LEAST_OF_HIGHEST = 0.5
_MOST_RANGES = 3


@dataclass(frozen=True)
class TimeRange:
    """A stretch of the clip, and its share of all that speaks for the class."""

    start_s: float
    end_s: float
    share: float


def decisive_ranges(attribution: Attribution) -> list[TimeRange]:
    """The stretches that decided most, at most three, the weightiest first.

    Where the attribution by time, smoothed over 50 ms, is at least half its highest. Empty where
    nothing speaks for the class.
    """
    step_s = attribution.frames.step_s
    smooth = _smoothed(attribution.by_frame, round(_SMOOTHED_S / step_s))
    speaks_for = np.maximum(smooth, 0.0)
    if not speaks_for.any():
        return []
    is_high = speaks_for >= _LEAST_OF_HIGHEST * speaks_for.max()
    edges = np.flatnonzero(np.diff(np.pad(is_high.astype(int), 1)))
    times_s = attribution.times_s
    ranges = [
        TimeRange(
            start_s=float(max(0.0, times_s[first] - step_s / 2)),
            end_s=float(times_s[end - 1] + step_s / 2),
            share=float(speaks_for[first:end].sum() / speaks_for.sum()),
        )
        for first, end in edges.reshape(-1, 2)
    ]
    return sorted(ranges, key=lambda each: -each.share)[:_MOST_RANGES]


def in_words(ranges: list[TimeRange]) -> str:
    """E.g. `0.31 to 0.42 s (64%), 0.55 to 0.60 s (12%)`."""
    if not ranges:
        return "no time more than another"
    return ", ".join(f"{r.start_s:.2f} to {r.end_s:.2f} s ({r.share:.0%})" for r in ranges)


def agreement(first: Attribution, second: Attribution) -> float | None:
    """Spearman's rank correlation of two attributions of a clip by time, -1 to 1.

    Over the frames that are more than a pause: in pauses every method finds nothing, so they agree
    there whatever they are worth. Both are first blurred as much as the blurrier method blurs by
    itself. None where one of them is the same in all those frames, or there are less than three.
    """
    from scipy.stats import spearmanr  # takes half a second

    blur = max(first.blur_frames, second.blur_frames)
    heard = first.is_heard
    over_time = [
        (each.by_frame if each.blur_frames == blur else _blurred(each.by_frame, blur))[heard]
        for each in (first, second)
    ]
    # Less than a thousandth of the highest is rounding of the model's scores, and has no rank.
    ranked = [np.round(each / (np.abs(each).max(initial=0.0) or 1.0), 3) for each in over_time]
    if heard.sum() < 3 or any(np.ptp(each) == 0.0 for each in ranked):
        return None
    return float(spearmanr(*ranked).statistic)


def _blurred(by_frame: NDArray[np.float64], patch: int) -> NDArray[np.float64]:
    """As patches blur: a patch sums what lies in it, then a frame averages its patches."""
    return _smoothed(_smoothed(by_frame, patch), patch)


def _smoothed(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The mean of about `window` values around each, of fewer at the ends; the same shape."""
    window = min(window // 2 * 2 + 1, len(values))  # odd, or it would lie to one side
    box = np.ones(window)
    return np.convolve(values, box, "same") / np.convolve(np.ones(len(values)), box, "same")
