"""The parts of a task that feed a model and ask it: what a module of each name has to hold.

Nothing heavy is imported here: `auricle plan` reads rows by a task's `targets`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from schemas.example import FeatureKind, FeatureValue
from schemas.reports.ingest import IngestReport
from schemas.reports.rule import Rule
from schemas.tasks import load_part
from schemas.workflow.data import Data
from schemas.workflow.data_gate import DataGate

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf
    from numpy.typing import NDArray

    from schemas.reports.model_card import ModelCard


class TargetReader(Protocol):
    """From a row to what the model is to answer to it, as text."""

    KEY: str  # of the manifest; what a clip's folder is called is its value too

    def read_target(self, row: Mapping[str, object]) -> str:
        """The target of a manifest's row; of a clip in a folder the row is `{KEY: folder}`.

        Raises:
            ClipError: `bad_row`, there is none.
        """


class Targets(TargetReader, Protocol):
    """`targets.py`: what rows are to be answered, and what is asked of all of them."""

    def check_target(self, target: str, data: Data) -> None:
        """Raises ClipError where the workflow does not take it."""

    def check_groups(self, groups: Sequence[str]) -> None:
        """Raises DataError where nothing can be learned from so few values of `GROUPED_BY`."""

    def data_rules(self, gate: DataGate, report: IngestReport) -> list[Rule]:
        """What the data gate asks of the targets."""


class Features(Protocol):
    """`features.py`: the target in the tf.Example.

    `FEATURES` are its features. `GROUPED_BY` is the one by whose values clips are counted, sliced
    and given to every split; None where targets form no groups. With `VARIABLE_LENGTH` clips keep
    their length, and the model takes it.
    """

    FEATURES: dict[str, FeatureKind]
    GROUPED_BY: str | None
    VARIABLE_LENGTH: bool

    def encode_target(self, target: str) -> dict[str, FeatureValue]:
        """The values of `FEATURES`."""

    def decode_target(self, example: Mapping[str, FeatureValue]) -> str:
        """The target as text, of an example as `decode_example` gives it."""


class ModelPart(Protocol):
    """`model.py`: what the model learns. `METRIC` is the name of what training reports."""

    METRIC: str

    def vocabulary(self, targets: Iterable[Mapping[str, "NDArray[np.generic]"]]) -> list[str]:
        """What the model can answer, from batches of the target's features; empty of numbers."""

    def num_outputs(self, labels: Sequence[str]) -> int:
        """How many numbers the head gives for a clip, of a model with this vocabulary."""

    def encode_batch(
        self, labels: Sequence[str]
    ) -> "Callable[[Mapping[str, tf.Tensor]], tf.Tensor]":
        """From a batch of the target's features to what the loss compares with: [batch]. What is
        returned is traced without AutoGraph: `tf.cond`, not `if`, on tensors.
        """

    def loss(self) -> "keras.losses.Loss":
        """Of the head's outputs."""

    def metric(self) -> "keras.metrics.Metric":
        """What `METRIC` names, of the head's outputs."""

    def errors(
        self, outputs: "NDArray[np.float32]", targets: "NDArray[np.generic]"
    ) -> "NDArray[np.float64]":
        """Of each clip, as the gate counts them, from the head's outputs: [clips]."""

    def carry_head(
        self,
        ours: "NDArray[np.float32]",
        theirs: "NDArray[np.float32]",
        labels: Sequence[str],
        known: Sequence[str],
    ) -> "NDArray[np.float32]":
        """The weights of the head of a model for `labels`, from those of one for `known`."""


class Answer(NamedTuple):
    """An answer as text, and the model's confidence in it from 0 to 1, where there is one."""

    text: str
    score: float | None


class Serving(Protocol):
    """`serving.py`: what the exported model answers."""

    def activate(self, outputs: "tf.Tensor") -> "tf.Tensor":
        """What the head's outputs mean: [batch, outputs]."""

    def respond(self, activated: "tf.Tensor", labels: Sequence[str]) -> "dict[str, tf.Tensor]":
        """The outputs of every signature by name, strings and numbers: [batch, ...].

        `error` is added to them; where it says something they become empty strings and zeros.
        """

    def read_answers(
        self, outputs: "Mapping[str, NDArray[np.generic]]", card: "ModelCard", top: int
    ) -> list[list[Answer]]:
        """Of each clip the `top` best answers, from the outputs of a signature, blank ones too."""


def targets(task: str) -> Targets:
    """The part `targets` of a task."""
    return cast(Targets, load_part(task, "targets"))


def features(task: str) -> Features:
    """The part `features` of a task."""
    return cast(Features, load_part(task, "features"))


def model(task: str) -> ModelPart:
    """The part `model` of a task."""
    return cast(ModelPart, load_part(task, "model"))


def serving(task: str) -> Serving:
    """The part `serving` of a task."""
    return cast(Serving, load_part(task, "serving"))
