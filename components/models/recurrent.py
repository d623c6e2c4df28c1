"""Recurrent networks: the plain one, the LSTM, and an LSTM whose gates see the cell state."""

import keras
from keras import KerasTensor, layers, ops

from components.models.cnn import classify_steps
from components.models.masking import StepMask
from components.models.shared_batch import Dropout
from schemas.workflow.model import Model

_STACKED_FRAMES = 4  # fewer, longer steps: gradients of a plain recurrence fade over 98 of them


@keras.saving.register_keras_serializable("auricle")
class PeepholeLSTMCell(layers.Layer):
    """LSTM cell whose gates also see the cell state (Gers et al. 2002; Graves 2013, eq. 7 to 11).

    With s the logistic function and diagonal (elementwise) peephole weights W_c*:

        i_t = s(W_xi x_t + W_hi h_{t-1} + W_ci c_{t-1} + b_i)
        f_t = s(W_xf x_t + W_hf h_{t-1} + W_cf c_{t-1} + b_f)
        c_t = f_t c_{t-1} + i_t tanh(W_xc x_t + W_hc h_{t-1} + b_c)
        o_t = s(W_xo x_t + W_ho h_{t-1} + W_co c_t + b_o)
        h_t = o_t tanh(c_t)

    The output gate sees the new cell state c_t, the other two the old one. Input [batch, features],
    states h and c [batch, units], output h [batch, units]. Gates lie in the order i, f, c, o; the
    forget bias starts at 1, recurrent weights start orthogonal.
    """

    def __init__(self, units: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        units = self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], 4 * units), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(units, 4 * units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.peephole = self.add_weight(shape=(3, units), initializer="zeros", name="peephole")
        self.bias = self.add_weight(shape=(4 * units,), initializer=_forget_bias, name="bias")

    def call(
        self, inputs: KerasTensor, states: list[KerasTensor], training: bool = False
    ) -> tuple[KerasTensor, list[KerasTensor]]:
        hidden, cell = states
        gates = ops.matmul(inputs, self.kernel) + ops.matmul(hidden, self.recurrent_kernel)
        input_, forget, candidate, output = ops.split(gates + self.bias, 4, axis=-1)
        input_ = ops.sigmoid(input_ + self.peephole[0] * cell)
        forget = ops.sigmoid(forget + self.peephole[1] * cell)
        cell = forget * cell + input_ * ops.tanh(candidate)
        output = ops.sigmoid(output + self.peephole[2] * cell)
        hidden = output * ops.tanh(cell)
        return hidden, [hidden, cell]

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "units": self.units}


def _forget_bias(shape: tuple[int, ...], dtype: str | None = None) -> KerasTensor:
    units = shape[0] // 4
    bias = ops.concatenate([ops.zeros(units), ops.ones(units), ops.zeros(2 * units)])
    return ops.cast(bias, dtype or "float32")


@keras.saving.register_keras_serializable("auricle")
class StackFrames(layers.Layer):
    """`count` consecutive frames as one, also where a clip ends before the batch does.

    [batch, frames, bins], zero beyond each clip -> [batch, frames / count, count * bins], rounded
    up. Of a clip's own steps, `max(1, frames // count)`, only one of a clip of few frames has zeros
    in it.
    """

    def __init__(self, count: int, **kwargs: object) -> None:
        super().__init__(**{"trainable": False, **kwargs})
        self.count = count

    def call(self, features: KerasTensor) -> KerasTensor:
        batch, frames, bins = ops.shape(features)
        filled = ops.pad(features, [(0, 0), (0, (-frames) % self.count), (0, 0)])
        return ops.reshape(filled, (batch, -1, self.count * bins))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, frames, bins = input_shape
        steps = None if frames is None else -(-frames // self.count)
        return batch, steps, None if bins is None else self.count * bins

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "count": self.count}


def stack_frames(
    features: KerasTensor, num_frames: KerasTensor | None = None, count: int = _STACKED_FRAMES
) -> tuple[KerasTensor, KerasTensor | None]:
    """`count` consecutive frames as one: [batch, frames, bins] -> [batch, frames // count, ...].

    A rest of less than `count` frames is cut off; a clip with fewer than `count` stays as it is,
    or is one step where clips have lengths, `num_frames` int32 [batch]. The second tensor is to the
    steps what that is to the frames.
    """
    if num_frames is not None:
        return StackFrames(count)(features), ops.maximum(num_frames // count, 1)
    _, frames, bins = features.shape
    if frames < count:
        return features, None
    features = layers.Cropping1D((0, frames % count))(features)
    return layers.Reshape((frames // count, count * bins))(features), None


def lstm(units: int, peephole: bool) -> layers.Layer:
    """A layer that returns the LSTM's output at every step."""
    if peephole:
        return layers.RNN(PeepholeLSTMCell(units), return_sequences=True)
    return layers.LSTM(units, return_sequences=True)


def recur(layer: layers.Layer, steps: KerasTensor, num_steps: KerasTensor | None) -> KerasTensor:
    """The output of a recurrent `layer` at every step [batch, steps, units].

    With `num_steps` int32 [batch] it stands still beyond them, so one that runs backwards starts at
    each clip's own end.
    """
    if num_steps is None:
        return layer(steps)
    return layer(steps, mask=StepMask()(steps, num_steps))


def build_rnn(
    features: KerasTensor, num_frames: KerasTensor | None, num_outputs: int, settings: Model
) -> KerasTensor:
    """Logits of a plain recurrence, h_t = tanh(W_hh h_{t-1} + W_xh x_t + b) (Elman 1990)."""
    steps, num_steps = stack_frames(features, num_frames)
    for _ in range(settings.layers):
        steps = recur(layers.SimpleRNN(settings.units, return_sequences=True), steps, num_steps)
        steps = layers.LayerNormalization()(steps)
        steps = Dropout(settings.dropout)(steps)
    return classify_steps(steps, num_steps, num_outputs, settings.dropout)


def build_lstm(
    features: KerasTensor, num_frames: KerasTensor | None, num_outputs: int, settings: Model
) -> KerasTensor:
    """Logits of stacked LSTM layers (Hochreiter and Schmidhuber 1997), with peepholes if asked."""
    steps, num_steps = stack_frames(features, num_frames)
    for _ in range(settings.layers):
        steps = recur(lstm(settings.units, settings.peephole), steps, num_steps)
        steps = layers.LayerNormalization()(steps)
        steps = Dropout(settings.dropout)(steps)
    return classify_steps(steps, num_steps, num_outputs, settings.dropout)
