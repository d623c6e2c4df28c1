"""Draws what a model is worth in noise."""

from components.pages.drawing import EVAL, INK, drawn_axes
from schemas.reports.metrics import ConditionMetrics, Headline
from schemas.workflow.conditions import NOISE


def noise_svg(conditions: list[ConditionMetrics], headline: Headline) -> str:
    """The headline number over the ratio of speech to noise, with its intervals, and that of the
    last blessed model: an inline SVG element; nothing where fewer than two ratios were heard.
    """
    found = {int(match[1]): c for c in conditions if (match := NOISE.fullmatch(c.name))}
    if len(found) < 2:
        return ""
    ratios = sorted(found)
    values = [found[ratio].value for ratio in ratios]
    with drawn_axes(f"{headline.name.capitalize()} in noise", "dB above noise", headline.name) as (
        axes,
        finish,
    ):
        bounds = [found[ratio].interval for ratio in ratios]
        axes.fill_between(
            ratios, [b.low for b in bounds], [b.high for b in bounds], color=EVAL, alpha=0.2
        )
        axes.plot(ratios, values, color=EVAL, linewidth=2, marker="o", markersize=4)
        before = [(ratio, found[ratio].baseline) for ratio in ratios]
        known = [(ratio, value) for ratio, value in before if value is not None]
        if known:
            axes.plot(*zip(*known, strict=True), color=INK, linewidth=1, linestyle="--")
        axes.axhline(headline.value, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xticks(ratios)
    words = (f"{value:.3f} at {ratio} dB" for ratio, value in zip(ratios, values, strict=True))
    return finish(f"{headline.name.capitalize()} in noise: {', '.join(words)}")
