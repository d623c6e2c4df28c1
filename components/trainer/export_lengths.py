"""Writes a trained model that takes clips of any length as a SavedModel of the same kind.

Its signatures are those of `components.trainer.export`. A clip is trimmed and levelled as ingest
does it, but nothing is cropped, and nothing is padded that the answer could depend on.
"""

import keras
import tensorflow as tf

from components.models import split_model
from components.tasks import feeding
from components.trainer.export import write_served
from components.trainer.padding import decode_ragged, pad_waveforms
from components.trainer.served_condition import Clips
from components.trainer.served_signatures import LENGTHS, WAVEFORM, Signatures
from schemas.reports.model_card import ModelCard


class ServedLengths(Signatures):
    """Answers raw audio of any length, over a Keras model that takes lengths.

    `features`: waveform float32 [batch, samples] and lengths int32 [batch] -> features float32
    [batch, frames, bins] and how many frames are each clip's own, int32 [batch].
    `scores_of_features`: these two -> what the task makes of the head's outputs, float32 [batch,
    outputs].
    """

    def __init__(self, model: keras.Model, card: ModelCard) -> None:
        super().__init__(card, keeps_length=True)
        self._model_variables = model.variables  # tracked, so that they are saved
        serving = feeding.serving(card.task)
        frontend, head = split_model(model)
        features, num_frames = head.input_shape
        # Behind functions, since no Keras object is to become part of the SavedModel.
        self.features = tf.function(
            lambda waveform, lengths: tuple(frontend([waveform, lengths], training=False)),
            input_signature=[WAVEFORM, LENGTHS],
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

    def activated(self, waveform: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        return self.scores_of_features(*self.features(waveform, lengths))

    def stored(self, examples: tf.Tensor) -> Clips:
        audio = tf.io.parse_example(examples, {"audio": tf.io.FixedLenFeature([], tf.string)})
        waveform, lengths = pad_waveforms(decode_ragged(audio["audio"]))
        return Clips(waveform, lengths, tf.fill(tf.shape(examples), ""))


def export_model_of_lengths(model: keras.Model, card: ModelCard, directory: str) -> None:
    """Writes `model` (waveform, lengths -> outputs) with its card to `directory`."""
    write_served(ServedLengths(model, card), card, directory)
