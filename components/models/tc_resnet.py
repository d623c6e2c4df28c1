"""Residual convolutions over time alone: TC-ResNet (Choi et al. 2019, arXiv:1904.03814).

Mel bins are the channels of the first layer, so that even a shallow network sees all frequencies at
once, and every convolution has one axis: the cheapest kind on a CPU.
"""

from keras import KerasTensor, layers

from components.models.cnn import classify_steps
from components.models.shared_batch import BatchNormalization, Dropout
from schemas.workflow.model import Model, Size

# Channels of the first layer and of each block; a block with more than the one before halves time.
_CHANNELS: dict[Size, tuple[int, ...]] = {
    "small": (16, 24, 32, 48),  # TC-ResNet8
    "base": (24, 32, 32, 48, 48, 64, 64),  # between TC-ResNet14 and TC-ResNet14-1.5
    "large": (48, 72, 72, 96, 96, 144, 144),  # TC-ResNet14-3
}
_FRAMES = 9  # that a convolution sees


def build_tc_resnet(
    features: KerasTensor, num_frames: KerasTensor | None, num_outputs: int, settings: Model
) -> KerasTensor:
    """Logits of residual blocks over time, of clips of one length."""
    first, *blocks = _CHANNELS[settings.size]
    steps = layers.Conv1D(first, 3, padding="same", use_bias=False)(features)
    steps = layers.ReLU()(BatchNormalization(momentum=0.9)(steps))
    for channels in blocks:
        steps = _block(steps, channels, 2 if channels != steps.shape[-1] else 1)
        steps = Dropout(settings.dropout / 2)(steps)
    return classify_steps(steps, None, num_outputs, settings.dropout)


def _block(steps: KerasTensor, channels: int, stride: int) -> KerasTensor:
    inner = layers.ReLU()(_convolve(steps, channels, _FRAMES, stride))
    inner = _convolve(inner, channels, _FRAMES, 1)
    if stride > 1:
        steps = layers.ReLU()(_convolve(steps, channels, 1, stride))
    return layers.ReLU()(layers.Add()([inner, steps]))


def _convolve(steps: KerasTensor, channels: int, frames: int, stride: int) -> KerasTensor:
    convolution = layers.Conv1D(channels, frames, strides=stride, padding="same", use_bias=False)
    return BatchNormalization(momentum=0.9)(convolution(steps))
