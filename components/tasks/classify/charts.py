"""Draws what a classifier's scores are worth: PNG and SVG whose colours follow the page's theme."""

import io

import numpy as np
from matplotlib import colormaps
from matplotlib.image import imsave
from numpy.typing import NDArray
from scipy.stats import norm

from components.pages.drawing import EVAL, INK, drawn_axes
from components.tasks.classify.curves import DetectionErrors, Reliability


def confusion_png(shares: NDArray[np.float64]) -> bytes:
    """A confusion matrix too large for a table: shares of the true class, [true, answered]."""
    scale = max(1, 800 // len(shares))
    cells = np.kron(shares, np.ones((scale, scale)))
    buffer = io.BytesIO()
    imsave(buffer, cells, vmin=0, vmax=1, cmap=colormaps["magma"], format="png")
    return buffer.getvalue()


def reliability_svg(curve: Reliability) -> str:
    """Share of right answers by score, as an inline SVG element."""
    with drawn_axes("Answers right, by the score given to them", "score", "share right") as (
        axes,
        finish,
    ):
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        axes.plot(curve.score, curve.accuracy, color=EVAL, linewidth=2, marker="o", markersize=4)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
    words = (
        f"score {score:.2f}: {right:.0%} of {clips}"
        for score, right, clips in zip(curve.score, curve.accuracy, curve.clips, strict=True)
    )
    return finish(f"Answers right by score: {', '.join(words) or 'no clips'}")


def detection_svg(curve: DetectionErrors) -> str:
    """Missed and wrongly accepted words over a threshold, on normal-deviate scales: SVG."""
    ticks = [0.001, 0.01, 0.05, 0.2, 0.5]
    bounds = (ticks[0] / 2, 0.6)
    with drawn_axes("Words missed, by others accepted", "others accepted", "words missed") as (
        axes,
        finish,
    ):
        inside = [np.clip(rates, *bounds) for rates in (curve.false_accepts, curve.false_rejects)]
        axes.plot(*map(norm.ppf, inside), color=EVAL, linewidth=2)
        axes.set_xticks(norm.ppf(ticks), [f"{100 * tick:g} %" for tick in ticks])
        axes.set_yticks(norm.ppf(ticks), [f"{100 * tick:g} %" for tick in ticks])
        axes.set_xlim(*norm.ppf(bounds))
        axes.set_ylim(*norm.ppf(bounds))
    return finish(
        f"Detection errors: equal error rate {curve.equal_error_rate:.3f}"
        if len(curve.threshold)
        else "Detection errors: no clips"
    )
