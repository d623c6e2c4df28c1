"""WAV files in TensorFlow operations: a part of every exported model.

Takes what recorders, browsers and `ffmpeg -f wav -` write: PCM of 8 to 32 bits and floats, plain or
in WAVE_FORMAT_EXTENSIBLE, of any number of channels, also where the sizes in the header were never
filled in. A file that cannot be read gets a reason of its own and does not disturb the files beside
it. Companded, big-endian and 64-bit files are left to `auricle predict`.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from components.audio.channels import CANCELLED_POWER, EQUAL_POWER, QUIET_POWER
from components.audio.limits import MAX_DURATION_S, SOURCE_RATES_HZ
from components.audio.sizes import ANY_SIZE
from components.trainer.served_resample import resample

_FORMAT, _DATA = (int.from_bytes(name, "little") for name in (b"fmt ", b"data"))
_RIFF, _WAVE = (int.from_bytes(name, "little") for name in (b"RIFF", b"WAVE"))
_EXTENSIBLE = 0xFFFE
_PCM, _FLOAT = 1, 3
_FIRST_CHUNK = 12  # where it begins
_CHUNK_HEAD = 8  # its name and size
_MOST_CHUNKS = 1000


class _Format(NamedTuple):
    """What a format chunk says; `codec` is a place in `_CODECS`, int32, or -1, the rest int64."""

    codec: tf.Tensor
    channels: tf.Tensor
    rate_hz: tf.Tensor
    frame_bytes: tf.Tensor


# By a sample's kind and bytes, what makes float32 [samples], full scale 1, of uint8 [bytes].
_CODECS: dict[tuple[int, int], Callable[[tf.Tensor], tf.Tensor]] = {
    (_PCM, 1): lambda content: (tf.cast(content, tf.float32) - 128.0) / 128.0,
    (_PCM, 2): lambda content: _read_numbers(content, tf.int16, 2),
    (_PCM, 3): lambda content: _read_numbers(content, tf.int32, 3),
    (_PCM, 4): lambda content: _read_numbers(content, tf.int32, 4),
    (_FLOAT, 4): lambda content: _read_numbers(content, tf.float32, 4),
    (_FLOAT, 8): lambda content: _read_numbers(content, tf.float64, 8),
}


def _read_numbers(content: tf.Tensor, dtype: tf.DType, sample_bytes: int) -> tf.Tensor:
    """Of `sample_bytes` each; an integer that lacks bytes gets zeros below."""
    numbers = tf.reshape(content, [-1, sample_bytes])
    numbers = tf.bitcast(tf.pad(numbers, [[0, 0], [dtype.size - sample_bytes, 0]]), dtype)
    full_scale = -float(dtype.min) if dtype.is_integer else 1.0
    return tf.cast(numbers, tf.float32) / full_scale


def decode_wav(
    audio: tf.Tensor, sample_rate: int, keeps_truncated: bool = False
) -> tuple[tf.Tensor, tf.Tensor]:
    """One WAV file, string, as float32 [samples], its channels mixed down, at `sample_rate` Hz.

    Beside it "", or why there are no samples: `empty`, `unreadable` (no format or no data in it),
    `unsupported` (no WAV file, a codec or a rate that is not taken), `too_long`, `truncated` (less
    is there than its header says, unless `keeps_truncated`).
    """
    data = tf.io.decode_raw(audio, tf.uint8)
    size = tf.cast(tf.size(data), tf.int64)
    at_format, at_data = _find_chunks(data, size)
    format_ = _read_format(data, at_format)
    there, promised = _content_bytes(data, size, at_data)
    frames = there // tf.maximum(format_.frame_bytes, 1)
    error = _find_error(data, at_format, at_data, format_, frames)
    is_cut = tf.equal(error, "") & (there + format_.frame_bytes < promised)
    error = tf.where(is_cut & (not keeps_truncated), "truncated", error)
    content = data[at_data : at_data + frames * format_.frame_bytes]
    waveform = tf.cond(
        tf.equal(error, ""),
        lambda: _decode(content, format_, sample_rate),
        lambda: tf.zeros([0]),
    )
    return waveform, error


def _find_error(
    data: tf.Tensor, at_format: tf.Tensor, at_data: tf.Tensor, format_: _Format, frames: tf.Tensor
) -> tf.Tensor:
    is_wav = tf.equal(_number(data, 0, 4), _RIFF) & tf.equal(_number(data, 8, 4), _WAVE)
    lowest_hz, highest_hz = SOURCE_RATES_HZ
    has_rate = (format_.rate_hz >= lowest_hz) & (format_.rate_hz <= highest_hz)
    reasons = (
        ("empty", tf.equal(tf.size(data), 0)),
        ("unsupported", tf.logical_not(is_wav)),
        ("unreadable", (at_format < 0) | (at_data < 0) | (format_.frame_bytes < 1)),
        ("unsupported", (format_.codec < 0) | tf.logical_not(has_rate)),
        ("too_long", frames > format_.rate_hz * round(MAX_DURATION_S)),
    )
    error = tf.constant("")
    for reason, holds in reversed(reasons):
        error = tf.where(holds, reason, error)
    return error


def _find_chunks(data: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the contents of the format and of the data begin, int64, or -1: not there."""

    def goes_on(at: tf.Tensor, _: tf.Tensor, chunks: tf.Tensor) -> tf.Tensor:
        is_data = tf.equal(_number(data, at, 4), _DATA)
        return (at + _CHUNK_HEAD <= size) & tf.logical_not(is_data) & (chunks < _MOST_CHUNKS)

    def next_chunk(at: tf.Tensor, at_format: tf.Tensor, chunks: tf.Tensor) -> tuple[tf.Tensor, ...]:
        is_format = tf.equal(_number(data, at, 4), _FORMAT) & (at_format < 0)
        length = _number(data, at + 4, 4)
        at_format = tf.where(is_format, at + _CHUNK_HEAD, at_format)
        return at + _CHUNK_HEAD + length + length % 2, at_format, chunks + 1

    first = tf.constant(_FIRST_CHUNK, tf.int64)
    missing = tf.constant(-1, tf.int64)
    at, at_format, chunks = tf.while_loop(
        goes_on, next_chunk, (first, missing, tf.constant(0)), parallel_iterations=1
    )
    is_there = (at + _CHUNK_HEAD <= size) & (chunks < _MOST_CHUNKS)
    return at_format, tf.where(is_there, at + _CHUNK_HEAD, missing)


