"""Clips of many lengths in one batch: what lies beyond a clip's end never reaches its answer.

A batch is as long as its longest clip. Beside every tensor [batch, steps, ...] goes an int32 tensor
of lengths [batch], 1 or more: how many of the steps are the clip's own. A layer whose view reaches
over that edge (a convolution, a pooling, a mean, a maximum) has to see there what it would see if
the clip were alone in its batch; the layers of this file make it so. Models of clips of one length
have none of them.
"""

import keras
from keras import KerasTensor, ops


def step_mask(values: KerasTensor, lengths: KerasTensor | None) -> KerasTensor:
    """Which steps are the clip's own: bool [batch, steps], of `values` [batch, steps, ...]."""
    return ops.arange(ops.shape(values)[1], dtype="int32") < ops.expand_dims(lengths, 1)


def keep_steps(values: KerasTensor, lengths: KerasTensor | None, fill: float = 0.0) -> KerasTensor:
    """`values` [batch, steps, ...] with `fill` in every step beyond `lengths` [batch].

    What lay there may be anything, NaN included.
    """
    mask = step_mask(values, lengths)
    mask = ops.reshape(mask, (*ops.shape(mask), *[1] * (len(values.shape) - 2)))
    return ops.where(mask, values, ops.cast(fill, values.dtype))


class _LengthLayer(keras.layers.Layer):
    """A layer without weights, called with values and lengths.

    The masks that Keras hands on from layer to layer end here: lengths say all there is to say.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"trainable": False, **kwargs})
        self.supports_masking = True

    def compute_mask(self, inputs: KerasTensor, previous_mask: KerasTensor | None) -> None:
        return None


@keras.saving.register_keras_serializable("auricle")
class MaskSteps(_LengthLayer):
    """Zeros beyond each clip's length, as "same" padding has them beyond a clip of full length.

    values [batch, steps, ...], lengths int32 [batch] -> the same shape; with `min_steps`, a shorter
    axis of steps is filled up with zeros.
    """

    def __init__(self, min_steps: int = 0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.min_steps = min_steps

    def call(self, values: KerasTensor, lengths: KerasTensor | None) -> KerasTensor:
        kept = keep_steps(values, lengths)
        if not self.min_steps:
            return kept
        missing = ops.maximum(self.min_steps - ops.shape(values)[1], 0)
        return ops.pad(kept, [(0, 0), (0, missing), *[(0, 0)] * (len(values.shape) - 2)])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, steps, *rest = input_shape
        return (batch, None if steps is None else max(steps, self.min_steps), *rest)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "min_steps": self.min_steps}


@keras.saving.register_keras_serializable("auricle")
class StepMask(_LengthLayer):
    """The mask that Keras's own layers take: [batch, steps, ...], int32 [batch] -> bool.

    Has one axis less than the values, broadcast over all but batch and steps.
    """

    def call(self, values: KerasTensor, lengths: KerasTensor | None) -> KerasTensor:
        mask = step_mask(values, lengths)
        between = len(values.shape) - 3
        mask = ops.reshape(mask, (*ops.shape(mask), *[1] * between))
        return ops.broadcast_to(mask, ops.shape(values)[:-1])

    def compute_output_spec(self, values: KerasTensor, lengths: KerasTensor | None) -> KerasTensor:
        return keras.KerasTensor(values.shape[:-1], dtype="bool")


@keras.saving.register_keras_serializable("auricle")
class AveragePool(_LengthLayer):
    """The mean of two by two, of those steps alone that are the clip's own.

    maps [batch, steps, bins, channels], zero beyond lengths int32 [batch] -> [batch, steps / 2,
    bins / 2, channels], both rounded up, as `AveragePooling2D(2, padding="same")`.
    """

    def call(self, maps: KerasTensor, lengths: KerasTensor | None) -> KerasTensor:
        mask = ops.cast(step_mask(maps, lengths), maps.dtype)
        share = ops.average_pool(mask[:, :, None], 2, 2, padding="same")
        pooled = ops.average_pool(maps, 2, 2, padding="same")
        return pooled / ops.maximum(share, 0.5)[:, :, :, None]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, steps, bins, channels = input_shape
        halves = [None if size is None else -(-size // 2) for size in (steps, bins)]
        return (batch, *halves, channels)


@keras.saving.register_keras_serializable("auricle")
class PoolSteps(_LengthLayer):
    """Average and highest value of the clip's own steps, side by side.

    [batch, steps, units], lengths int32 [batch] -> [batch, 2 * units]. Sums in float32.
    """

    def call(self, steps: KerasTensor, lengths: KerasTensor | None) -> KerasTensor:
        total = ops.sum(ops.cast(keep_steps(steps, lengths), "float32"), axis=1)
        average = total / ops.cast(ops.expand_dims(lengths, 1), "float32")
        highest = ops.max(keep_steps(steps, lengths, fill=float("-inf")), axis=1)
        return ops.concatenate([ops.cast(average, highest.dtype), highest], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], 2 * (input_shape[-1] or 0))
