"""A keyword spotter learns what a classifier does."""

from components.tasks.classify.model import (
    METRIC,
    carry_head,
    encode_batch,
    errors,
    loss,
    metric,
    num_outputs,
    vocabulary,
)

__all__ = [
    "METRIC",
    "carry_head",
    "encode_batch",
    "errors",
    "loss",
    "metric",
    "num_outputs",
    "vocabulary",
]
