"""Has TFMA hand metrics the clips of a slice many at once, by its interface for extractors: its own
slicing calls Python for every clip, slice, metric and model. Knows no metric.
"""

from collections.abc import Iterator, Mapping

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray
from tensorflow_model_analysis.extractors import unbatch_extractor

_Clips = NDArray[np.intp]  # which of a batch, by number
_SliceKey = tuple[tuple[str, bytes], ...]
_OfModels = NDArray[np.generic] | Mapping[str, NDArray[np.generic]]  # one, or two by their names


def make_extractors(config: tfma.EvalConfig) -> list[tfma.extractors.Extractor]:
    """TFMA's own for the labels and predictions of a batch, and then one that slices the batch."""
    slicing = tfma.extractors.Extractor(
        stage_name=tfma.extractors.SLICE_KEY_EXTRACTOR_STAGE_NAME,
        ptransform=beam.FlatMap(
            _slice_batch, [list(spec.feature_keys) for spec in config.slicing_specs]
        ),
    )
    replaced = (unbatch_extractor.UNBATCH_EXTRACTOR_STAGE_NAME, slicing.stage_name)
    extractors = tfma.default_extractors(eval_config=config)
    return [kept for kept in extractors if kept.stage_name not in replaced] + [slicing]


def _slice_batch(extracts: tfma.Extracts, specs: list[list[str]]) -> Iterator[tfma.Extracts]:
    """One extract for each slice of a batch; its example weight is how many clips it holds."""
    for names in specs:
        for slice_key, clips in _slices(extracts[tfma.FEATURES_KEY], names):
            keys = np.empty(1, object)  # numpy.array would make a dimension of the tuple
            keys[0] = slice_key
            yield {
                tfma.SLICE_KEY_TYPES_KEY: keys,
                tfma.LABELS_KEY: _take(extracts[tfma.LABELS_KEY], clips),
                tfma.PREDICTIONS_KEY: _take(extracts[tfma.PREDICTIONS_KEY], clips),
                tfma.EXAMPLE_WEIGHTS_KEY: np.array([float(len(clips))]),
            }


def _slices(
    features: Mapping[str, NDArray[np.generic]], names: list[str]
) -> Iterator[tuple[_SliceKey, _Clips]]:
    """All clips for no name, else those with each value of the feature."""
    if not names:
        yield (), np.arange(len(next(iter(features.values()))))
        return
    [name] = names
    values, places, clips = np.unique(features[name], return_inverse=True, return_counts=True)
    by_value = np.argsort(places.ravel(), kind="stable")
    parts = np.split(by_value, np.cumsum(clips)[:-1])
    for value, part in zip(values, parts, strict=True):
        yield ((name, value),), part


def _take(arrays: _OfModels, clips: _Clips) -> _OfModels:
    if isinstance(arrays, Mapping):
        return {name: array[clips] for name, array in arrays.items()}
    return arrays[clips]
