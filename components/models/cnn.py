"""Convolutions over time and frequency, and the network that consists of them."""

from keras import KerasTensor, layers

from components.models.masking import AveragePool, MaskSteps, PoolSteps, StepMask
from components.models.shared_batch import BatchNormalization, Dropout, SpatialDropout2D
from schemas.workflow.model import Model


def convolve(
    features: KerasTensor, num_frames: KerasTensor | None, settings: Model
) -> tuple[KerasTensor, KerasTensor | None]:
    """Local patterns: [batch, frames, bins] -> [batch, frames / 2**layers, channels], and lengths.

    `settings.layers` blocks of convolution, batch normalisation, ReLU and pooling, each with twice
    the filters of the one before. Pooling over frequency makes small shifts of formants, from one
    speaker to the next, disappear. `num_frames` int32 [batch], beyond which the features are zero,
    or None where all frames are the clip's own: the second tensor is to the steps what it is to the
    frames.
    """
    _, frames, bins = features.shape
    maps = layers.Reshape((_size(frames), bins, 1))(features)
    for block in range(settings.layers):
        maps = layers.Conv2D(settings.filters * 2**block, 3, padding="same", use_bias=False)(maps)
        normalize = BatchNormalization(momentum=0.9)
        if num_frames is None:
            maps = layers.ReLU()(normalize(maps))
        else:
            maps = normalize(maps, mask=StepMask()(maps, num_frames))
            # The next convolution must find behind the clip what padding="same" puts there.
            maps = MaskSteps()(layers.ReLU()(maps), num_frames)
        maps, num_frames = _halve(maps, num_frames, settings.pooling)
        maps = SpatialDropout2D(settings.dropout / 2)(maps)
    _, frames, bins, channels = maps.shape
    return layers.Reshape((_size(frames), bins * channels))(maps), num_frames


def _size(steps: int | None) -> int:
    return -1 if steps is None else steps


def _halve(
    maps: KerasTensor, num_frames: KerasTensor | None, pooling: str
) -> tuple[KerasTensor, KerasTensor | None]:
    """Two by two become one, in time and in frequency; `maps` are 0 or more, and 0 as padding."""
    if pooling == "average" and num_frames is not None:
        maps = AveragePool()(maps, num_frames)
    else:
        pool = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[pooling]
        maps = pool(2, padding="same")(maps)
    return maps, None if num_frames is None else (num_frames + 1) // 2


def classify_steps(
    steps: KerasTensor, num_steps: KerasTensor | None, num_outputs: int, dropout: float
) -> KerasTensor:
    """Logits from all steps, by their average and their highest values: [batch, steps, units].

    With `num_steps` int32 [batch], from that many of each clip.
    """
    if num_steps is None:
        average = layers.GlobalAveragePooling1D()(steps)
        highest = layers.GlobalMaxPooling1D()(steps)
        summary = layers.Concatenate()([average, highest])
    else:
        summary = PoolSteps()(steps, num_steps)
    summary = Dropout(dropout)(summary)
    return layers.Dense(num_outputs, dtype="float32", name="logits")(summary)


def build_cnn(
    features: KerasTensor, num_frames: KerasTensor | None, num_outputs: int, settings: Model
) -> KerasTensor:
    """Logits of convolution, ReLU and pooling, `settings.layers` times, then dense layers."""
    dense = layers.Dense(settings.units, activation="relu")  # its weights are the first drawn
    patterns, num_steps = convolve(features, num_frames, settings)
    return classify_steps(dense(patterns), num_steps, num_outputs, settings.dropout)
