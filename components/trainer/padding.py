"""Stored 16-bit PCM of clips of many lengths, as one padded batch and the length of each."""

import tensorflow as tf

from components.audio.pcm16 import FULL_SCALE


def decode_ragged(audio: tf.Tensor) -> tf.RaggedTensor:
    """PCM int16 [batch, samples of each], of little-endian bytes string [batch]."""
    sizes = tf.strings.length(audio)
    longest = tf.reduce_max(tf.concat([[2], sizes], axis=0))  # of no clips too
    padded = tf.io.decode_raw(audio, tf.int16, little_endian=True, fixed_length=longest)
    return tf.RaggedTensor.from_tensor(padded, tf.cast(sizes // 2, tf.int64))


def pad_waveforms(
    pcm: tf.RaggedTensor, longest: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """waveform float32 [batch, samples of the longest] in [-1, 1], zero beyond lengths int32.

    `longest` says how many samples that are where the batch has rows that are not here.
    """
    shape = None if longest is None else tf.stack([pcm.nrows(), longest])
    padded = pcm.to_tensor(shape=shape)
    return to_waveform(padded), tf.cast(pcm.row_lengths(), tf.int32)


def to_waveform(pcm: tf.Tensor) -> tf.Tensor:
    """float32 in [-1, 1) of PCM int16, in the same shape."""
    return tf.cast(pcm, tf.float32) / FULL_SCALE
