"""Augmentation: layers that change each clip at random while training, and nothing otherwise.

All randomness comes from `keras.random.SeedGenerator`s, whose state is a variable of the model: a
seed fixes it, and a checkpoint holds it. They compute in float32, as the frontends do.
"""

import keras
import numpy as np
from keras import KerasTensor, ops

from components.models.masking import keep_steps
from components.models.shared_batch import draw_uniform

_DB_PER_NEPER = 10.0 / np.log(10.0)  # of power
_EQUALIZER_WAVES = np.array([1.0, 0.5, 0.5, 0.5], np.float32)  # highest share of each


class Augmentation(keras.layers.Layer):
    """A layer that draws random numbers, from a generator of its own."""

    def __init__(self, seed: int | None = None, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "seed": self.seed}

    def uniform(self, shape: tuple[int | KerasTensor, ...], low: float, high: float) -> KerasTensor:
        """Drawn for each row of the whole batch: `shape` [rows, ...]."""
        return draw_uniform(shape, low, high, self.seed_generator)


@keras.saving.register_keras_serializable("auricle")
class RandomPlayback(Augmentation):
    """Each waveform moved by up to `shift_samples` and played up to `speed` faster or slower.

    float32 [batch, samples], same shape out. What moves in from outside is zero. A speed of 1 + s
    raises pitch and formants with the tempo, as a smaller speaker would (linear interpolation; the
    middle of the clip stays in place). With `lengths` int32 [batch], beyond which the waveform is
    zero, each clip is moved within its own length.
    """

    def __init__(
        self, shift_samples: int, speed: float, seed: int | None = None, **kwargs: object
    ) -> None:
        super().__init__(seed, **kwargs)
        self.shift_samples = shift_samples
        self.speed = speed

    def call(
        self, waveform: KerasTensor, lengths: KerasTensor | None = None, training: bool = False
    ) -> KerasTensor:
        if not training:
            return waveform
        batch, samples = ops.shape(waveform)
        end = samples if lengths is None else ops.expand_dims(lengths, 1)
        end = ops.cast(end, "float32")
        shift = self.uniform((batch, 1), -self.shift_samples, self.shift_samples)
        speed = 1.0 + self.uniform((batch, 1), -self.speed, self.speed)
        middle = (end - 1) / 2
        position = middle + (ops.arange(samples, dtype="float32") - middle) * speed - shift
        left = ops.floor(position)
        fraction = position - left
        # One silent sample on either side is what every position outside the clip reads.
        padded = ops.pad(waveform, ((0, 0), (1, 2)))
        # Both neighbours of a position lie together, and are read at once.
        pairs = ops.reshape(ops.stack([padded[:, :-1], padded[:, 1:]], axis=2), (-1, 2))
        row = ops.expand_dims(ops.arange(batch) * (samples + 2), 1)
        index = ops.cast(ops.clip(left, -1, end), "int32") + 1
        found = ops.take(pairs, row + index, axis=0)
        before, after = found[..., 0], found[..., 1]
        moved = before + (after - before) * fraction
        return moved if lengths is None else keep_steps(moved, lengths)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "shift_samples": self.shift_samples,
            "speed": self.speed,
        }


@keras.saving.register_keras_serializable("auricle")
class RandomGain(Augmentation):
    """Each waveform louder or quieter by up to `gain_db`: float32 [batch, samples], same out."""

    def __init__(self, gain_db: float, seed: int | None = None, **kwargs: object) -> None:
        super().__init__(seed, **kwargs)
        self.gain_db = gain_db

    def call(self, waveform: KerasTensor, training: bool = False) -> KerasTensor:
        if not training:
            return waveform
        gain_db = self.uniform((ops.shape(waveform)[0], 1), -self.gain_db, self.gain_db)
        return waveform * ops.power(10.0, gain_db / 20.0)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "gain_db": self.gain_db}


