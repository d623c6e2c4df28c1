"""The blocks that decide what Trainer makes of the examples; they are part of its cache key."""

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
