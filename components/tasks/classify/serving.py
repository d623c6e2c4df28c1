"""What an exported classifier answers: the score of each label, and the label with the highest."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.tasks.feeding import Answer
from schemas.reports.model_card import ModelCard


def activate(outputs: tf.Tensor) -> tf.Tensor:
    """Scores that sum to 1: [batch, classes]."""
    return tf.nn.softmax(outputs)


def respond(activated: tf.Tensor, labels: Sequence[str]) -> dict[str, tf.Tensor]:
    """`scores` [batch, classes] and `label` [batch]."""
    answered = tf.gather(tf.constant(list(labels)), tf.argmax(activated, axis=-1))
    return {"scores": activated, "label": answered}


def read_answers(
    outputs: Mapping[str, NDArray[np.float32]], card: ModelCard, top: int
) -> list[list[Answer]]:
    """The `top` most likely labels of each clip."""
    return [
        [Answer(card.labels[i], float(row[i])) for i in np.argsort(-row, kind="stable")[:top]]
        for row in outputs["scores"]
    ]
