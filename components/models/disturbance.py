"""Layers that disturb clips as the world does: noise, rooms, narrow lines, overdriven inputs.

Like all augmentation they act while training only, and draw from seeded generators.
"""

import keras
import numpy as np
from keras import KerasTensor, ops
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from components.models.augmentation import Augmentation
from components.models.masking import keep_steps

_LOWEST_SHARE = 0.05  # of a noise's mean power: a stretch of silence in it is not made a noise
_PIECE = 80  # samples of a noise that are read together, which is many times as fast as one by one
_RESPONSES = 128  # of rooms, from which is drawn
_SMALLEST_POWER = 1e-12
_SHORTEST_ROOM_S = 0.1
_DECAY = 6.9  # nepers of amplitude: 60 dB
_MOST_BELOW_DB = 12.0  # the direct sound: all echoes together


@keras.saving.register_keras_serializable("auricle")
class RandomNoise(Augmentation):
    """A `share` of the clips with noise, at a ratio of powers drawn from `snr_db`, low and high.

    float32 [batch, samples], same shape out. `noises` int16 [noises, samples] are what is mixed in:
    a stretch of one, and of another up to half as strong, each from the beginning of one of its
    pieces of 80 samples; one that is shorter than the clip begins again. Without noises, as where a
    model is read back, it cannot train. With `lengths` int32 [batch], beyond which the waveform is
    zero, the noise ends there, too.
    """

    def __init__(
        self,
        share: float,
        snr_db: tuple[float, float],
        noises: NDArray[np.int16] | None = None,
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.share = share
        self.snr_db = tuple(snr_db)
        if noises is not None:
            self._count, self._length = len(noises), noises.shape[1] // _PIECE
            pieces = noises[:, : self._length * _PIECE].reshape(-1, _PIECE)
            # A tensor, not a weight: neither a checkpoint nor an export has any use for it.
            self._pieces = ops.convert_to_tensor(pieces)
            powers = np.mean(np.square(noises / 32768.0, dtype=np.float32), axis=1)
            self._powers = ops.convert_to_tensor(powers.astype(np.float32))

    def call(
        self, waveform: KerasTensor, lengths: KerasTensor | None = None, training: bool = False
    ) -> KerasTensor:
        if not training:
            return waveform
        batch, samples = ops.shape(waveform)
        noise = self._stretch(batch, samples) + self._stretch(batch, samples) * self.uniform(
            (batch, 1), 0.0, 0.5
        )
        if lengths is not None:
            noise = keep_steps(noise, lengths)
        snr_db = self.uniform((batch, 1), *self.snr_db)
        has_noise = ops.cast(self.uniform((batch, 1), 0.0, 1.0) < self.share, "float32")
        speech = ops.mean(ops.square(waveform), axis=1, keepdims=True)
        power = ops.maximum(ops.mean(ops.square(noise), axis=1, keepdims=True), _SMALLEST_POWER)
        level = ops.sqrt(speech / power) * ops.power(10.0, -snr_db / 20.0)
        return waveform + has_noise * level * noise

    def _stretch(self, batch: KerasTensor, samples: KerasTensor) -> KerasTensor:
        """Noise for each clip, of a power near 1: float32 [batch, samples]."""
        which = ops.cast(self.uniform((batch, 1), 0.0, self._count - 1e-3), "int32")
        start = ops.cast(self.uniform((batch, 1), 0.0, self._length - 1e-3), "int32")
        pieces = ops.arange(-(-samples // _PIECE), dtype="int32")
        places = which * self._length + (start + pieces) % self._length
        noise = ops.reshape(ops.take(self._pieces, places, axis=0), (batch, -1))
        noise = ops.cast(noise[:, :samples], "float32") / 32768.0
        least = _LOWEST_SHARE * ops.take(self._powers, which)
        power = ops.maximum(ops.mean(ops.square(noise), axis=1, keepdims=True), least)
        return noise / ops.sqrt(ops.maximum(power, _SMALLEST_POWER))

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "share": self.share,
            "snr_db": self.snr_db,
        }


@keras.saving.register_keras_serializable("auricle")
class RandomRoom(Augmentation):
    """A `share` of the clips as they sound in a room that takes up to `longest_s` to be silent.

    float32 [batch, samples], same shape out. A response, one of 128, is the direct sound and, 0 to
    12 dB below it in all, noise that falls by 60 dB within the room's time (Moorer 1979); the level
    of the clip stays. With `lengths` int32 [batch] what rings on beyond the clip's end is cut off.
    """

    def __init__(
        self,
        share: float,
        longest_s: float,
        sample_rate: int,
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.share = share
        self.longest_s = longest_s
        self.sample_rate = sample_rate
        self._responses = ops.convert_to_tensor(room_responses(longest_s, sample_rate))

    def call(
        self, waveform: KerasTensor, lengths: KerasTensor | None = None, training: bool = False
    ) -> KerasTensor:
        if not training:
            return waveform
        drawn = self.uniform((ops.shape(waveform)[0], 2), 0.0, 1.0)
        # Only of those that are changed: a transform of all would cost as much as the features.
        places = ops.nonzero(drawn[:, 0] < self.share)[0]
        dry = ops.take(waveform, places, axis=0)
        which = ops.cast(ops.take(drawn[:, 1], places) * (_RESPONSES - 1e-3), "int32")
        wet = _convolve(dry, ops.take(self._responses, which, axis=0))
        power = ops.mean(ops.square(wet), axis=1, keepdims=True)
        level = ops.mean(ops.square(dry), axis=1, keepdims=True) / (power + _SMALLEST_POWER)
        wet = wet * ops.sqrt(level)
        changed = ops.scatter_update(waveform, ops.expand_dims(places, 1), wet)
        changed = ops.reshape(changed, ops.shape(waveform))
        return changed if lengths is None else keep_steps(changed, lengths)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "share": self.share,
            "longest_s": self.longest_s,
            "sample_rate": self.sample_rate,
        }


@keras.saving.register_keras_serializable("auricle")
class RandomClipping(Augmentation):
    """A `share` of the waveforms as an overdriven input cuts them: up to `most_db` of their peak.

    float32 [batch, samples], same shape out.
    """

    def __init__(
        self, share: float, most_db: float, seed: int | None = None, **kwargs: object
    ) -> None:
        super().__init__(seed, **kwargs)
        self.share = share
        self.most_db = most_db

    def call(self, waveform: KerasTensor, training: bool = False) -> KerasTensor:
        if not training:
            return waveform
        drawn = self.uniform((ops.shape(waveform)[0], 2), 0.0, 1.0)
        cut_db = self.most_db * drawn[:, :1] * ops.cast(drawn[:, 1:] < self.share, "float32")
        peak = ops.max(ops.abs(waveform), axis=1, keepdims=True)
        highest = peak * ops.power(10.0, -cut_db / 20.0)
        return ops.clip(waveform, -highest, highest)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "share": self.share,
            "most_db": self.most_db,
        }


@keras.saving.register_keras_serializable("auricle")
class RandomBand(Augmentation):
    """Log-mel energies of a `share` of the clips as a narrow line leaves them.

    float32 [batch, frames, bins], same shape out. What lies above a bin drawn from the upper half,
    or half of the time also below one of the lowest seventh, falls to the lowest value of the clip.
    """

    def __init__(self, share: float, seed: int | None = None, **kwargs: object) -> None:
        super().__init__(seed, **kwargs)
        self.share = share

    def call(self, log_mel: KerasTensor, training: bool = False) -> KerasTensor:
        if not training:
            return log_mel
        batch, bins = ops.shape(log_mel)[0], log_mel.shape[2]
        drawn = self.uniform((batch, 1, 1, 4), 0.0, 1.0)
        place = ops.arange(bins, dtype="float32")
        highest = bins * (0.5 + 0.5 * drawn[..., 0])
        lowest = bins * 0.15 * drawn[..., 1] * ops.cast(drawn[..., 2] < 0.5, "float32")
        is_lost = (place > highest) | (place < lowest)
        is_lost = is_lost & (drawn[..., 3] < self.share)
        floor = ops.min(log_mel, axis=(1, 2), keepdims=True)
        return ops.where(is_lost, floor, log_mel)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "share": self.share}


