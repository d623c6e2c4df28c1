"""What an exported model can be asked, whatever clips its Keras model takes.

`serving_default` takes waveforms, `serving_lengths` a padded batch of them and the length of each,
`serving_wav` WAV files: raw audio, which is conditioned as ingest does it. `serving_examples` takes
the tf.Examples of ingest. Each answers every row for itself: where there is no answer, `error` says
why, and the other outputs are empty strings and zeros.
"""

import functools

import tensorflow as tf

from components.tasks import feeding
from components.trainer.served_condition import Clips, Conditioner
from components.trainer.served_wav import decode_wav
from schemas.reports.model_card import ModelCard

WAVEFORM = tf.TensorSpec([None, None], tf.float32, name="waveform")
LENGTHS = tf.TensorSpec([None], tf.int32, name="lengths")

Outputs = dict[str, tf.Tensor]


class Signatures(tf.Module):
    """Raw audio in; what the task answers, and `error` string [batch], out.

    `condition` can be called too: waveform float32 [batch, samples], lengths int32 [batch] ->
    `Clips`.
    """

    def __init__(self, card: ModelCard, keeps_length: bool) -> None:
        super().__init__(name="auricle")
        self._respond = functools.partial(feeding.serving(card.task).respond, labels=card.labels)
        self._audio = card.audio
        self._conditioner = Conditioner(card.audio, keeps_length)
        self.condition = tf.function(
            self._conditioner.waveforms, input_signature=[WAVEFORM, LENGTHS], autograph=False
        )

    def stored(self, examples: tf.Tensor) -> Clips:
        """The clips of serialized tf.Examples of ingest."""
        raise NotImplementedError

    def activated(self, waveform: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """What the task makes of the head's outputs for conditioned clips: [batch, outputs]."""
        raise NotImplementedError

    @tf.function(input_signature=[WAVEFORM], autograph=False)
    def serving_default(self, waveform: tf.Tensor) -> Outputs:
        """float32 [batch, samples] in [-1, 1] at the model's rate -> the task's outputs."""
        batch, samples = tf.unstack(tf.shape(waveform))
        return self._answer(self.condition(waveform, tf.fill([batch], samples)))

    @tf.function(input_signature=[WAVEFORM, LENGTHS], autograph=False)
    def serving_lengths(self, waveform: tf.Tensor, lengths: tf.Tensor) -> Outputs:
        """The same of a padded batch: only the first `lengths` samples of each row count."""
        return self._answer(self.condition(waveform, lengths))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="audio")], autograph=False)
    def serving_wav(self, audio: tf.Tensor) -> Outputs:
        """string [batch], WAV files of any rate -> the task's outputs."""
        decode = functools.partial(
            decode_wav,
            sample_rate=self._audio.sample_rate,
            keeps_truncated=self._audio.truncated == "keep",
        )
        return self._answer(self._conditioner.each(audio, decode))

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False
    )
    def serving_examples(self, examples: tf.Tensor) -> Outputs:
        """string [batch], serialized tf.Examples of ingest -> the task's outputs."""
        return self._answer(self.stored(examples))

    def signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """What the SavedModel can be asked, by name."""
        return {
            "serving_default": self.serving_default,
            "serving_lengths": self.serving_lengths,
            "serving_wav": self.serving_wav,
            "serving_examples": self.serving_examples,
        }

    def _answer(self, clips: Clips) -> Outputs:
        batch = tf.shape(clips.error)[0]
        # No model is asked with an empty batch, which not every layer takes: with a clip of silence
        # instead, whose answer is dropped.
        more = tf.cast(tf.equal(batch, 0), tf.int32)
        no_sample = tf.cast(tf.equal(tf.shape(clips.waveform)[1], 0), tf.int32)
        outputs = self._respond(
            self.activated(
                tf.pad(clips.waveform, [[0, more], [0, no_sample]]),
                tf.pad(clips.lengths, [[0, more]], constant_values=1),
            )
        )
        is_answered = tf.equal(clips.error, "")
        return {
            **{name: _keep(values[:batch], is_answered) for name, values in outputs.items()},
            "error": clips.error,
        }


def _keep(values: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """`values` [batch, ...] with zeros or empty strings where `rows`, bool [batch], is false."""
    rows = tf.reshape(rows, [-1, *[1] * (values.shape.rank - 1)])
    return tf.where(rows, values, tf.zeros_like(values))
