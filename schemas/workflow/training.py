"""The blocks that decide what Trainer makes of the examples; they are part of its cache key."""

from typing import TypedDict

from schemas.workflow.audio import Audio
from schemas.workflow.augment import Augment
from schemas.workflow.block import Block
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model
from schemas.workflow.train import Train


class TrainingSettings(Block):
    """What Trainer gets of a workflow, in the order of the file."""

    name: str
    audio: Audio
    frontend: Frontend
    augment: Augment
    model: Model
    train: Train


class Earlier(TypedDict):
    """Where a step finds what came before, as URIs: ModelGate's judgements, and the ledger."""

    judgements: str
    ledger: str


class Listed(TypedDict):
    """A list of recordings (`schemas.background`), and the digest of their names and content."""

    uri: str
    digest: str


class TrainerConfig(TypedDict, total=False):
    """What Trainer gets: settings, provenance, and where unfinished trainings are kept.

    `workflow` is the JSON of `TrainingSettings`, `examples` the digest of the index and `code` the
    fingerprint of the step. `confidence` is there where two models are trained and one is kept,
    `task` where it is not the first one, whose steps were keyed before it had a name, and `earlier`
    where it has to look itself for the model to start from. `uris` are of the examples, and only
    added where the step runs.
    """

    workflow: str
    generated: bool
    examples: str
    code: str
    checkpoints: str
    confidence: float
    task: str
    noise: Listed
    earlier: Earlier
    uris: list[str]
