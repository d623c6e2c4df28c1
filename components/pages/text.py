"""Numbers as templates write them, and Markdown templates."""

import re
from collections.abc import Callable
from pathlib import Path

import jinja2

from components.evaluation.formatting import amount_text, measured_text, score_text
from schemas.text import visible


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


# What is markup wherever it stands, between letters or not, and at the beginning of a line.
_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
_BEGINNING = re.compile(r"^(#|[-+](?=\s|$)|[-=]{2,}$|\d+(?=[.)]\s))")


class Markdown(str):
    """Text that is Markdown already."""


def escape_markdown(text: str) -> Markdown:
    """`text` as Markdown that shows it as it is: no markup, no HTML, no other line."""
    inside = text.strip()
    before, after = (" " * (text != each) for each in (text.lstrip(), text.rstrip()))
    seen = visible(inside)
    for character, entity in {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.items():
        seen = seen.replace(character, entity)
    escaped = _MARKUP.sub(r"\\\g<0>", seen)
    return Markdown(f"{before}{_BEGINNING.sub(_escape_beginning, escaped)}{after}")


def _escape_beginning(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"


def _finalized(value: object) -> object:
    return escape_markdown(value) if type(value) is str else value


def markdown_environment(templates: Path) -> jinja2.Environment:
    """For Markdown: text is escaped, but for what is `Markdown`, or said to be by the filter
    `markdown`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS, markdown=Markdown)
    return environment
