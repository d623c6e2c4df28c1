"""What a model was made from; it lies inside the model."""

from pydantic import Field

from schemas.document import Document
from schemas.reports.training import Start
from schemas.tasks import FIRST_TASK
from schemas.utterance import is_keyword
from schemas.workflow.audio import Audio
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model
from schemas.workflow.train import Train

MODEL_CARD_FILE = "assets.extra/auricle.json"  # inside the SavedModel


class TrainingData(Document):
    """What a model was trained on; `licences` as the manifest states them, with their clips."""

    clips: int
    speakers: int
    licences: dict[str, int]


class Lineage(Document):
    """What a model was made from: SHA-256 of the rows and recordings, of the settings that matter
    to it, and of the code and library versions of its training.
    """

    examples: str
    settings: str
    code: str


class ModelCard(Document):
    """What a SavedModel needs to be used: lies inside it as `assets.extra/auricle.json`.

    The card of an earlier version may lack keys of a block, which then have their defaults;
    `model_fields_set` of the block has those that were stated. `folds` says how many models judged
    the training, each on clips that it has not heard, where no clips were kept from this one.
    `threshold` is the score from which an answer counts as heard; a published model has one where
    the workflow names background recordings. `none_below` is the score below which a classifier's
    answer is taken for none of its labels; a published one has it where enough test clips were
    answered right. `conditions` is whether the SavedModel takes raw audio and conditions it by
    `audio` itself; models of earlier versions take clips that are conditioned.
    """

    name: str
    task: str = FIRST_TASK
    labels: list[str]
    audio: Audio
    conditions: bool = False
    frontend: Frontend
    model: Model
    augment: Augment = Field(default_factory=Augment)
    train: Train = Field(default_factory=Train)
    parameters: int
    generated: bool
    data: TrainingData | None = None
    lineage: Lineage | None = None
    start: Start | None = None
    folds: int | None = None
    threshold: float | None = None
    none_below: float | None = None

    def is_heard(self, label: str, score: float) -> bool | None:
        """Whether the answer `label` with `score` is a word heard; None without a threshold."""
        if self.threshold is None:
            return None
        return is_keyword(label) and score >= self.threshold

    def is_none(self, label: str, score: float) -> bool | None:
        """Whether the answer `label` with `score` means none of the words; None where neither its
        name nor a limit of the score can tell.
        """
        if label in self.labels and not is_keyword(label):
            return True
        lowest = self.threshold if self.threshold is not None else self.none_below
        return None if lowest is None else score < lowest
