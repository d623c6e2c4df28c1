"""What every builder may be told; the `model` block of a workflow without its architecture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Hyperparameters of one model; a builder leaves out what its architecture does not have."""

    units: int
    layers: int
    filters: int
    pooling: str
    peephole: bool
    dropout: float
