"""The model card: what a person has to know before using a published model, in Markdown.

The sections are those of Mitchell et al. 2019 that a pipeline can fill in by itself.
"""

import importlib.metadata
from pathlib import Path

from components.pages.text import markdown_environment
from components.tasks.card import card as card_part
from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import Verdict

_WEAKEST = 10
_PACKAGES = ("auricle", "tensorflow", "keras")


def render_card(card: ModelCard, verdict: Verdict) -> str:
    """The card of a model that was judged; the same for the same model and verdict."""
    template = markdown_environment(Path(__file__).parent).get_template("model_card.md.jinja")
    by_target = verdict.details.target_feature
    slices = [s for s in verdict.slices if s.feature != by_target]
    targets = [s for s in verdict.slices if s.feature == by_target]
    return template.render(
        card=card,
        verdict=verdict,
        headline=verdict.headline,
        text=card_part(verdict.task).card_text(card, verdict),
        weakest=[s for s in slices if not s.is_small][:_WEAKEST],
        weakest_targets=[s for s in targets if not s.is_small][:_WEAKEST],
        small=[s for s in slices + targets if s.is_small],
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
    )
