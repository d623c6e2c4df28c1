"""Numbers as templates write them, and Markdown templates."""

from collections.abc import Callable
from pathlib import Path

import jinja2

from components.evaluation.formatting import amount_text, measured_text, score_text


def share(value: float | None) -> str:
    """A share with three decimals, as thresholds are written; a dash for none."""
    return "-" if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """A change of a share with its sign; a dash for none."""
    return "-" if value is None else f"{value:+.3f}"


FILTERS: dict[str, Callable[..., str]] = {
    "share": share,
    "signed": signed,
    "amount": amount_text,
    "score": score_text,
    "measured": measured_text,
}


def markdown_environment(templates: Path) -> jinja2.Environment:
    """For Markdown, in which nothing is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment
