"""From the blocks of a workflow to one Keras model: waveform in, logits out."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import KerasTensor
from numpy.typing import NDArray

from components.audio import mel
from components.models import augmentation, disturbance, frontends
from components.models.attention import build_att_rnn, build_crnn
from components.models.bc_resnet import build_bc_resnet
from components.models.cnn import build_cnn
from components.models.cnn_lstm import build_cnn_lstm
from components.models.ds_cnn import build_ds_cnn
from components.models.masking import MaskSteps
from components.models.recurrent import build_lstm, build_rnn
from components.models.tc_resnet import build_tc_resnet
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model

# Features, the frames of each clip or None, the number of classes and the block, to logits.
Builder = Callable[[KerasTensor, KerasTensor | None, int, Model], KerasTensor]


@dataclass(frozen=True)
class Architecture:
    """One kind of model.

    Attributes:
        build: from features to logits.
        variable_length: whether it can be built for clips of any length, and then gives a clip the
            same scores, within 1e-5, whatever the batch holds beyond the clip's end.
    """

    build: Builder
    variable_length: bool


MODELS: dict[str, Architecture] = {
    "cnn": Architecture(build_cnn, variable_length=True),
    "rnn": Architecture(build_rnn, variable_length=True),
    "lstm": Architecture(build_lstm, variable_length=True),
    "cnn_lstm": Architecture(build_cnn_lstm, variable_length=True),
    "tc_resnet": Architecture(build_tc_resnet, variable_length=False),
    "ds_cnn": Architecture(build_ds_cnn, variable_length=False),
    "bc_resnet": Architecture(build_bc_resnet, variable_length=False),
    "att_rnn": Architecture(build_att_rnn, variable_length=False),
    "crnn": Architecture(build_crnn, variable_length=False),
}


def build_model(
    *,
    num_outputs: int,
    sample_rate: int,
    clip_samples: int,
    frontend: Frontend,
    augment: Augment,
    model: Model,
    seed: int,
    variable_length: bool = False,
    noises: NDArray[np.int16] | None = None,
) -> keras.Model:
    """A functional model: waveform [batch, clip_samples] -> logits [batch, classes], float32.

    With `variable_length` it takes two inputs, waveform [batch, samples] and lengths int32 [batch],
    1 to samples: a clip's logits are the same whatever lies beyond its length, and
    `clip_samples` says nothing. Its weights are those of the model for one length.

    Augmentation acts only with `training=True`, and mixes in what `noises` int16 [noises, samples]
    hold: without them there is no noise. Reseeds the generators of Python, numpy and the
    backend, so the same arguments give the same weights.

    Raises:
        ValueError: an architecture that clips of many lengths are not for; a clip shorter than a
            frame, mel edges beyond the Nyquist frequency.
    """
    architecture = MODELS[model.architecture]
    if variable_length and not architecture.variable_length:
        raise ValueError(f"{model.architecture} takes clips of one length only")
    keras.utils.set_random_seed(seed)
    samples = None if variable_length else clip_samples
    waveform = keras.Input((samples,), dtype="float32", name="waveform")
    lengths = keras.Input((), dtype="int32", name="lengths") if variable_length else None
    clip = waveform
    if lengths is not None:
        shortest = mel.ms_to_samples(frontend.frame_length_ms, sample_rate)
        clip = MaskSteps(min_steps=shortest)(waveform, lengths)
    changed = _change_waveform(clip, lengths, sample_rate, augment, noises)
    features, num_frames = _compute_features(changed, lengths, sample_rate, frontend, augment)
    masked = _mask_features(features, num_frames, frontend.frame_step_ms, augment)
    logits = architecture.build(masked, num_frames, num_outputs, model)
    inputs = waveform if lengths is None else [waveform, lengths]
    return keras.Model(inputs, logits, name=model.architecture)


def split_model(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The two halves of a built model, over the same layers and weights.

    The frontend, waveform [batch, clip_samples] -> features [batch, frames, bins], ends with its
    normalisation; the classifier, features -> logits [batch, classes], is all the rest. One after
    the other they are `model`. Of a model for clips of many lengths, the frontend gives beside the
    features how many frames of each clip are its own, int32 [batch], and the classifier takes both.

    Raises:
        ValueError: no layer of `model` belongs to a frontend.
    """
    frontend = [layer for layer in model.layers if isinstance(layer, frontends.LAYERS)]
    if not frontend:
        raise ValueError(f"no layer of {model.name!r} belongs to a frontend")
    between = frontend[-1].output
    for layer in model.layers:
        if isinstance(layer, frontends.CountFrames):
            between = [between, layer.output]
    return (
        keras.Model(model.input, between, name="frontend"),
        keras.Model(between, model.output, name="classifier"),
    )


