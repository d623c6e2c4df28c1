"""Frontends: layers that turn a waveform into features, inside the model.

One implementation serves training, evaluation and serving. All of them compute in float32, also
under a mixed precision policy: half precision cannot hold a power spectrum. The frame count is
`components.audio.mel.num_frames`.

A layer called with lengths [batch] besides treats every clip as if it were alone in its batch and
ended there: see `components.models.masking`.
"""

import keras
from keras import KerasTensor, ops

from components.audio import mel
from components.models.masking import keep_steps

_DYNAMIC_RANGE = 1e-6  # 60 dB below the loudest bin of the clip
_ACTIVE_RANGE = 8.0  # in nepers of power, 35 dB: frames this far below the loudest are pauses
_LOWEST_DEVIATION = -3.0  # what pauses and padding become
_BIN_MEAN_SHARE = 0.5  # all of it would take the vowel out of a word of one vowel
_SMALLEST_POWER = 1e-20  # keeps log and division finite for a clip of zeros
_SMALLEST_VARIANCE = 1e-4  # less is rounding, not speech


@keras.saving.register_keras_serializable("auricle")
class LogMel(keras.layers.Layer):
    """Log-mel energies: float32 [batch, samples] -> float32 [batch, frames, num_mel_bins].

    Natural logarithm of the mel-weighted power spectrum of Hann-windowed frames, as in `tf.signal`.
    Energies more than 60 dB below the loudest of the clip are raised to that floor, so a gain
    changes the features by a constant only. Frame length and step are in samples. Frames beyond
    `num_frames` int32 [batch], where given, are not looked at, and hold that floor.
    """

    def __init__(
        self,
        sample_rate: int,
        frame_length: int,
        frame_step: int,
        num_mel_bins: int,
        lower_edge_hertz: float,
        upper_edge_hertz: float | None,
        **kwargs: object,
    ) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.sample_rate = sample_rate
        self.frame_length = frame_length
        self.frame_step = frame_step
        self.num_mel_bins = num_mel_bins
        self.lower_edge_hertz = lower_edge_hertz
        self.upper_edge_hertz = upper_edge_hertz
        self._fft_length = mel.fft_length(frame_length)
        self._window = mel.hann_window(frame_length)
        self._weights = mel.mel_weight_matrix(
            num_mel_bins,
            self._fft_length // 2 + 1,
            sample_rate,
            lower_edge_hertz,
            sample_rate / 2 if upper_edge_hertz is None else upper_edge_hertz,
        )

    def call(self, waveform: KerasTensor, num_frames: KerasTensor | None = None) -> KerasTensor:
        frames = ops.extract_sequences(waveform, self.frame_length, self.frame_step)
        real, imaginary = ops.rfft(frames * self._window, self._fft_length)
        energies = ops.matmul(ops.square(real) + ops.square(imaginary), self._weights)
        if num_frames is not None:
            energies = keep_steps(energies, num_frames)
        loudest = ops.max(energies, axis=(1, 2), keepdims=True)
        floor = ops.maximum(loudest * _DYNAMIC_RANGE, _SMALLEST_POWER)
        return ops.log(ops.maximum(energies, floor))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*_frames_shape(input_shape, self.frame_length, self.frame_step), self.num_mel_bins)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "sample_rate": self.sample_rate,
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
            "num_mel_bins": self.num_mel_bins,
            "lower_edge_hertz": self.lower_edge_hertz,
            "upper_edge_hertz": self.upper_edge_hertz,
        }


@keras.saving.register_keras_serializable("auricle")
class Cepstrum(keras.layers.Layer):
    """MFCCs of log-mel energies: [batch, frames, num_mel_bins] -> [batch, frames, num_mfcc].

    As `tf.signal.mfccs_from_log_mel_spectrograms`, cut to the first `num_mfcc`.
    """

    def __init__(self, num_mfcc: int, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.num_mfcc = num_mfcc

    def call(self, log_mel: KerasTensor) -> KerasTensor:
        return ops.matmul(log_mel, mel.dct_matrix(log_mel.shape[-1], self.num_mfcc))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.num_mfcc)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "num_mfcc": self.num_mfcc}


