"""Draws an explanation: what was heard, what decided, and the same in words."""

import io
import warnings

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from components.explanation.attribution import Attribution
from components.explanation.salient_ranges import decisive_ranges, in_words
from schemas.text import visible

_STRONG_PERCENTILE = (
    99.5  # of the magnitudes: drawn opaque, so that one cell does not hide the rest
)
_OPAQUE = 0.85  # the features stay visible below
_COLOURS = "coolwarm"
_GREYS = ListedColormap([(0.0, 0.0, 0.0, alpha) for alpha in np.linspace(0, 0.9, 256)])
_SHADE = (0.5, 0.5, 0.5, 0.2)


def explanation_text(attributions: dict[str, Attribution], label: str) -> str:
    """The picture in words: which times decided most for `label`, by each method."""
    first = next(iter(attributions.values()))
    text = "; ".join(
        f"by {method}, {in_words(decisive_ranges(each))}" for method, each in attributions.items()
    )
    return (
        f"Decided most for {label} (score {first.score:.3f}, in silence"
        f" {first.silence_score:.3f}): {text}."
    )


def explanation_png(
    attributions: dict[str, Attribution], label: str, ground: str = "white"
) -> bytes:
    """A PNG of the features, grey, under the first attribution, and all attributions by time.

    `attributions` are of one clip, by the name of the method. Time in s to the right, bins up; red
    speaks for `label`, blue against it. `explanation_text` lies in it as its description. On the
    `ground` "none" a page shines through.
    """
    first = next(iter(attributions.values()))
    figure = Figure(figsize=(6.0, 4.2), dpi=133, facecolor=ground)
    # In fixed places: to have them found takes as long as all the drawing.
    above = figure.add_axes((0.12, 0.45, 0.69, 0.48))
    below = figure.add_axes((0.12, 0.12, 0.69, 0.27), sharex=above)
    _draw_features(above, figure.add_axes((0.83, 0.45, 0.02, 0.48)), first)
    above.tick_params(labelbottom=False)
    for axes in (above, below):
        axes.set_facecolor("none")
    above.set_title(f"{visible(label)}, score {first.score:.3f}", loc="left", parse_math=False)
    _draw_over_time(below, attributions)
    buffer = io.BytesIO()
    text = explanation_text(attributions, label)
    with warnings.catch_warnings():  # the font lacks some scripts, and draws boxes
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Description": text, "Software": None})
    return buffer.getvalue()


def _draw_features(axes: Axes, scale_axes: Axes, attribution: Attribution) -> None:
    times_s, half_s = attribution.times_s, attribution.frames.step_s / 2
    bins = attribution.values.shape[1]
    # The axes of the image, so that its cells lie around their times and bins.
    extent = (times_s[0] - half_s, times_s[-1] + half_s, -0.5, bins - 0.5)
    axes.imshow(attribution.features.T, origin="lower", aspect="auto", cmap=_GREYS, extent=extent)
    magnitude = np.abs(attribution.values)
    strong = float(np.percentile(magnitude, _STRONG_PERCENTILE)) or float(magnitude.max()) or 1.0
    scale = Normalize(-strong, strong)
    axes.imshow(
        attribution.values.T,
        origin="lower",
        aspect="auto",
        cmap=_COLOURS,
        norm=scale,
        alpha=_OPAQUE * np.minimum(magnitude / strong, 1.0).T,
        extent=extent,
    )
    axes.set_ylabel("bin")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    colours = ScalarMappable(scale, _COLOURS)
    axes.figure.colorbar(colours, cax=scale_axes, label="adds to the score")


def _draw_over_time(axes: Axes, attributions: dict[str, Attribution]) -> None:
    for method, attribution in attributions.items():
        highest = np.abs(attribution.by_frame).max() or 1.0
        axes.plot(attribution.times_s, attribution.by_frame / highest, label=method)
    for each in decisive_ranges(next(iter(attributions.values()))):
        axes.axvspan(each.start_s, each.end_s, color=_SHADE, linewidth=0, zorder=0)
    axes.axhline(0.0, color="0.5", linewidth=0.8)
    axes.set_xlabel("s of the clip as the model hears it")
    axes.set_ylabel("share of its highest")
    axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
