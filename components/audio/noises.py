"""Noises made from numbers: what training and evaluation mix in where no recording is named.

Each is a sketch of a family of real ones: wind and rain, engines, mains hum, voices of animals,
knocks and dishes, crackling. They are no recordings, but a model that has met them all relies less
on silence around a word.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_Noise = NDArray[np.float32]
_Random = np.random.Generator
_LOWEST_HZ = 30.0
_PEAK = 0.9


def generate_noises(count: int, samples: int, sample_rate: int, seed: int) -> _Noise:
    """`count` noises of all kinds in turn, float32 [count, samples], with a peak of 0.9.

    The same numbers give the same noises; another `seed`, others.
    """
    random = np.random.default_rng([seed, 0x6E6F])
    found = np.empty((count, samples), np.float32)
    for number in range(count):
        noise = _KINDS[number % len(_KINDS)](random, samples, sample_rate)
        found[number] = _PEAK * noise / max(float(np.abs(noise).max()), 1e-9)
    return found


def _stationary(random: _Random, samples: int, sample_rate: int) -> _Noise:
    """Air, water, a street: noise of a random colour, whose level drifts or not."""
    noise = _coloured(random, samples, sample_rate)
    if random.random() < 0.5:
        noise *= np.exp(_slow(random, samples, sample_rate, 2.0)).astype(np.float32)
    return noise


def _engine(random: _Random, samples: int, sample_rate: int) -> _Noise:
    """A motor, a saw, a helicopter: noise in pulses of 5 to 60 Hz, and harmonics of them."""
    rate = _drifting(random, samples, sample_rate, 10 ** random.uniform(0.7, 1.8), 0.05)
    phase = 2 * np.pi * np.cumsum(rate) / sample_rate
    pulses = np.exp(random.uniform(0.5, 3.0) * np.sin(phase)).astype(np.float32)
    noise = _coloured(random, samples, sample_rate) * pulses
    tones = _harmonics(random, phase, random.integers(4, 24))
    return noise / _level(noise) + random.uniform(0.0, 1.5) * tones


def _hum(random: _Random, samples: int, sample_rate: int) -> _Noise:
    """Mains, a fan, a screen: steady harmonics over a little noise."""
    base = random.choice([50.0, 60.0, random.uniform(80.0, 400.0)])
    phase = 2 * np.pi * base * np.arange(samples) / sample_rate
    tones = _harmonics(random, phase, int(min(24, sample_rate / 2 / base - 1)))
    noise = _coloured(random, samples, sample_rate)
    return tones + random.uniform(0.1, 0.6) * noise / _level(noise)


def _calls(random: _Random, samples: int, sample_rate: int) -> _Noise:
    """A bark, a cry, a horn, a bird: gliding harmonics in bursts."""
    base = 10 ** random.uniform(np.log10(150.0), np.log10(1500.0))
    pitch = _drifting(random, samples, sample_rate, base, random.uniform(0.05, 0.4))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    tones = _harmonics(random, phase, int(np.clip(sample_rate / 2 / base - 1, 1, 20)))
    breath = _coloured(random, samples, sample_rate)
    mixed = tones + random.uniform(0.05, 0.8) * breath / _level(breath)
    return mixed * _bursts(random, samples, sample_rate)


def _knocks(random: _Random, samples: int, sample_rate: int) -> _Noise:
    """Dishes, steps, keys, a clock: short sounds that ring for a while."""
    found = 0.02 * _coloured(random, samples, sample_rate)
    found /= max(50 * _level(found), 1e-9)
    often = max(1, random.poisson(random.uniform(1.0, 12.0) * samples / sample_rate))
    for start in random.integers(0, samples, often):
        length = min(samples - start, int(sample_rate * random.uniform(0.02, 0.4)))
        time = np.arange(length, dtype=np.float32) / sample_rate
        decay = np.exp(-time * 6 / (length / sample_rate + 1e-3))
        tones = sum(
            random.uniform(0.2, 1.0) * np.sin(2 * np.pi * tone * time)
            for tone in random.uniform(150.0, sample_rate / 2.2, random.integers(1, 5))
        )
        click = random.normal(0, 1, length) * np.exp(-time * random.uniform(40, 400))
        sound = decay * tones + random.uniform(0.3, 2.0) * click
        found[start : start + length] += random.uniform(0.2, 1.0) * sound.astype(np.float32)
    return found


def _crackle(random: _Random, samples: int, sample_rate: int) -> _Noise:
    """Fire, rain on a roof, a bad line: very many impulses, coloured."""
    often = 10 ** random.uniform(1.5, 3.5) / sample_rate
    impulses = (random.random(samples) < often) * random.standard_t(2, samples)
    hiss = random.uniform(0.0, 0.1) * random.normal(0, 1, samples)
    return _shaped(random, np.clip(impulses, -30, 30) + hiss, sample_rate)


_KINDS: tuple[Callable[[_Random, int, int], _Noise], ...] = (
    _stationary,
    _engine,
    _calls,
    _knocks,
    _stationary,
    _crackle,
    _calls,
    _hum,
)


def _coloured(random: _Random, samples: int, sample_rate: int) -> _Noise:
    return _shaped(random, random.normal(0, 1, samples), sample_rate)


def _shaped(random: _Random, sound: NDArray[np.float64], sample_rate: int) -> _Noise:
    """The sound behind a random filter: a slope of 0 to -9 dB an octave, and two or three bands
    that stand out.
    """
    spectrum = np.fft.rfft(sound)
    octaves = np.log2(np.maximum(_frequencies(len(sound), sample_rate), _LOWEST_HZ) / 1000.0)
    gain_db = -random.uniform(0.0, 9.0) * octaves
    highest = np.log2(sample_rate / 2000.0)
    for middle in random.uniform(-3.0, highest, random.integers(1, 4)):
        width = random.uniform(0.15, 1.0)
        gain_db += random.uniform(-15.0, 20.0) * np.exp(-(((octaves - middle) / width) ** 2))
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(sound)).astype(np.float32)


def _slow(random: _Random, samples: int, sample_rate: int, hertz: float) -> NDArray[np.float64]:
    """A curve of variance 1 that turns some `hertz` times a second."""
    points = max(4, int(samples / sample_rate * hertz) + 3)
    places = np.linspace(0, points - 1, samples)
    return np.interp(places, np.arange(points), random.normal(0, 1, points))


def _drifting(
    random: _Random, samples: int, sample_rate: int, hertz: float, share: float
) -> NDArray[np.float64]:
    """A frequency near `hertz` at every sample."""
    return hertz * np.exp(share * _slow(random, samples, sample_rate, random.uniform(1.0, 8.0)))


def _harmonics(random: _Random, phase: NDArray[np.float64], count: int) -> _Noise:
    """A sum of so many, each weaker than the one before, of a level of 1."""
    slope = random.uniform(0.3, 1.5)
    total = np.zeros(len(phase), np.float32)
    for number in range(1, max(1, count) + 1):
        weight = random.uniform(0.2, 1.0) / number**slope
        total += weight * np.sin(number * phase + random.uniform(0, 2 * np.pi)).astype(np.float32)
    return total / _level(total)


def _bursts(random: _Random, samples: int, sample_rate: int) -> _Noise:
    """An envelope of bursts of 0.1 to 0.8 s, with as much silence between them."""
    length = max(2, int(sample_rate * random.uniform(0.1, 0.8)))
    time = (np.arange(samples) + random.integers(0, 2 * length)) % int(
        length * random.uniform(1.1, 2.5)
    )
    rise = np.clip(time / (0.1 * length), 0, 1)
    return (rise * np.clip((length - time) / (0.5 * length), 0, 1)).astype(np.float32)


def _frequencies(samples: int, sample_rate: int) -> NDArray[np.float64]:
    return np.fft.rfftfreq(samples, 1 / sample_rate)


def _level(sound: _Noise) -> float:
    return max(float(np.sqrt(np.mean(np.square(sound)))), 1e-9)
