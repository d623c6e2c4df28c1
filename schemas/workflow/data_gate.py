"""When training may begin."""

from pydantic import Field

from schemas.workflow.block import Block


class DataGate(Block):
    """When training may begin; a run whose data breaks a rule stops before it."""

    min_clips_per_class: int = Field(
        5, ge=0, description="Training clips that every class has; 0 asks for none."
    )
    min_speakers_per_class: int = Field(
        1, ge=0, description="Training speakers of every class, where speakers are known."
    )
    anomalies: bool = Field(True, description="Stop at what ExampleValidator calls an error.")
    leaks: bool = Field(
        True, description="Stop at a speaker, or the very same audio, in two splits."
    )
    near_duplicates: bool = Field(
        True, description="Stop at the same recording, re-encoded or trimmed, in two splits."
    )
    two_labels: bool = Field(
        True, description="Stop at the very same audio with two labels, in one split or in two."
    )
    max_truncated_fraction: float = Field(
        1.0,
        ge=0.0,
        le=1.0,
        description="Share of the clips that may be cut short, where audio.truncated keeps them.",
    )
    max_drift: float = Field(
        0.3,
        ge=0.0,
        le=1.0,
        description="How far side features and labels may move since the last run that passed:"
        " Jensen-Shannon divergence, or change of a share; 1 allows all.",
    )
