"""A keyword spotter's sections of the report: a classifier's, and its operating point."""

from pathlib import Path

from components.pages.section import Judged, Section, html_environment
from components.tasks.classify import report as classify
from components.tasks.classify.report import facts, places, tracked
from components.tasks.spot.details import Details, OperatingPoint
from schemas.reports.verdict import Verdict

__all__ = ["facts", "places", "sections", "tracked"]

_TEMPLATES = html_environment(Path(__file__).parent / "templates")


def sections(judged: Judged) -> list[Section]:
    """All of them; without an operating point those of a classifier."""
    found = classify.sections(judged)
    if (point := _point(judged.verdict)) is not None:
        body = _TEMPLATES.get_template("keywords.html.jinja")
        html = body.render(point=point, confidence=judged.verdict.confidence)
        found.append(Section("keywords", "Keyword spotting", "after slices", html))
    return found


def _point(verdict: Verdict) -> OperatingPoint | None:
    assert isinstance(verdict.details, Details)
    return verdict.details.keywords
