"""What a model has to do before it is published."""

from pydantic import Field

from schemas.workflow.block import Block


class ServingCheck(Block):
    """What an exported model has to do in a process of its own before it is published."""

    clips: int = Field(
        64, ge=1, le=10_000, description="How many test clips are sent to each signature."
    )
    max_latency_ms: float | None = Field(
        None,
        gt=0.0,
        description="95 % of single clips have to be answered within this time, in ms.",
    )
    max_memory_mb: float | None = Field(
        None,
        gt=0.0,
        description="How much memory TensorFlow with the loaded model may take, in MB.",
    )
