"""A keyword spotter's paragraphs of the model card."""

from dataclasses import replace
from pathlib import Path

from components.pages.text import markdown_environment
from components.tasks.card import CardText
from components.tasks.classify import card as classify
from components.tasks.spot.details import Details
from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import Verdict

_TEMPLATES = markdown_environment(Path(__file__).parent / "templates")


def card_text(card: ModelCard, verdict: Verdict) -> CardText:
    """A classifier's, with the operating point where one was chosen."""
    text = classify.card_text(card, verdict)
    assert isinstance(verdict.details, Details)
    if verdict.details.keywords is None:
        return text
    template = _TEMPLATES.get_template("operating_point.md.jinja")
    return replace(text, operating_point=template.render(point=verdict.details.keywords))
