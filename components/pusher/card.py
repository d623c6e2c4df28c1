"""The model card: what a person has to know before using a pushed model, in Markdown.

The sections are those of Mitchell et al. 2019 that a pipeline can fill in by itself.
"""

import importlib.metadata
from pathlib import Path

import jinja2

from components.evaluation.formatting import amount_text, score_text
from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import Verdict

_WEAKEST = 10
_PACKAGES = ("auricle", "tensorflow", "keras")


def render_card(card: ModelCard, verdict: Verdict) -> str:
    """The card of a model that was judged; the same for the same model and verdict."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(amount=amount_text, score=score_text)
    template = environment.from_string(
        Path(__file__).with_name("model_card.md.jinja").read_text(encoding="utf-8")
    )
    slices = [s for s in verdict.slices if s.feature != "label"]
    labels = [s for s in verdict.slices if s.feature == "label"]
    return template.render(
        card=card,
        verdict=verdict,
        weakest=[s for s in slices if not s.is_small][:_WEAKEST],
        weakest_labels=[s for s in labels if not s.is_small][:_WEAKEST],
        small=[s for s in slices + labels if s.is_small],
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
    )