@keras.saving.register_keras_serializable("auricle")
class RandomChannel(Augmentation):
    """Log-mel energies as another vocal tract and another microphone would have made them.

    float32 [batch, frames, bins], same shape out. Bins are read up to `frequency_warp` (a share)
    higher or lower, linearly interpolated (vocal tract length perturbation, Jaitly and Hinton 2013,
    here on the mel scale); then a smooth curve over the bins is added, the same for all frames: a
    tilt of up to `equalizer_db` at either end and three faster waves of up to half of it.
    """

    def __init__(
        self, frequency_warp: float, equalizer_db: float, seed: int | None = None, **kwargs: object
    ) -> None:
        super().__init__(seed, **kwargs)
        self.frequency_warp = frequency_warp
        self.equalizer_db = equalizer_db

    def call(self, log_mel: KerasTensor, training: bool = False) -> KerasTensor:
        if not training:
            return log_mel
        batch, bins = ops.shape(log_mel)[0], log_mel.shape[2]
        warp = 1.0 + self.uniform((batch, 1, 1), -self.frequency_warp, self.frequency_warp)
        place = ops.arange(bins, dtype="float32")
        source = ops.clip(place * warp, 0, bins - 1)
        nearness = ops.maximum(0.0, 1.0 - ops.abs(ops.expand_dims(place, 1) - source))
        waves = np.arange(1, len(_EQUALIZER_WAVES) + 1)
        curves = np.cos(np.pi * np.outer(waves, (np.arange(bins) + 0.5) / bins))
        heights = _EQUALIZER_WAVES * self.equalizer_db / _DB_PER_NEPER
        amounts = self.uniform((batch, 1, len(waves)), -1, 1) * heights.astype(np.float32)
        return ops.matmul(log_mel, nearness) + ops.matmul(amounts, curves.astype(np.float32))

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "frequency_warp": self.frequency_warp,
            "equalizer_db": self.equalizer_db,
        }


@keras.saving.register_keras_serializable("auricle")
class SpecAugment(Augmentation):
    """Random stretches of time and bands of frequency set to 0 (Park et al. 2019, no time warp).

    float32 [batch, frames, bins], same shape out. Widths are uniform from 0 to `time_mask_frames`
    and `freq_mask_bins`, and never more than half of the axis. Expects normalised features, whose
    mean is 0. With `num_frames` int32 [batch], stretches lie within each clip's own frames.
    """

    def __init__(
        self,
        time_masks: int,
        time_mask_frames: int,
        freq_masks: int,
        freq_mask_bins: int,
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.time_masks = time_masks
        self.time_mask_frames = time_mask_frames
        self.freq_masks = freq_masks
        self.freq_mask_bins = freq_mask_bins

    def call(
        self, features: KerasTensor, num_frames: KerasTensor | None = None, training: bool = False
    ) -> KerasTensor:
        if not training:
            return features
        batch, frames, bins = ops.shape(features)
        end = frames
        if num_frames is not None:
            end = ops.reshape(num_frames, (-1, 1, 1))
        kept_frames = self._kept(batch, frames, end, self.time_masks, self.time_mask_frames)
        kept_bins = self._kept(batch, bins, bins, self.freq_masks, self.freq_mask_bins)
        return features * ops.expand_dims(kept_frames, 2) * ops.expand_dims(kept_bins, 1)

    def _kept(
        self, batch: KerasTensor, size: int, end: KerasTensor, masks: int, widest: int
    ) -> KerasTensor:
        """1 where nothing is masked, else 0: float32 [batch, size]; masks lie before `end`."""
        if masks == 0:
            return ops.ones((batch, size))
        widths = ops.cast(ops.minimum(widest, end // 2) + 1, "float32")
        width = ops.floor(self.uniform((batch, masks, 1), 0, 1) * widths)
        room = ops.cast(end, "float32") - width + 1
        start = ops.floor(self.uniform((batch, masks, 1), 0, 1) * room)
        place = ops.arange(size, dtype="float32")
        masked = ops.logical_and(place >= start, place < start + width)
        return 1.0 - ops.cast(ops.any(masked, axis=1), "float32")

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "time_masks": self.time_masks,
            "time_mask_frames": self.time_mask_frames,
            "freq_masks": self.freq_masks,
            "freq_mask_bins": self.freq_mask_bins,
        }
