"""When a model is blessed."""

from pydantic import BaseModel, Field

from schemas.workflow.block import Block, Text


class Threshold(Block):
    """What one metric has to reach on the test split."""

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
    slices: list[Text] = Field(
        [],
        description="`at_least` also holds for every value of these: speaker, label, snr, duration,"
        " or a key of the manifest.",
    )


class FalseRejects(Block):
    """How many words may be missed; labels that begin with `_` are no words."""

    at_most: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Largest share of a word's test clips that is missed at the operating threshold"
        " and still blessed. Labels that begin with `_`, as `_unknown_`, are no words: to answer"
        " them is no alarm.",
    )


class Gate(Block):
    """When a model is blessed; without any rule every model is."""

    accuracy: Threshold = Field(Threshold(), description="Share of test clips labelled right.")
    false_alarms_per_hour: float = Field(
        1.0,
        gt=0.0,
        description="How many false alarms an hour the threshold may let through, in"
        " data.background.",
    )
    false_rejects: FalseRejects = Field(
        FalseRejects(), description="Share of test clips of words that are missed at it."
    )
    confidence: float = Field(
        0.95, ge=0.5, lt=1.0, description="Confidence of the intervals that the rules compare."
    )


class _Confidence(BaseModel):
    """What every task's gate has; its other keys are the task's."""

    confidence: float = Gate.model_fields["confidence"].default


def confidence_of(settings: str) -> float:
    """Of the intervals that any task's gate judges by, whose settings are JSON."""
    return _Confidence.model_validate_json(settings).confidence
