"""The model card that lies in every exported and published model."""

from pathlib import Path

from components.storage.location import Location, location_of
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard


def read_card(saved_model: str | Path | Location) -> ModelCard:
    """The card in the folder of a SavedModel.

    Raises:
        OSError: there is none.
        pydantic.ValidationError: it is not what `schemas.reports` says.
    """
    return ModelCard.model_validate_json((location_of(saved_model) / MODEL_CARD_FILE).read())