def room_responses(longest_s: float, sample_rate: int) -> NDArray[np.float32]:
    """Responses of rooms that take up to `longest_s` to be silent: float32 [128, samples]."""
    random = np.random.default_rng(0)
    time = np.arange(max(1, round(longest_s * sample_rate))) / sample_rate
    seconds = random.uniform(min(_SHORTEST_ROOM_S, longest_s), longest_s, (_RESPONSES, 1))
    echo = random.normal(0, 1, (_RESPONSES, len(time))) * np.exp(-_DECAY * time / seconds)
    echo *= time < seconds
    echo[:, 0] = 0.0
    energy = np.sum(np.square(echo), axis=1, keepdims=True)
    below_db = random.uniform(0.0, _MOST_BELOW_DB, (_RESPONSES, 1))
    echo *= 10 ** (-below_db / 20) / np.sqrt(energy + _SMALLEST_POWER)
    echo[:, 0] = 1.0
    return echo.astype(np.float32)


def _convolve(waveform: KerasTensor, response: KerasTensor) -> KerasTensor:
    """Waveforms [batch, samples] behind responses [batch, taps], as long as they were."""
    samples, taps = ops.shape(waveform)[1], ops.shape(response)[1]
    size = samples + taps
    if isinstance(size, int):  # of a known length, one that transforms fast
        size = next_fast_len(size, real=True)
    # Filled up here: TensorFlow's transform does not fill up a batch of no clips.
    ours, theirs = (
        ops.rfft(ops.pad(each, ((0, 0), (0, size - length))), size)
        for each, length in ((waveform, samples), (response, taps))
    )
    real = ours[0] * theirs[0] - ours[1] * theirs[1]
    imaginary = ours[0] * theirs[1] + ours[1] * theirs[0]
    return ops.irfft((real, imaginary), size)[:, :samples]
