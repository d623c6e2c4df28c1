"""The three combined: convolutions for local patterns, recurrence for order, LSTM for reach."""

from keras import KerasTensor, layers

from components.models.cnn import classify_steps, convolve
from components.models.recurrent import lstm, recur
from components.models.shared_batch import Dropout
from schemas.workflow.model import Model


def build_cnn_lstm(
    features: KerasTensor, num_frames: KerasTensor | None, num_outputs: int, settings: Model
) -> KerasTensor:
    """Logits of the convolutions of `cnn`, one plain recurrence, then one LSTM.

    The classifier sees the local patterns beside what the recurrences make of their order: what a
    recurrence alone learns of few speakers is their tempo.
    """
    dense = layers.Dense(settings.units, activation="relu")  # its weights are the first drawn
    local, num_steps = convolve(features, num_frames, settings)
    patterns = dense(local)
    simple = layers.SimpleRNN(settings.units, return_sequences=True)
    steps = recur(simple, patterns, num_steps)
    steps = layers.LayerNormalization()(steps)
    steps = Dropout(settings.dropout)(steps)
    steps = recur(lstm(settings.units, settings.peephole), steps, num_steps)
    steps = layers.LayerNormalization()(steps)
    steps = layers.Concatenate()([patterns, steps])
    return classify_steps(steps, num_steps, num_outputs, settings.dropout)
