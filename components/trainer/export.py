"""Writes a trained model as a SavedModel that takes raw audio and needs nothing of ours to load.

Three signatures lead into the same graph: `serving_default` takes waveforms, `serving_wav` WAV
files, `serving_examples` the tf.Examples of ingest. The two functions that the graph consists of,
`features` and `scores_of_features`, can be called too, and differentiated, so that an answer can be
explained. Only built-in TensorFlow ops are used. A model that takes lengths is exported by
`components.trainer.export_lengths`.
"""

import functools
from pathlib import Path

import keras
import tensorflow as tf

from components.audio.limits import MAX_DURATION_S
from components.models import split_model
from components.storage.location import location_of
from components.tasks import feeding
from components.trainer.padding import to_waveform
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard


class ServedModel(tf.Module):
    """Answers waveforms of any length, over a Keras model of clips of one length.

    `features`: float32 [batch, clip_samples] -> what the frontend makes of it, float32 [batch,
    frames, bins]. `scores_of_features`: the same -> what the task makes of the head's outputs,
    float32 [batch, outputs].
    """

    def __init__(self, model: keras.Model, card: ModelCard) -> None:
        super().__init__(name="auricle")
        self._model_variables = model.variables  # tracked, so that they are saved
        serving = feeding.serving(card.task)
        frontend, head = split_model(model)
        audio = card.audio
        clip_samples = round(audio.clip_s * audio.sample_rate)
        # Behind functions, since no Keras object is to become part of the SavedModel.
        self.features = tf.function(
            lambda waveform: frontend(waveform, training=False),
            input_signature=[tf.TensorSpec([None, clip_samples], tf.float32, name="waveform")],
            autograph=False,
        )
        self.scores_of_features = tf.function(
            lambda features: serving.activate(head(features, training=False)),
            input_signature=[tf.TensorSpec(head.input_shape, tf.float32, name="features")],
            autograph=False,
        )
        self._respond = functools.partial(serving.respond, labels=card.labels)
        self._sample_rate = audio.sample_rate
        self._clip_samples = clip_samples

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.float32, name="waveform")], autograph=False
    )
    def serving_default(self, waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        """float32 [batch, samples] in [-1, 1] at the model's rate -> the task's outputs."""
        return self._answer(self._fit_length(waveform))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="audio")], autograph=False)
    def serving_wav(self, audio: tf.Tensor) -> dict[str, tf.Tensor]:
        """string [batch], 16-bit PCM WAV files at the model's rate -> the task's outputs."""
        clips = tf.map_fn(
            self._decode_wav,
            audio,
            fn_output_signature=tf.TensorSpec([self._clip_samples], tf.float32),
        )
        return self._answer(clips)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False
    )
    def serving_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """string [batch], serialized tf.Examples of ingest -> the task's outputs."""
        audio = tf.io.parse_example(examples, {"audio": tf.io.FixedLenFeature([], tf.string)})
        pcm = tf.io.decode_raw(audio["audio"], tf.int16, little_endian=True)
        waveform = to_waveform(pcm)
        return self._answer(tf.reshape(waveform, [-1, self._clip_samples]))

    def signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """What the SavedModel can be asked, by name."""
        return {
            "serving_default": self.serving_default,
            "serving_wav": self.serving_wav,
            "serving_examples": self.serving_examples,
        }

    def _answer(self, clips: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._respond(self.scores_of_features(self.features(clips)))

    def _decode_wav(self, audio: tf.Tensor) -> tf.Tensor:
        waveform = decode_wav(audio, self._sample_rate)
        return self._fit_length(waveform[tf.newaxis])[0]

    def _fit_length(self, waveform: tf.Tensor) -> tf.Tensor:
        """Pads both sides evenly, or keeps the window with the most energy, as ingest does.

        Refuses what is no audio: no samples, more than ten minutes of them, NaN or infinity.
        """
        waveform = check_waveform(waveform, self._sample_rate)
        length = self._clip_samples
        missing = tf.maximum(length - tf.shape(waveform)[1], 0)
        before = missing // 2
        padded = tf.pad(waveform, [[0, 0], [before, missing - before]])
        energy = tf.cumsum(tf.cast(padded, tf.float64) ** 2, axis=1)
        energy = tf.pad(energy, [[0, 0], [1, 0]])
        start = tf.argmax(energy[:, length:] - energy[:, :-length], axis=1)
        window = start[:, tf.newaxis] + tf.range(length, dtype=tf.int64)
        return tf.ensure_shape(tf.gather(padded, window, batch_dims=1), [None, length])


def decode_wav(audio: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """float32 [samples], the mean of the channels, of one WAV file at `sample_rate`."""
    channels, rate = tf.audio.decode_wav(audio)
    message = f"serving_wav takes WAV files at {sample_rate} Hz; this one's rate is"
    with tf.control_dependencies([tf.debugging.assert_equal(rate, sample_rate, message)]):
        return tf.reduce_mean(channels, axis=-1)


def check_waveform(waveform: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """`waveform` [batch, samples] as it is, if it is audio.

    Refuses no samples, more than ten minutes of them, NaN or infinity.
    """
    samples = tf.shape(waveform)[1]
    longest = round(MAX_DURATION_S * sample_rate)
    too_long = f"waveform has more than {longest} samples, {MAX_DURATION_S:g} s:"
    checks = [
        tf.debugging.Assert(samples > 0, ["waveform has no samples"]),
        tf.debugging.Assert(samples <= longest, [too_long, samples]),
        tf.debugging.Assert(
            tf.reduce_all(tf.math.is_finite(waveform)), ["waveform has NaN or infinity in it"]
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(waveform)


def export_model(model: keras.Model, card: ModelCard, directory: str) -> None:
    """Writes `model` (waveform [batch, clip_samples] -> outputs) with its card to `directory`."""
    write_served(ServedModel(model, card), card, directory)


def write_served(served: tf.Module, card: ModelCard, directory: str) -> None:
    """Writes a module with `signatures` as a SavedModel, its card inside it, to `directory`."""
    tf.saved_model.save(served, directory, signatures=served.signatures())
    card_path = Path(directory) / MODEL_CARD_FILE
    location_of(card_path).put(card.model_dump_json(indent=2).encode())
