"""What ingest makes of a decoded clip, in TensorFlow operations: a part of every exported model.

Follows `components.audio.condition` and `components.audio.pcm16` step by step, in the same
precision, so that a clip that is served has the samples of a clip that was trained on. Only what
the workflow asks for goes into the graph. A clip that ingest would refuse gets its reason instead
of samples, and does not disturb the clips beside it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from components.audio import condition
from components.audio.limits import MAX_DURATION_S, MAX_MAGNITUDE
from components.audio.measure import (
    ABOVE_QUIET_DB,
    BELOW_LOUD_DB,
    FLOOR_DB,
    FRAME_MS,
    LOUD_FRAMES,
)
from components.audio.mel import ms_to_samples
from components.audio.pcm16 import FULL_SCALE
from components.trainer.padding import to_waveform
from schemas.workflow.audio import Audio


class Clips(NamedTuple):
    """Conditioned clips: waveform float32 [batch, samples], of which the first `lengths`, int32
    [batch], are each clip's own. `error`, string [batch], is empty, or says why there is no clip: a
    reason of `schemas.utterance.REJECT_REASONS`. The clip is silence then.
    """

    waveform: tf.Tensor
    lengths: tf.Tensor
    error: tf.Tensor


class Conditioner:
    """Conditions raw clips as ingest does for the settings `audio`.

    Clips become `audio.clip_s` long, or with `keeps_length` stay as long as they are.
    """

    def __init__(self, audio: Audio, keeps_length: bool) -> None:
        self._audio = audio
        self._clip_samples = None if keeps_length else round(audio.clip_s * audio.sample_rate)
        # One function, so that it is in the graph once for all signatures.
        self._condition = tf.function(
            self._condition_clip,
            input_signature=[tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.string)],
            autograph=False,
        )

    def waveforms(self, waveform: tf.Tensor, lengths: tf.Tensor) -> Clips:
        """Of float32 [batch, samples] the first `lengths`, int32 [batch], of each row.

        A length outside of the waveform is a `bad_row`.
        """
        samples = tf.shape(waveform)[1]

        def read(row: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            values, length = row
            error = tf.where((length < 0) | (length > samples), "bad_row", "")
            return values[: tf.maximum(length, 0)], error

        return self.each((waveform, lengths), read)

    def each(self, rows: object, read: Callable[..., tuple[tf.Tensor, tf.Tensor]]) -> Clips:
        """What `read` makes of each of `rows`, conditioned.

        `read` gives float32 [samples] at the model's rate, and an error or "".
        """
        if self._clip_samples is None:
            spec: tf.TypeSpec = tf.RaggedTensorSpec([None], tf.float32)
        else:
            spec = tf.TensorSpec([self._clip_samples], tf.float32)
        clips, error = tf.map_fn(
            lambda row: self._condition(*read(row)),
            rows,
            fn_output_signature=(spec, tf.TensorSpec([], tf.string)),
        )
        if self._clip_samples is None:
            return Clips(clips.to_tensor(), tf.cast(clips.row_lengths(), tf.int32), error)
        return Clips(clips, tf.fill(tf.shape(error), self._clip_samples), error)

    def _condition_clip(self, waveform: tf.Tensor, error: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One raw clip as ingest stores it, float32 [samples], or silence and the reason."""
        error = tf.where(tf.equal(error, ""), _find_error(waveform, self._audio), error)
        silence = tf.zeros([self._clip_samples or 1])
        clip, error = tf.cond(
            tf.equal(error, ""), lambda: self._steps(waveform), lambda: (silence, error)
        )
        return clip, error

    def _steps(self, waveform: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        audio, rate = self._audio, self._audio.sample_rate
        if audio.denoise:
            waveform = denoise(waveform, rate)
        if audio.trim:
            waveform = trim(waveform, rate)
        if audio.normalize != "none":
            waveform = normalize(waveform, audio.normalize)
        if self._clip_samples is not None:
            waveform = fit_length(waveform, self._clip_samples)
        return round_to_pcm16(waveform), tf.constant("")


def _as_double(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(values, tf.float64)


def _amplitude(level_db: float) -> float:
    return float(10.0 ** (level_db / 20.0))


def _find_error(waveform: tf.Tensor, audio: Audio) -> tf.Tensor:
    """Why ingest would refuse float32 [samples], or "": a string."""
    samples = tf.size(waveform)
    is_finite = tf.reduce_all(tf.abs(waveform) <= MAX_MAGNITUDE)  # false of NaN
    swing = _as_double(tf.reduce_max(waveform)) - _as_double(tf.reduce_min(waveform))
    reasons = {
        "empty": samples == 0,
        "too_long": samples > round(MAX_DURATION_S * audio.sample_rate),
        "non_finite": tf.logical_not(is_finite),
        "silent": swing / 2 < _amplitude(condition.SILENT_PEAK_DB),
        "too_short": _as_double(samples) < audio.min_s * audio.sample_rate,
    }
    error = tf.constant("")
    for reason, holds in reversed(reasons.items()):
        error = tf.where(holds, reason, error)
    return error


def denoise(waveform: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """As `components.audio.condition.denoise`: float32 [samples] of the same."""
    half_frame = ms_to_samples(condition.DENOISE_FRAME_MS / 2, sample_rate)
    segment_samples = condition.DENOISE_SEGMENT_S * sample_rate
    segments = tf.cast(tf.round(_as_double(tf.size(waveform)) / segment_samples), tf.int32)
    return tf.cond(
        segments <= 1,
        lambda: _gate(waveform, half_frame),
        lambda: _gate_segments(waveform, segments, half_frame),
    )


def _gate_segments(waveform: tf.Tensor, segments: tf.Tensor, step: int) -> tf.Tensor:
    """Each of a number of segments, as long as one another, is gated by its own noise."""
    shorter, longer = tf.size(waveform) // segments, tf.size(waveform) % segments

    def gate(number: tf.Tensor) -> tf.Tensor:
        start = number * shorter + tf.minimum(number, longer)
        end = start + shorter + tf.cast(number < longer, tf.int32)
        return _gate(waveform[start:end], step)

    spec = tf.RaggedTensorSpec([None], tf.float32)
    return tf.map_fn(gate, tf.range(segments), fn_output_signature=spec).values


def _gate(waveform: tf.Tensor, step: int) -> tf.Tensor:
    samples = tf.size(waveform)
    num_frames = -(-samples // step) + 1
    return tf.cond(
        num_frames < condition.FEWEST_FRAMES,
        lambda: waveform,
        lambda: _gate_frames(waveform, samples, num_frames, step),
    )


def _gate_frames(
    waveform: tf.Tensor, samples: tf.Tensor, num_frames: tf.Tensor, step: int
) -> tf.Tensor:
    window = np.sin(np.pi * (np.arange(2 * step) + 0.5) / (2 * step)).astype(np.float32)
    padded = tf.pad(waveform, [[step, num_frames * step - samples]], "REFLECT")
    halves = tf.reshape(padded, [num_frames + 1, step])
    frames = tf.concat([halves[:-1], halves[1:]], axis=1)
    spectrum = tf.signal.rfft(_as_double(frames * window))
    real, imaginary = tf.math.real(spectrum), tf.math.imag(spectrum)
    gains = _gains(tf.square(real) + tf.square(imaginary))
    frames = tf.signal.irfft(tf.complex(real * gains, imaginary * gains), [2 * step])
    frames *= window.astype(np.float64)
    gated = tf.reshape(frames[:-1, step:] + frames[1:, :step], [-1])[:samples]
    return tf.cast(gated, tf.float32)


def _gains(power: tf.Tensor) -> tf.Tensor:
    """As in `components.audio.condition`: float64 [frames, bins] of the same."""
    share = condition.NOISE_QUANTILE
    noise = _quantile(power, share) / -np.log(1.0 - share)
    tiny = float(np.finfo(np.float32).tiny)
    excess = 1.0 - condition.NOISE_MARGIN * noise / tf.maximum(power, tiny)
    gains = tf.sqrt(tf.clip_by_value(excess, condition.LOWEST_GAIN**2, 1.0))
    return tf.transpose(_smooth(tf.transpose(_smooth(gains))))


def _quantile(values: tf.Tensor, share: float) -> tf.Tensor:
    """Of each column of float64 [rows, columns], between two values in proportion, as numpy's."""
    ranked = tf.sort(tf.transpose(values))
    place = share * _as_double(tf.shape(ranked)[1] - 1)
    below = tf.cast(tf.floor(place), tf.int32)
    low, high = ranked[:, below], ranked[:, tf.minimum(below + 1, tf.shape(ranked)[1] - 1)]
    return low + (high - low) * (place - tf.floor(place))


def _smooth(gains: tf.Tensor) -> tf.Tensor:
    padded = tf.pad(gains, [[1, 1], [0, 0]], "SYMMETRIC")
    return (padded[1:-1] + padded[:-2] + padded[2:]) / 3.0


def trim(waveform: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """As `components.audio.condition.trim`: float32 [kept] of float32 [samples]."""
    step = ms_to_samples(FRAME_MS, sample_rate)
    hangover = ms_to_samples(condition.HANGOVER_MS, sample_rate)
    active = tf.where(is_active(frame_levels_db(waveform, step)))[:, 0]
    start = tf.maximum(active[0] * step - hangover, 0)
    return waveform[start : (active[-1] + 1) * step + hangover]


def frame_levels_db(waveform: tf.Tensor, step: int) -> tf.Tensor:
    """As `components.audio.measure.frame_levels_db`: float64 [frames] of float32 [samples]."""
    mean = tf.reduce_mean(_as_double(waveform))
    power = tf.square(_as_double(waveform - tf.cast(mean, tf.float32)))
    missing = tf.math.floormod(-tf.size(power), step)
    sums = tf.reduce_sum(tf.reshape(tf.pad(power, [[0, missing]]), [-1, step]), axis=1)
    last = sums[-1:] * (step / _as_double(step - missing))
    power = tf.concat([sums[:-1], last], axis=0) / step
    floor = tf.constant(10.0 ** (FLOOR_DB / 10.0), tf.float64)
    return tf.math.log(tf.maximum(power, floor)) * (10.0 / np.log(10.0))


def is_active(frames_db: tf.Tensor) -> tf.Tensor:
    """As `components.audio.measure.is_active`: bool [frames] of float64 [frames]."""
    ranked_db, frames = tf.sort(frames_db), tf.size(frames_db)
    loud_db = ranked_db[frames - tf.minimum(LOUD_FRAMES, frames)]
    threshold_db = ranked_db[frames // 10] + ABOVE_QUIET_DB
    threshold_db = tf.maximum(threshold_db, loud_db - BELOW_LOUD_DB[1])
    threshold_db = tf.minimum(threshold_db, loud_db - BELOW_LOUD_DB[0])
    active = frames_db >= tf.maximum(threshold_db, FLOOR_DB + 1.0)
    return tf.concat([active[:1] | tf.logical_not(tf.reduce_any(active)), active[1:]], axis=0)


def normalize(waveform: tf.Tensor, level: str) -> tf.Tensor:
    """As `components.audio.condition.normalize` for `rms` and `peak`: float32 [samples]."""
    peak = _as_double(tf.reduce_max(tf.abs(waveform)))
    gain = tf.math.divide_no_nan(
        tf.constant(_amplitude(condition.TARGET_PEAK_DB), tf.float64), peak
    )
    if level == "rms":
        rms = tf.sqrt(tf.reduce_mean(tf.square(_as_double(waveform))))
        target = tf.constant(_amplitude(condition.TARGET_RMS_DB), tf.float64)
        gain = tf.minimum(gain, tf.math.divide_no_nan(target, rms))
    return waveform * tf.cast(gain, tf.float32)


def fit_length(waveform: tf.Tensor, num_samples: int) -> tf.Tensor:
    """As `components.audio.condition.fit_length`: float32 [num_samples] of float32 [samples]."""
    samples = tf.size(waveform)
    fitted = tf.cond(
        samples <= num_samples,
        lambda: _pad(waveform, num_samples - samples),
        lambda: _loudest_window(waveform, num_samples),
    )
    return tf.ensure_shape(fitted, [num_samples])


def _pad(waveform: tf.Tensor, missing: tf.Tensor) -> tf.Tensor:
    return tf.pad(waveform, [[missing // 2, missing - missing // 2]])


def _loudest_window(waveform: tf.Tensor, num_samples: int) -> tf.Tensor:
    energy = tf.cumsum(tf.square(_as_double(waveform)))
    before = tf.concat([tf.zeros([1], tf.float64), energy[:-num_samples]], axis=0)
    windows = energy[num_samples - 1 :] - before
    # TensorFlow does not promise that its argmax is the first of equals.
    start = tf.where(tf.equal(windows, tf.reduce_max(windows)))[0, 0]
    return waveform[start : start + num_samples]


def round_to_pcm16(waveform: tf.Tensor) -> tf.Tensor:
    """float32 [samples] as it is after 16 bits: rounded half to even, clipped at full scale."""
    scaled = tf.round(waveform * FULL_SCALE)
    return to_waveform(tf.clip_by_value(scaled, -FULL_SCALE, FULL_SCALE - 1))
