"""Draws what a classifier's scores are worth: PNG and SVG whose colours follow the page's theme."""

import io
import warnings

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray
from scipy.stats import norm

from components.pages.drawing import EVAL, INK, drawn_axes
from components.tasks.classify.curves import DetectionErrors, Reliability
from schemas.text import visible

_MOST_LABELLED = 40
_LONGEST_LABEL = 20
_DARK = 0.5  # share from which a cell is written on in white


def confusion_png(shares: NDArray[np.float64]) -> bytes:
    """A confusion matrix too large for a table: shares of the true class, [true, answered]."""
    scale = max(1, 800 // len(shares))
    cells = np.kron(shares, np.ones((scale, scale)))
    buffer = io.BytesIO()
    imsave(buffer, cells, vmin=0, vmax=1, cmap=colormaps["magma"], format="png")
    return buffer.getvalue()


def labelled_confusion_png(labels: list[str], counts: list[list[int]]) -> bytes:
    """A confusion matrix that stands alone: with its labels, and numbers where there is room."""
    shares = np.array(counts, np.float64)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    size = 3 + 0.35 * min(len(labels), _MOST_LABELLED)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axes.set_xlabel("answer")
    axes.set_ylabel("true class")
    if len(labels) <= _MOST_LABELLED:
        shown = [visible(label)[:_LONGEST_LABEL].replace("$", r"\$") for label in labels]
        axes.set_xticks(range(len(labels)), shown, rotation=90)
        axes.set_yticks(range(len(labels)), shown)
        for (row, column), count in np.ndenumerate(np.array(counts)):
            if count:
                ink = "white" if shares[row, column] > _DARK else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=ink, fontsize=8)
    buffer = io.BytesIO()
    with warnings.catch_warnings():  # the font lacks some scripts, and draws boxes
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
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
