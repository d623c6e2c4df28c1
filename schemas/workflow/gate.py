"""What the gate of every task has; its rules are the task's."""

from pydantic import BaseModel, Field

from schemas.workflow.block import Block


class Gate(Block):
    """When a model is blessed; without any rule every model is."""

    confidence: float = Field(
        0.95, ge=0.5, lt=1.0, description="Confidence of the intervals that the rules compare."
    )

    def slices(self) -> dict[str, list[str]]:
        """The features by whose values test clips are judged, by the key that names them."""
        return {}

    def in_words(self) -> list[str]:
        """What a model has to reach, a rule each."""
        return []


class _Confidence(BaseModel):
    """What every task's gate has; its other keys are the task's."""

    confidence: float = Gate.model_fields["confidence"].default


def confidence_of(settings: str) -> float:
    """Of the intervals that any task's gate judges by, whose settings are JSON."""
    return _Confidence.model_validate_json(settings).confidence
