"""What the gate of every task has; its rules are the task's."""

from typing import Literal

from pydantic import BaseModel, Field

from schemas.workflow.block import Block


class Limit(Block):
    """What the number that a model is judged by has to reach on some test clips."""

    at_least: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="A model is blessed when its whole interval is above this value.",
    )
    no_worse_by_more_than: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="A model is blessed when it loses no more than this against the last blessed"
        " model.",
    )


class Gate(Block):
    """When a model is blessed; without any rule every model is."""

    confidence: float = Field(
        0.95, ge=0.5, lt=1.0, description="Confidence of the intervals that the rules compare."
    )
    when_undecided: Literal["keep", "push"] = Field(
        "keep",
        description="What becomes of a model that the test clips are too few to judge: keep, it is"
        " not published; push, it is, and verdict and model card say so.",
    )

    conditions: dict[str, Limit] = Field(
        {},
        description="Limits under conditions, by their names: `{noise_10db: {at_least: 0.9}}`.",
    )

    def slices(self) -> dict[str, list[str]]:
        """The features by whose values test clips are judged, by the key that names them."""
        return {}

    def in_words(self) -> list[str]:
        """What a model has to reach, a rule each."""
        found = []
        for name, limit in self.conditions.items():
            if limit.at_least is not None:
                found.append(f"at least {limit.at_least:g} under {name}")
            if (worse := limit.no_worse_by_more_than) is not None:
                found.append(f"under {name} no worse than the last by more than {worse:g}")
        return found


class Common(BaseModel):
    """What every task's gate has; its other keys are the task's."""

    confidence: float = Gate.model_fields["confidence"].default
    when_undecided: Literal["keep", "push"] = Gate.model_fields["when_undecided"].default


def common_to_all(settings: str) -> Common:
    """What the gate of any task says, whose settings are JSON."""
    return Common.model_validate_json(settings)
