"""Writes a trained model as a SavedModel that takes raw audio and needs nothing of ours to load.

Its signatures are those of `components.trainer.served_signatures`. The functions that its graph
consists of, `condition`, `features` and `scores_of_features`, can be called too, and the last two
differentiated, so that an answer can be explained. Only built-in TensorFlow ops are used. A model
that takes lengths is exported by `components.trainer.export_lengths`.
"""

import keras
import tensorflow as tf

from components.models import split_model
from components.storage.location import location_of
from components.tasks import feeding
from components.trainer.padding import to_waveform
from components.trainer.served_condition import Clips
from components.trainer.served_signatures import Signatures
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard


class ServedModel(Signatures):
    """Answers raw audio of any length, over a Keras model of clips of one length.

    `features`: float32 [batch, clip_samples] -> what the frontend makes of it, float32 [batch,
    frames, bins]. `scores_of_features`: the same -> what the task makes of the head's outputs,
    float32 [batch, outputs].
    """

    def __init__(self, model: keras.Model, card: ModelCard) -> None:
        super().__init__(card, keeps_length=False)
        self._model_variables = model.variables  # tracked, so that they are saved
        serving = feeding.serving(card.task)
        frontend, head = split_model(model)
        self._clip_samples = round(card.audio.clip_s * card.audio.sample_rate)
        # Behind functions, since no Keras object is to become part of the SavedModel.
        self.features = tf.function(
            lambda waveform: frontend(waveform, training=False),
            input_signature=[tf.TensorSpec([None, self._clip_samples], tf.float32, "waveform")],
            autograph=False,
        )
        self.scores_of_features = tf.function(
            lambda features: serving.activate(head(features, training=False)),
            input_signature=[tf.TensorSpec(head.input_shape, tf.float32, name="features")],
            autograph=False,
        )

    def activated(self, waveform: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        clips = tf.ensure_shape(waveform, [None, self._clip_samples])
        return self.scores_of_features(self.features(clips))

    def stored(self, examples: tf.Tensor) -> Clips:
        audio = tf.io.parse_example(examples, {"audio": tf.io.FixedLenFeature([], tf.string)})
        pcm = tf.io.decode_raw(audio["audio"], tf.int16, little_endian=True)
        waveform = tf.reshape(to_waveform(pcm), [-1, self._clip_samples])
        batch = tf.shape(examples)
        return Clips(waveform, tf.fill(batch, self._clip_samples), tf.fill(batch, ""))


def export_model(model: keras.Model, card: ModelCard, directory: str) -> None:
    """Writes `model` (waveform [batch, clip_samples] -> outputs) with its card to `directory`."""
    write_served(ServedModel(model, card), card, directory)


def write_served(served: Signatures, card: ModelCard, directory: str) -> None:
    """Writes `served` as a SavedModel, its card inside it, to `directory`."""
    tf.saved_model.save(served, directory, signatures=served.signatures())
    card = card.model_copy(update={"conditions": True})
    (location_of(directory) / MODEL_CARD_FILE).put(card.model_dump_json(indent=2).encode())
