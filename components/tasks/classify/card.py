"""A classifier's paragraphs of the model card."""

from components.pages.text import escape_markdown, share
from components.tasks.card import CardText
from components.tasks.classify.details import CALIBRATION_ERROR, MACRO_F1, Details
from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import Verdict


def card_text(card: ModelCard, verdict: Verdict) -> CardText:
    """Paragraphs of the model card."""
    return CardText(
        intended_use=(
            f"Tells which of {len(card.labels)} words a clip of about {card.audio.clip_s} s is:"
            f" {', '.join(map(escape_markdown, card.labels))}.\nEvery clip gets one of these"
            " answers; sounds that are none of them were not in the training data unless a class"
            " says so."
        ),
        metrics={
            "macro F1": share(verdict.metrics.get(MACRO_F1)),
            "calibration error": share(verdict.metrics.get(CALIBRATION_ERROR)),
        },
        operating_point=_operating_point(verdict),
    )


def _operating_point(verdict: Verdict) -> str:
    details = verdict.details
    if not isinstance(details, Details) or details.none_below is None:
        return "The answer is the class with the highest score; no threshold is applied."
    return (
        "The answer is the class with the highest score. `auricle predict` takes a score below"
        f" {details.none_below:.2f}, which 98 % of the right answers on the test clips reach, for"
        " none of the words; what is none of them may score higher all the same."
    )
