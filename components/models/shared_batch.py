"""One batch that several replicas of a model work on, each on rows of its own.

A model whose layers draw random numbers, or take means over the batch, would learn something else
on several devices than on one. The layers of this file, and `draw_uniform`, look at the batch as a
whole where a `BatchPart` says which rows of it a replica has: drawn is for all rows, and the own
ones are taken of it; means are those of all rows. Where there is no part they are Keras's own.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
from keras import KerasTensor, ops


@dataclass(frozen=True)
class BatchPart:
    """The rows of a batch that one replica has, int32 scalars: `rows` from `first` on, of `total`.

    A replica without rows is given one of zeros, so that no layer meets an empty batch: it counts
    for nothing. `add` sums a tensor of this shape over all replicas.
    """

    first: KerasTensor
    rows: KerasTensor
    total: KerasTensor
    add: Callable[[KerasTensor], KerasTensor]

    def take(self, whole: KerasTensor, count: KerasTensor) -> KerasTensor:
        """The first `count` rows of this part, of values for the whole batch [total, ...]."""
        return ops.take(whole, ops.minimum(self.first + ops.arange(count), self.total - 1), axis=0)


class _Current(threading.local):
    """The part that this thread computes; replicas of one process are traced in threads."""

    part: BatchPart | None = None


_CURRENT = _Current()


@contextlib.contextmanager
def working_on(part: BatchPart) -> Iterator[None]:
    """Within it, layers are called with the rows of `part`."""
    _CURRENT.part = part
    try:
        yield
    finally:
        _CURRENT.part = None


def draw_uniform(
    shape: tuple[int | KerasTensor, ...],
    low: float,
    high: float,
    generator: keras.random.SeedGenerator,
    dtype: str = "float32",
) -> KerasTensor:
    """Numbers from `low` to `high` for each row of the batch: `shape` [rows, ...]."""
    part = _CURRENT.part
    if part is None:
        return keras.random.uniform(shape, low, high, dtype=dtype, seed=generator)
    whole = keras.random.uniform((part.total, *shape[1:]), low, high, dtype=dtype, seed=generator)
    return part.take(whole, shape[0])


def _drop(layer: keras.layers.Dropout, inputs: KerasTensor, shape: tuple[int, ...]) -> KerasTensor:
    """What Keras's dropout makes of these rows when it gets the whole batch."""
    drawn = draw_uniform(shape, 0.0, 1.0, layer.seed_generator, inputs.dtype)
    scale = ops.cast(1.0 / (1.0 - layer.rate), inputs.dtype)
    return ops.where(drawn >= layer.rate, inputs * scale, ops.zeros((), inputs.dtype))


@keras.saving.register_keras_serializable("auricle")
class Dropout(keras.layers.Dropout):
    """Keras's, over the whole batch."""

    def call(self, inputs: KerasTensor, training: bool = False) -> KerasTensor:
        if not training or not self.rate or _CURRENT.part is None:
            return super().call(inputs, training=training)
        return _drop(self, inputs, ops.shape(inputs))


@keras.saving.register_keras_serializable("auricle")
class SpatialDropout2D(keras.layers.SpatialDropout2D):
    """Keras's, over the whole batch."""

    def call(self, inputs: KerasTensor, training: bool = False) -> KerasTensor:
        if not training or not self.rate or _CURRENT.part is None:
            return super().call(inputs, training=training)
        return _drop(self, inputs, self._get_noise_shape(inputs))


@keras.saving.register_keras_serializable("auricle")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's, with mean and variance of the whole batch, its last and smaller one too."""

    def _moments(
        self, inputs: KerasTensor, mask: KerasTensor | None
    ) -> tuple[KerasTensor, KerasTensor]:
        part = _CURRENT.part
        if part is None:
            return super()._moments(inputs, mask)
        axes = self._reduction_axes
        weights = ops.ones_like(inputs[..., :1]) * ops.cast(ops.minimum(part.rows, 1), inputs.dtype)
        if mask is not None:
            weights = weights * ops.cast(ops.expand_dims(mask, -1), inputs.dtype)
        count = part.add(ops.sum(weights)) + (keras.config.epsilon() if mask is not None else 0.0)
        mean = part.add(ops.sum(weights * inputs, axes)) / count
        variance = part.add(ops.sum(weights * ops.square(inputs - mean), axes)) / count
        return mean, variance
