"""Sections that a task adds to the report, and the environment that its templates render in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jinja2

from components.evaluation.scores import ClipScores
from components.pages.clips import ScoredClip
from components.pages.text import FILTERS
from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import Verdict
from schemas.text import visible

_TEMPLATES = Path(__file__).parent / "templates"

Place = Literal["before slices", "beside slices", "after slices", "after worst"]


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading; `body` is HTML that `render` made."""

    id: str
    title: str
    place: Place
    body: str


@dataclass(frozen=True)
class Judged:
    """What a task's sections are made from; `clips` are the test clips it asked for, by place."""

    verdict: Verdict
    card: ModelCard
    scores: ClipScores
    saved_model: Path
    clips: Mapping[int, ScoredClip]


def _finalized(value: object) -> object:
    """Text as a person may see it: what turns or hides characters is spelled out."""
    if type(value) is not str:  # numbers, and HTML
        return value
    return "\n".join(map(visible, value.split("\n")))


def html_environment(templates: Path) -> jinja2.Environment:
    """For pages: text is escaped; the macros of `macros.html.jinja` can be imported."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, _TEMPLATES]),
        autoescape=True,
        finalize=_finalized,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment
