"""Depthwise separable convolutions: DS-CNN (Zhang et al. 2017, arXiv:1711.07128)."""

from keras import KerasTensor, layers

from components.models.cnn import classify_steps
from components.models.shared_batch import BatchNormalization, SpatialDropout2D
from schemas.workflow.model import Model, Size

_CHANNELS: dict[Size, int] = {"small": 64, "base": 172, "large": 276}  # S, M and L of the paper
_BLOCKS: dict[Size, int] = {"small": 4, "base": 4, "large": 5}


def build_ds_cnn(
    features: KerasTensor, num_frames: KerasTensor | None, num_outputs: int, settings: Model
) -> KerasTensor:
    """Logits of one convolution and separable ones, of clips of one length."""
    channels = _CHANNELS[settings.size]
    maps = layers.Reshape((*features.shape[1:], 1))(features)
    maps = layers.Conv2D(channels, (10, 4), strides=2, padding="same", use_bias=False)(maps)
    maps = _activate(maps)
    for _ in range(_BLOCKS[settings.size]):
        maps = _activate(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(maps))
        maps = _activate(layers.Conv2D(channels, 1, use_bias=False)(maps))
        maps = SpatialDropout2D(settings.dropout / 2)(maps)
    _, frames, bins, channels = maps.shape
    steps = layers.Reshape((frames * bins, channels))(maps)
    return classify_steps(steps, None, num_outputs, settings.dropout)


def _activate(maps: KerasTensor) -> KerasTensor:
    return layers.ReLU()(BatchNormalization(momentum=0.9)(maps))
