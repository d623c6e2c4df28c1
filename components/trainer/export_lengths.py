"""Writes a trained model that takes clips of any length as a SavedModel of the same kind.

Beside the signatures of `components.trainer.export` it has `serving_lengths`, which takes a padded
batch of waveforms and the length of each. Where a client gives no lengths, a waveform is the whole
clip: nothing is cropped, and nothing is padded that the answer could depend on.
"""

import functools

import keras
import tensorflow as tf

from components.models import split_model
from components.models.masking import keep_steps
from components.tasks import feeding
from components.trainer.export import check_waveform, decode_wav, write_served
from components.trainer.padding import decode_ragged, pad_waveforms
from schemas.reports.model_card import ModelCard

_WAVEFORM = tf.TensorSpec([None, None], tf.float32, name="waveform")
_LENGTHS = tf.TensorSpec([None], tf.int32, name="lengths")


class ServedLengths(tf.Module):
    """Answers waveforms of any length, over a Keras model that takes lengths.

    `features`: waveform float32 [batch, samples] and lengths int32 [batch] -> features float32
    [batch, frames, bins] and how many frames are each clip's own, int32 [batch].
    `scores_of_features`: these two -> what the task makes of the head's outputs, float32 [batch,
    outputs].
    """

    def __init__(self, model: keras.Model, card: ModelCard) -> None:
        super().__init__(name="auricle")
        self._model_variables = model.variables  # tracked, so that they are saved
        serving = feeding.serving(card.task)
        frontend, head = split_model(model)
        features, num_frames = head.input_shape
        # Behind functions, since no Keras object is to become part of the SavedModel.
        self.features = tf.function(
            lambda waveform, lengths: tuple(frontend([waveform, lengths], training=False)),
            input_signature=[_WAVEFORM, _LENGTHS],
            autograph=False,
        )
        self.scores_of_features = tf.function(
            lambda features, num_frames: serving.activate(
                head([features, num_frames], training=False)
            ),
            input_signature=[
                tf.TensorSpec(features, tf.float32, name="features"),
                tf.TensorSpec(num_frames, tf.int32, name="num_frames"),
            ],
            autograph=False,
        )
        self._respond = functools.partial(serving.respond, labels=card.labels)
        self._sample_rate = card.audio.sample_rate

    @tf.function(input_signature=[_WAVEFORM], autograph=False)
    def serving_default(self, waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        """float32 [batch, samples] in [-1, 1] at the model's rate -> the task's outputs."""
        return self._answer(waveform, tf.fill(tf.shape(waveform)[:1], tf.shape(waveform)[1]))

    @tf.function(input_signature=[_WAVEFORM, _LENGTHS], autograph=False)
    def serving_lengths(self, waveform: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        """The same of a padded batch: only the first `lengths` samples of each clip count."""
        samples = tf.shape(waveform)[1]
        in_range = tf.reduce_all((lengths >= 1) & (lengths <= samples))
        message = "lengths must be from 1 to the samples of the waveform; these are"
        check = tf.debugging.Assert(in_range, [message, lengths, samples], summarize=10)
        with tf.control_dependencies([check]):
            return self._answer(waveform, tf.identity(lengths))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="audio")], autograph=False)
    def serving_wav(self, audio: tf.Tensor) -> dict[str, tf.Tensor]:
        """string [batch], 16-bit PCM WAV files at the model's rate -> the task's outputs."""
        clips = tf.map_fn(
            lambda file: decode_wav(file, self._sample_rate),
            audio,
            fn_output_signature=tf.RaggedTensorSpec([None], tf.float32),
        )
        return self._answer(clips.to_tensor(), tf.cast(clips.row_lengths(), tf.int32))

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False
    )
    def serving_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """string [batch], serialized tf.Examples of ingest -> the task's outputs."""
        audio = tf.io.parse_example(examples, {"audio": tf.io.FixedLenFeature([], tf.string)})
        return self._answer(*pad_waveforms(decode_ragged(audio["audio"])))

    def signatures(self) -> dict[str, object]:
        """What the SavedModel can be asked, by name."""
        return {
            "serving_default": self.serving_default,
            "serving_lengths": self.serving_lengths,
            "serving_wav": self.serving_wav,
            "serving_examples": self.serving_examples,
        }

    def _answer(self, waveform: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        clips = check_waveform(keep_steps(waveform, lengths), self._sample_rate)
        return self._respond(self.scores_of_features(*self.features(clips, lengths)))


def export_model_of_lengths(model: keras.Model, card: ModelCard, directory: str) -> None:
    """Writes `model` (waveform, lengths -> outputs) with its card to `directory`."""
    write_served(ServedLengths(model, card), card, directory)
