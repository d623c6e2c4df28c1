"""Recurrences that are asked which of their steps matter: `att_rnn` and `crnn`."""

from keras import KerasTensor, layers, ops

from components.models.shared_batch import BatchNormalization, Dropout
from schemas.workflow.model import Model, Size

_UNITS: dict[Size, int] = {"small": 32, "base": 64, "large": 128}
_CHANNELS: dict[Size, int] = {"small": 16, "base": 32, "large": 64}


def build_att_rnn(
    features: KerasTensor, num_frames: KerasTensor | None, num_outputs: int, settings: Model
) -> KerasTensor:
    """Logits of two convolutions over time, two bidirectional LSTMs, and attention that the middle
    step asks for (de Andrade et al. 2018, arXiv:1808.08929), of clips of one length.
    """
    units = _UNITS[settings.size]
    maps = layers.Reshape((*features.shape[1:], 1))(features)
    maps = layers.Conv2D(10, (5, 1), strides=(2, 1), padding="same", activation="relu")(maps)
    maps = BatchNormalization(momentum=0.9)(maps)
    # The paper has a ReLU here. Behind a single channel it silences the model of many a seed.
    maps = BatchNormalization(momentum=0.9)(layers.Conv2D(1, (5, 1), padding="same")(maps))
    steps = layers.Reshape(maps.shape[1:3])(maps)
    for _ in range(2):
        steps = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(steps)
    query = layers.Dense(2 * units)(steps[:, steps.shape[1] // 2])
    return _attend(steps, query, num_outputs, settings)


def build_crnn(
    features: KerasTensor, num_frames: KerasTensor | None, num_outputs: int, settings: Model
) -> KerasTensor:
    """Logits of a convolution, two bidirectional GRUs (Arik et al. 2017, arXiv:1703.05390), and
    attention by a query that is learnt, of clips of one length.
    """
    channels, units = _CHANNELS[settings.size], _UNITS[settings.size]
    maps = layers.Reshape((*features.shape[1:], 1))(features)
    maps = layers.Conv2D(channels, (9, 5), strides=(3, 2), padding="same", use_bias=False)(maps)
    maps = layers.ReLU()(BatchNormalization(momentum=0.9)(maps))
    _, frames, bins, channels = maps.shape
    steps = layers.Reshape((frames, bins * channels))(maps)
    steps = Dropout(settings.dropout)(steps)
    for _ in range(2):
        steps = layers.Bidirectional(layers.GRU(units, return_sequences=True))(steps)
    steps = Dropout(settings.dropout)(steps)
    scores = layers.Softmax(axis=1)(layers.Dense(1)(layers.Dense(units, activation="tanh")(steps)))
    return _classify(ops.sum(scores * steps, axis=1), num_outputs, settings)


def _attend(
    steps: KerasTensor, query: KerasTensor, num_outputs: int, settings: Model
) -> KerasTensor:
    scores = layers.Softmax(axis=1)(layers.Dot(axes=(2, 1))([steps, query]))
    return _classify(layers.Dot(axes=(1, 1))([scores, steps]), num_outputs, settings)


def _classify(summary: KerasTensor, num_outputs: int, settings: Model) -> KerasTensor:
    summary = layers.Dense(settings.units // 2, activation="relu")(summary)
    summary = Dropout(settings.dropout)(summary)
    return layers.Dense(num_outputs, dtype="float32", name="logits")(summary)
