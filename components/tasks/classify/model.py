"""What a classifier learns: one of its labels for each clip, by cross-entropy."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

METRIC = "accuracy"


def vocabulary(targets: Iterable[Mapping[str, NDArray[np.object_]]]) -> list[str]:
    """The distinct labels, sorted: the classes of the model."""
    return sorted({label.decode() for batch in targets for label in batch["label"]})


def num_outputs(labels: Sequence[str]) -> int:
    """A logit for each label."""
    return len(labels)


def encode_batch(labels: Sequence[str]) -> Callable[[Mapping[str, tf.Tensor]], tf.Tensor]:
    """From labels to their numbers, int64 [batch]; -1 for one that is not among `labels`."""
    classes = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant(list(labels)), tf.range(len(labels), dtype=tf.int64)
        ),
        default_value=-1,
    )
    return lambda features: classes.lookup(features["label"])


def loss() -> keras.losses.Loss:
    """Cross-entropy."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def metric() -> keras.metrics.Metric:
    """The share of clips labelled right."""
    return keras.metrics.SparseCategoricalAccuracy(name=METRIC)


def errors(outputs: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 for a wrong label, 0 for the right one: [clips]."""
    return (outputs.argmax(axis=1) != targets).astype(np.float64)


def carry_head(
    ours: NDArray[np.float32],
    theirs: NDArray[np.float32],
    labels: Sequence[str],
    known: Sequence[str],
) -> NDArray[np.float32]:
    """A label has the weights that it had; one that was not known keeps those of `ours`."""
    shared = [label for label in labels if label in known]
    merged = ours.copy()
    merged[..., [list(labels).index(label) for label in shared]] = theirs[
        ..., [list(known).index(label) for label in shared]
    ]
    return merged
