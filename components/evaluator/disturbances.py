"""Examples of test clips as they sound under a condition."""

import functools
from collections.abc import Callable, Mapping

from components.audio.conditions import Conditions
from components.audio.noise_recordings import read_noises
from components.audio.pcm16 import from_pcm16, to_pcm16
from components.storage.location import location_of
from schemas.background import BACKGROUND_LIST
from schemas.example import FeatureValue, encode_audio
from schemas.reports.model_card import ModelCard

Disturb = Callable[[Mapping[str, FeatureValue]], bytes]

_NOISES, _NOISE_S = 64, 4.0  # of recordings, at most; and how long each is


class Disturbances:
    """Of clips as the model of `card` takes them; `noise` is the URI of a list of recordings, of
    which those are mixed in that training never hears. Noise is read when it is first needed.
    """

    def __init__(self, card: ModelCard, noise: str) -> None:
        self._sample_rate = card.audio.sample_rate
        self._noise = noise

    def apply(self, condition: str, example: Mapping[str, FeatureValue]) -> bytes:
        """What a model is asked: a serialized example that has audio alone.

        Raises:
            DataError: none of the recordings can be heard.
        """
        audio = example["audio"]
        assert isinstance(audio, bytes)
        changed = self._conditions.apply(condition, from_pcm16(audio), str(example["id"]))
        return encode_audio(to_pcm16(changed))

    @functools.cached_property
    def _conditions(self) -> Conditions:
        if not self._noise:
            return Conditions(self._sample_rate)
        recordings = BACKGROUND_LIST.validate_json(location_of(self._noise).read())
        samples = round(_NOISE_S * self._sample_rate)
        noises = read_noises(recordings, "test", samples, self._sample_rate, _NOISES)
        return Conditions(self._sample_rate, noises)