@keras.saving.register_keras_serializable("auricle")
class Framing(keras.layers.Layer):
    """Raw samples, framed: float32 [batch, samples] -> float32 [batch, frames, frame_length].

    Frames beyond `num_frames` int32 [batch], where given, become zeros.
    """

    def __init__(self, frame_length: int, frame_step: int, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.frame_length = frame_length
        self.frame_step = frame_step

    def call(self, waveform: KerasTensor, num_frames: KerasTensor | None = None) -> KerasTensor:
        frames = ops.extract_sequences(waveform, self.frame_length, self.frame_step)
        return frames if num_frames is None else keep_steps(frames, num_frames)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*_frames_shape(input_shape, self.frame_length, self.frame_step), self.frame_length)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
        }


@keras.saving.register_keras_serializable("auricle")
class SpeechNormalization(keras.layers.Layer):
    """Log-mel energies of each clip with mean 0 and variance 1 over all its speech.

    float32 [batch, frames, bins], same shape out. Half of what is subtracted is the mean of each
    bin, as in cepstral mean normalisation: it takes away the microphone and part of the speaker,
    but also part of the vowel of a short word. The other half is the mean of all bins. Only frames
    within 35 dB of the clip's loudest count, or the padding of short words would set the mean.
    Values are cut at -3, so pauses look alike whatever the noise floor. A clip that does not vary
    becomes zeros, and so do frames beyond `num_frames` int32 [batch], where given.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})

    def call(self, log_mel: KerasTensor, num_frames: KerasTensor | None = None) -> KerasTensor:
        loudness = ops.max(log_mel, axis=2, keepdims=True)
        if num_frames is not None:
            loudness = keep_steps(loudness, num_frames, fill=float("-inf"))
        loudest = ops.max(loudness, axis=1, keepdims=True)
        is_speech = ops.cast(loudness >= loudest - _ACTIVE_RANGE, "float32")
        share = is_speech / ops.sum(is_speech, axis=1, keepdims=True)
        bin_mean = ops.sum(share * log_mel, axis=1, keepdims=True)
        mean = ops.mean(bin_mean, axis=2, keepdims=True)
        centered = log_mel - mean - _BIN_MEAN_SHARE * (bin_mean - mean)
        bin_variance = ops.sum(share * ops.square(centered), axis=1, keepdims=True)
        variance = ops.mean(bin_variance, axis=2, keepdims=True)
        normalized = centered / ops.sqrt(ops.maximum(variance, _SMALLEST_VARIANCE))
        normalized = ops.maximum(normalized, _LOWEST_DEVIATION)
        return normalized if num_frames is None else keep_steps(normalized, num_frames)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


@keras.saving.register_keras_serializable("auricle")
class LevelNormalization(keras.layers.Layer):
    """Each waveform with a root mean square of 1: float32 [batch, samples], same shape out.

    A clip of zeros stays zeros. With `lengths` int32 [batch], the waveform has to be zero beyond
    them, and the mean is that of the clip's own samples.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})

    def call(self, waveform: KerasTensor, lengths: KerasTensor | None = None) -> KerasTensor:
        if lengths is None:
            power = ops.mean(ops.square(waveform), axis=1, keepdims=True)
        else:
            samples = ops.cast(ops.expand_dims(lengths, 1), "float32")
            power = ops.sum(ops.square(waveform), axis=1, keepdims=True) / samples
        return waveform / ops.sqrt(ops.maximum(power, _SMALLEST_POWER))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


@keras.saving.register_keras_serializable("auricle")
class CountFrames(keras.layers.Layer):
    """Whole frames in clips of `lengths` samples: int32 [batch] -> int32 [batch].

    A clip shorter than one frame counts as one, with zeros after it.
    """

    def __init__(self, frame_length: int, frame_step: int, **kwargs: object) -> None:
        super().__init__(**{"dtype": "int32", "trainable": False, **kwargs})
        self.frame_length = frame_length
        self.frame_step = frame_step

    def call(self, lengths: KerasTensor) -> KerasTensor:
        return 1 + ops.maximum(lengths - self.frame_length, 0) // self.frame_step

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
        }


# Every layer between waveform and features; which of them is last depends on the kind.
LAYERS = (LogMel, Cepstrum, Framing, SpeechNormalization, LevelNormalization)


def _frames_shape(
    waveform_shape: tuple[int | None, ...], frame_length: int, frame_step: int
) -> tuple[int | None, int | None]:
    batch, num_samples = waveform_shape
    if num_samples is None:
        return batch, None
    return batch, mel.num_frames(num_samples, frame_length, frame_step)