def _content_bytes(
    data: tf.Tensor, size: tf.Tensor, at_data: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """How many bytes of sound are there, and are promised, as `components.audio.sizes` has it."""
    stated, there = _number(data, at_data - 4, 4), size - at_data
    is_unknown = tf.equal(stated, 0) | ((stated >= ANY_SIZE) & (stated > size))
    is_unknown |= tf.equal(stated, size) | tf.equal(stated, size - 8)
    stated = tf.where(is_unknown, there, stated)
    return tf.minimum(stated, there), stated


def _read_format(data: tf.Tensor, at: tf.Tensor) -> _Format:
    tag, bits = _number(data, at, 2), _number(data, at + 14, 2)
    # Of the extensible format the codec is named by a GUID that begins with the plain one's tag.
    tag = tf.where(tf.equal(tag, _EXTENSIBLE), _number(data, at + 24, 2), tag)
    channels, frame_bytes = _number(data, at + 2, 2), _number(data, at + 12, 2)
    codec = tf.constant(-1)
    for place, (kind, sample_bytes) in enumerate(_CODECS):
        fits = tf.equal(tag, kind) & tf.equal((bits + 7) // 8, sample_bytes)
        codec = tf.where(fits & tf.equal(frame_bytes, channels * sample_bytes), place, codec)
    return _Format(codec, channels, _number(data, at + 4, 4), frame_bytes)


def _number(data: tf.Tensor, at: tf.Tensor | int, size: int) -> tf.Tensor:
    """The little-endian number in `size` bytes at `at`, int64; what is not there counts as 0."""
    read = tf.cast(data[tf.maximum(tf.cast(at, tf.int64), 0) :][:size], tf.int64)
    read = tf.pad(read, [[0, size - tf.size(read)]])
    return tf.reduce_sum(read * tf.constant([256**place for place in range(size)], tf.int64))


def _mix_down(frames: tf.Tensor) -> tf.Tensor:
    """float32 [frames] of [frames, channels], as `components.audio.channels` chooses them."""
    changes = frames - frames[:1]
    count = tf.cast(tf.shape(frames)[0], tf.float64)
    mean = tf.cast(tf.reduce_sum(changes, axis=0), tf.float64) / count
    products = tf.cast(tf.matmul(changes, changes, transpose_a=True), tf.float64)
    power = products / count - mean[:, None] * mean[None, :]
    own = tf.linalg.diag_part(power)
    loudest = tf.reduce_max(own)
    is_kept = (own >= QUIET_POWER * loudest) | ~tf.reduce_all(tf.math.is_finite(own))
    weights = tf.cast(is_kept, tf.float64)
    kept = tf.reduce_sum(weights)
    mixed = tf.linalg.matvec(power, weights)
    mixed = tf.reduce_sum(mixed * weights) / kept**2
    unrelated = tf.reduce_sum(own * weights) / kept**2
    is_cancelled = (kept > 1) & (mixed < CANCELLED_POWER * unrelated)
    first = tf.argmax(tf.cast(own >= EQUAL_POWER * loudest, tf.int32))
    alone = tf.one_hot(first, tf.size(own), dtype=tf.float64)
    weights = tf.cast(tf.where(is_cancelled, alone, weights), tf.float32)
    return tf.reduce_sum(frames * weights, axis=1) / tf.reduce_sum(weights)


def _decode(content: tf.Tensor, format_: _Format, sample_rate: int) -> tf.Tensor:
    codecs = [functools.partial(codec, content) for codec in _CODECS.values()]
    samples = tf.switch_case(format_.codec, codecs)
    frames = tf.reshape(samples, [-1, format_.channels])
    is_mono = tf.equal(format_.channels, 1) | tf.equal(tf.size(frames), 0)
    mono = tf.cond(is_mono, lambda: tf.reshape(frames, [-1]), lambda: _mix_down(frames))
    rate_hz = tf.cast(format_.rate_hz, tf.int32)
    return tf.cond(
        tf.equal(rate_hz, sample_rate) | tf.equal(tf.size(mono), 0),
        lambda: mono,
        lambda: resample(mono, rate_hz, sample_rate),
    )
