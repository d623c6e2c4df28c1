"""From the blocks of a workflow to one Keras model: waveform in, logits out."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from components.audio import mel
from components.models import augmentation, frontends
from components.models.cnn import build_cnn
from components.models.cnn_lstm import build_cnn_lstm
from components.models.options import Options
from components.models.recurrent import build_lstm, build_rnn

Builder = Callable[[Any, int, Options], Any]

MODELS: dict[str, Builder] = {
    "cnn": build_cnn,
    "rnn": build_rnn,
    "lstm": build_lstm,
    "cnn_lstm": build_cnn_lstm,
}


def build_model(
    *,
    architecture: str,
    num_classes: int,
    sample_rate: int,
    clip_samples: int,
    frontend: Mapping[str, Any],
    augment: Mapping[str, Any],
    model: Mapping[str, Any],
    seed: int,
) -> keras.Model:
    """A functional model: waveform [batch, clip_samples] -> logits [batch, classes], float32.

    `frontend`, `augment` and `model` are the blocks of a workflow as plain dicts. Augmentation acts
    only with `training=True`. Reseeds the generators of Python, numpy and the backend, so the same
    arguments give the same weights.

    Raises:
        ValueError: no such architecture or frontend, a clip shorter than a frame, mel edges beyond
            the Nyquist frequency.
    """
    if architecture not in MODELS:
        raise ValueError(f"architecture must be one of {', '.join(MODELS)}, got {architecture!r}")
    keras.utils.set_random_seed(seed)
    waveform = keras.Input((clip_samples,), dtype="float32", name="waveform")
    changed = _change_waveform(waveform, sample_rate, augment)
    features = _compute_features(changed, sample_rate, frontend, augment)
    features = _mask_features(features, frontend["frame_step_ms"], augment["spec_augment"])
    options = Options(**{key: value for key, value in model.items() if key != "architecture"})
    logits = MODELS[architecture](features, num_classes, options)
    return keras.Model(waveform, logits, name=architecture)


def split_model(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The two halves of a built model, over the same layers and weights.

    The frontend, waveform [batch, clip_samples] -> features [batch, frames, bins], ends with its
    normalisation; the classifier, features -> logits [batch, classes], is all the rest. One after
    the other they are `model`.

    Raises:
        ValueError: no layer of `model` belongs to a frontend.
    """
    frontend = [layer for layer in model.layers if isinstance(layer, frontends.LAYERS)]
    if not frontend:
        raise ValueError(f"no layer of {model.name!r} belongs to a frontend")
    features = frontend[-1].output
    return (
        keras.Model(model.input, features, name="frontend"),
        keras.Model(features, model.output, name="classifier"),
    )


def _change_waveform(waveform: Any, sample_rate: int, augment: Mapping[str, Any]) -> Any:
    shift_samples = mel.ms_to_samples(augment["time_shift_ms"], sample_rate)
    if shift_samples or augment["speed"]:
        waveform = augmentation.RandomPlayback(shift_samples, augment["speed"])(waveform)
    if augment["gain_db"]:
        waveform = augmentation.RandomGain(augment["gain_db"])(waveform)
    return waveform


def _compute_features(
    waveform: Any, sample_rate: int, frontend: Mapping[str, Any], augment: Mapping[str, Any]
) -> Any:
    """Normalised features, float32 [batch, frames, bins], the same whatever the clip's level."""
    frame_length = mel.ms_to_samples(frontend["frame_length_ms"], sample_rate)
    frame_step = mel.ms_to_samples(frontend["frame_step_ms"], sample_rate)
    if mel.num_frames(waveform.shape[1], frame_length, frame_step) == 0:
        raise ValueError(
            f"a clip of {waveform.shape[1]} samples is shorter than a frame of {frame_length}"
        )
    kind = frontend["kind"]
    if kind == "waveform":
        level = frontends.LevelNormalization()(waveform)
        return frontends.Framing(frame_length, frame_step)(level)
    if kind not in ("log_mel", "mfcc"):
        raise ValueError(f"frontend must be log_mel, mfcc or waveform, got {kind!r}")
    log_mel = frontends.LogMel(
        sample_rate,
        frame_length,
        frame_step,
        frontend["num_mel_bins"],
        frontend["lower_edge_hertz"],
        frontend["upper_edge_hertz"],
    )(waveform)
    if augment["frequency_warp"] or augment["equalizer_db"]:
        log_mel = augmentation.RandomChannel(augment["frequency_warp"], augment["equalizer_db"])(
            log_mel
        )
    features = frontends.SpeechNormalization()(log_mel)
    if kind == "mfcc":
        features = frontends.Cepstrum(frontend["num_mfcc"])(features)
    return features


def _mask_features(features: Any, frame_step_ms: float, spec_augment: Mapping[str, Any]) -> Any:
    time_mask_frames = round(spec_augment["time_mask_ms"] / frame_step_ms)
    has_time_masks = spec_augment["time_masks"] and time_mask_frames
    has_freq_masks = spec_augment["freq_masks"] and spec_augment["freq_mask_bins"]
    if not has_time_masks and not has_freq_masks:
        return features
    return augmentation.SpecAugment(
        spec_augment["time_masks"],
        time_mask_frames,
        spec_augment["freq_masks"],
        spec_augment["freq_mask_bins"],
    )(features)
