"""Broadcasted residual learning: BC-ResNet (Kim et al. 2021, arXiv:2106.04140).

Most of the work is done on features averaged over frequency, and added back to all frequencies.
"""

from keras import KerasTensor, layers, ops

from components.models.shared_batch import BatchNormalization, Dropout, SpatialDropout2D
from schemas.workflow.model import Model, Size

_WIDTHS: dict[Size, float] = {"small": 1.0, "base": 3.0, "large": 8.0}  # BC-ResNet-1, -3, -8
_BLOCKS = (2, 2, 4, 4)  # of each stage
_CHANNELS = (8, 12, 16, 20)
_HALVES_BINS = (1, 2)  # the stages
_GROUPS = 4  # of mel bins that are normalised apart; the paper has 5 of 40 bins


def build_bc_resnet(
    features: KerasTensor, num_frames: KerasTensor | None, num_outputs: int, settings: Model
) -> KerasTensor:
    """Logits of clips of one length, from [batch, frames, bins]."""
    width = _WIDTHS[settings.size]
    maps = layers.Reshape((*features.shape[1:], 1))(features)
    maps = layers.Conv2D(round(16 * width), 5, strides=(1, 2), padding="same", use_bias=False)(maps)
    maps = layers.ReLU()(BatchNormalization(momentum=0.9)(maps))
    for stage, (blocks, channels) in enumerate(zip(_BLOCKS, _CHANNELS, strict=True)):
        for block in range(blocks):
            stride = 2 if block == 0 and stage in _HALVES_BINS else 1
            dropout = settings.dropout / 2
            maps = _block(maps, round(channels * width), 2**stage, stride, dropout)
    maps = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(maps)
    maps = layers.Conv2D(round(32 * width), 1, use_bias=False)(maps)
    maps = layers.ReLU()(BatchNormalization(momentum=0.9)(maps))
    summary = Dropout(settings.dropout)(layers.GlobalAveragePooling2D()(maps))
    return layers.Dense(num_outputs, dtype="float32", name="logits")(summary)


def _block(
    maps: KerasTensor, channels: int, dilation: int, stride: int, dropout: float
) -> KerasTensor:
    """A transition block where channels change, else a normal one, which adds what it got."""
    kept = maps if channels == maps.shape[-1] and stride == 1 else None
    if kept is None:
        maps = layers.Conv2D(channels, 1, use_bias=False)(maps)
        maps = layers.ReLU()(BatchNormalization(momentum=0.9)(maps))
    strides = (stride, stride)  # of depthwise convolutions both have to be the same
    over_bins = layers.DepthwiseConv2D((1, 3), padding="same", use_bias=False)(maps)
    if stride > 1:
        over_bins = over_bins[:, :, :: strides[1]]
    over_bins = _normalize_bands(over_bins)
    over_time = ops.mean(over_bins, axis=2, keepdims=True)
    over_time = layers.DepthwiseConv2D(
        (3, 1), padding="same", dilation_rate=(dilation, 1), use_bias=False
    )(over_time)
    over_time = layers.Activation("swish")(BatchNormalization(momentum=0.9)(over_time))
    over_time = layers.Conv2D(channels, 1, use_bias=False)(over_time)
    over_time = SpatialDropout2D(dropout)(over_time)
    total = layers.Add()([over_bins, over_time])
    return layers.ReLU()(total if kept is None else layers.Add()([total, kept]))


def _normalize_bands(maps: KerasTensor) -> KerasTensor:
    """Sub-spectral normalisation (Chang et al. 2021): statistics of each group of bins apart."""
    _, frames, bins, channels = maps.shape
    groups = _GROUPS if bins % _GROUPS == 0 else 1
    split = layers.Reshape((frames, groups, bins // groups, channels))(maps)
    split = layers.Permute((1, 3, 2, 4))(split)
    split = layers.Reshape((frames, bins // groups, groups * channels))(split)
    split = BatchNormalization(momentum=0.9)(split)
    split = layers.Reshape((frames, bins // groups, groups, channels))(split)
    return layers.Reshape((frames, bins, channels))(layers.Permute((1, 3, 2, 4))(split))