def _change_waveform(
    waveform: KerasTensor,
    lengths: KerasTensor | None,
    sample_rate: int,
    augment: Augment,
    noises: NDArray[np.int16] | None,
) -> KerasTensor:
    """As a speaker, a room, what else sounds there, and a microphone would have made it."""
    shift_samples = mel.ms_to_samples(augment.time_shift_ms, sample_rate)
    if shift_samples or augment.speed:
        playback = augmentation.RandomPlayback(shift_samples, augment.speed)
        waveform = _with_lengths(playback, waveform, lengths)
    if augment.room.share:
        room = disturbance.RandomRoom(augment.room.share, augment.room.longest_s, sample_rate)
        waveform = _with_lengths(room, waveform, lengths)
    if augment.noise.share and noises is not None:
        noise = disturbance.RandomNoise(augment.noise.share, augment.noise.snr_db, noises)
        waveform = _with_lengths(noise, waveform, lengths)
    if augment.clipping.share:
        clipping = disturbance.RandomClipping(augment.clipping.share, augment.clipping.most_db)
        waveform = clipping(waveform)
    if augment.gain_db:
        waveform = augmentation.RandomGain(augment.gain_db)(waveform)
    return waveform


def _with_lengths(
    layer: keras.layers.Layer, values: KerasTensor, lengths: KerasTensor | None
) -> KerasTensor:
    return layer(values) if lengths is None else layer(values, lengths)


def _compute_features(
    waveform: KerasTensor,
    lengths: KerasTensor | None,
    sample_rate: int,
    frontend: Frontend,
    augment: Augment,
) -> tuple[KerasTensor, KerasTensor | None]:
    """Normalised features, float32 [batch, frames, bins], the same whatever the clip's level.

    With lengths, also how many of those frames are each clip's own; else None.
    """
    frame_length = mel.ms_to_samples(frontend.frame_length_ms, sample_rate)
    frame_step = mel.ms_to_samples(frontend.frame_step_ms, sample_rate)
    kind = frontend.kind
    num_frames = None
    if lengths is not None:
        num_frames = frontends.CountFrames(frame_length, frame_step)(lengths)
    elif mel.num_frames(waveform.shape[1], frame_length, frame_step) == 0:
        raise ValueError(
            f"a clip of {waveform.shape[1]} samples is shorter than a frame of {frame_length}"
        )
    if kind == "waveform":
        level = _with_lengths(frontends.LevelNormalization(), waveform, lengths)
        framing = frontends.Framing(frame_length, frame_step)
        return _with_lengths(framing, level, num_frames), num_frames
    log_mel = frontends.LogMel(
        sample_rate,
        frame_length,
        frame_step,
        frontend.num_mel_bins,
        frontend.lower_edge_hertz,
        frontend.upper_edge_hertz,
    )
    energies = _with_lengths(log_mel, waveform, num_frames)
    if augment.frequency_warp or augment.equalizer_db:
        channel = augmentation.RandomChannel(augment.frequency_warp, augment.equalizer_db)
        energies = channel(energies)
    if augment.narrow_band:
        energies = disturbance.RandomBand(augment.narrow_band)(energies)
    features = _with_lengths(frontends.SpeechNormalization(), energies, num_frames)
    if kind == "mfcc":
        features = frontends.Cepstrum(frontend.num_mfcc)(features)
    return features, num_frames


def _mask_features(
    features: KerasTensor, num_frames: KerasTensor | None, frame_step_ms: float, augment: Augment
) -> KerasTensor:
    spec_augment = augment.spec_augment
    time_mask_frames = round(spec_augment.time_mask_ms / frame_step_ms)
    has_time_masks = spec_augment.time_masks and time_mask_frames
    has_freq_masks = spec_augment.freq_masks and spec_augment.freq_mask_bins
    if not has_time_masks and not has_freq_masks:
        return features
    masking = augmentation.SpecAugment(
        spec_augment.time_masks,
        time_mask_frames,
        spec_augment.freq_masks,
        spec_augment.freq_mask_bins,
    )
    return _with_lengths(masking, features, num_frames)
