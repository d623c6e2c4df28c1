"""How the model is trained."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.workflow.block import Block


class Train(Block):
    """How the model is trained."""

    epochs: int = Field(60, ge=1, le=10000, description="Passes over the training clips, at most.")
    batch_size: int = Field(32, ge=1, le=65536, description="Clips per step, over all devices.")
    learning_rate: float = Field(
        0.002,
        gt=0.0,
        le=1.0,
        description="Highest learning rate of Adam; it rises to it and falls along a cosine.",
    )
    patience: int = Field(
        20, ge=1, description="Training stops after this many epochs without a better eval loss."
    )
    seed: int = Field(1, ge=0, le=2**31 - 1, description="Seed of weights, order and augmentation.")
    start: Literal["scratch", "champion", "both"] = Field(
        "scratch",
        description="champion: from the weights of the last blessed model; both: from scratch and"
        " from it, and the better one, by the paired test on the eval split, goes on.",
    )
    devices: Annotated[int, Field(ge=1, le=64)] | Literal["auto", "cpu", "workers"] = Field(
        "auto",
        description="How many GPUs of this machine; cpu: none; workers: all GPUs of all machines"
        " that TF_CONFIG names; auto: those machines, or all GPUs of this one, or its CPU.",
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "auto", description="Of the arithmetic; auto: mixed where every GPU is fast at it."
    )
    cache_mb: int = Field(
        1024,
        ge=0,
        le=2**20,
        description="Clips of a split that are up to so many MB together are read once and kept in"
        " memory; more are read again in every epoch, and shuffled by file and within 256 MB.",
    )
