"""Generated speech: words spoken by eSpeak NG's voices and mixed with generated noise.

Every clip follows from (seed, word, voice, take) alone, so any worker may make any clip in any
order. What the words mean and which split a voice goes to is not known here.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from components.audio import espeak
from components.audio.pcm16 import to_waveform
from schemas.errors import AuricleError
from schemas.workflow.generated import Generated

ACCENTS = (
    "en", "en-us", "en-us-nyc", "en-029",
    "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd",
)  # fmt: skip
# eSpeak NG's variants, without those that are no human voice (whispers, robots, effects), without
# RicishayMax (a classifier trained on the others understood it least), and without Reed and caleb,
# whose samples are not the same each time.
VARIANTS = (
    "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique",
    "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen", "Storm", "Tweaky",
    "adam", "anika", "announcer", "antonio", "aunty", "belinda", "benjamin", "boris", "david",
    "ed", "edward", "edward2", "f1", "f2", "f3", "f4", "f5", "grandma", "grandpa", "gustave",
    "ian", "iven", "iven2", "iven3", "iven4", "john", "kaukovalta", "klatt", "klatt2", "klatt3",
    "klatt4", "klatt5", "klatt6", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8",
    "marcelo", "max", "michel", "miguel", "mike2", "norbert", "pablo", "paul", "pedro", "quincy",
    "rob", "robert", "sandro", "shelby", "steph", "steph2", "steph3", "travis", "victor", "zac",
)  # fmt: skip
PITCHES = (30, 40, 50, 60, 70)
RATES_WPM = (120, 140, 160, 180, 200)
PITCH_RANGE = 50

CLIP_S = (0.7, 1.4)
PEAK_DB = (-20.0, -1.0)
_LEAST_SILENCE_S = 0.05  # before and after the word
_LOWEST_NOISE_HZ = 20.0
_MAINS_HZ = (50.0, 60.0)


@dataclass(frozen=True)
class Voice:
    """One distinct speaker; `name` says all of it and serves as speaker id."""

    accent: str
    variant: str
    pitch: int
    rate_wpm: int

    @property
    def name(self) -> str:
        return f"{self.accent}+{self.variant}-p{self.pitch}-r{self.rate_wpm}"


def voices(n: int, seed: int) -> list[Voice]:
    """`n` distinct voices; the first of a longer list are those of a shorter one.

    The variants come in turn, in an order drawn from `seed`, each time with another of their
    accents, pitches and rates: the first `len(VARIANTS)` voices are all of another variant.

    Raises ValueError for more voices than there are.
    """
    manners = [(a, p, r) for a in ACCENTS for p in PITCHES for r in RATES_WPM]
    if not 0 <= n <= len(VARIANTS) * len(manners):
        raise ValueError(f"{n} voices of {len(VARIANTS) * len(manners)}")
    turns = [VARIANTS[i] for i in _rng(seed, "variants").permutation(len(VARIANTS))]
    orders = {v: _rng(seed, "manners", v).permutation(len(manners)) for v in turns[:n]}
    chosen = []
    for i in range(n):
        variant = turns[i % len(turns)]
        accent, pitch, rate_wpm = manners[orders[variant][i // len(turns)]]
        chosen.append(Voice(accent, variant, pitch, rate_wpm))
    return chosen


@lru_cache(maxsize=256)  # the takes of a word by a voice share one utterance
def speak(word: str, voice: Voice) -> tuple[np.ndarray, int]:
    """`word` spoken by `voice`: float32 [samples] (read-only, no silence around it), rate in Hz.

    Raises AuricleError where eSpeak NG has nothing to say.
    """
    pcm, rate = espeak.synthesize(
        word, f"{voice.accent}+{voice.variant}", voice.rate_wpm, voice.pitch, PITCH_RANGE
    )
    sounding = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 32)  # -60 dBFS
    if not len(sounding):
        raise AuricleError(f"eSpeak NG says nothing for the word {word!r}")
    waveform = to_waveform(pcm[sounding[0] : sounding[-1] + 1])
    waveform.flags.writeable = False
    return waveform, rate


def generate(
    word: str, voice: Voice, take: int, generated: Generated, sample_rate: int
) -> np.ndarray:
    """A clip of `word`: float32 [samples] at `sample_rate`, of about `CLIP_S`, peak `PEAK_DB`.

    Silence of random length surrounds the word and noise covers the whole clip; `snr_db` is the
    power of the word, while it sounds, over that of the noise.
    """
    import soxr

    rng = _rng(generated.seed, word, voice.name, take)
    speech, rate = speak(word, voice)
    speech = soxr.resample(speech, rate, sample_rate, quality="HQ")
    room = len(speech) + 2 * round(_LEAST_SILENCE_S * sample_rate)
    clip = np.zeros(max(round(rng.uniform(*CLIP_S) * sample_rate), room), np.float64)
    edge = (room - len(speech)) // 2
    start = int(rng.integers(edge, len(clip) - len(speech) - edge, endpoint=True))
    clip[start : start + len(speech)] = speech
    snr_db = rng.uniform(*generated.snr_db)
    noise_rms = np.sqrt(np.mean(np.square(speech, dtype=np.float64))) * 10 ** (-snr_db / 20)
    clip += noise_rms * _noise(len(clip), sample_rate, rng)
    clip *= 10 ** (rng.uniform(*PEAK_DB) / 20) / np.abs(clip).max()
    return clip.astype(np.float32)


def _noise(num_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """White, pink and brown noise and mains hum in random shares: float64 [num_samples], rms 1."""
    *coloured, hum = rng.dirichlet((0.5, 0.5, 0.5, 0.5))
    noise = np.sqrt(1.0 - hum) * _coloured_noise(num_samples, sample_rate, coloured, rng)
    noise += np.sqrt(hum) * _hum(num_samples, sample_rate, rng)
    return noise / np.sqrt(np.mean(np.square(noise)))


def _coloured_noise(
    num_samples: int, sample_rate: int, shares: list[float], rng: np.random.Generator
) -> np.ndarray:
    """Gaussian noise, float64 [num_samples], rms 1.

    `shares` of its power fall with the 0th (white), 1st (pink), 2nd (brown) power of frequency:
    the sum of independent noises is the noise of the summed spectra, so one transform makes it.
    """
    fft_length = 1 << (num_samples - 1).bit_length()
    frequencies = np.fft.rfftfreq(fft_length, 1 / sample_rate)
    frequencies = np.maximum(frequencies, _LOWEST_NOISE_HZ)
    power = np.zeros_like(frequencies)
    for exponent, share in enumerate(shares):
        density = frequencies**-exponent
        power += share / density.sum() * density
    power[0] = 0.0
    gaussian = rng.standard_normal((2, len(frequencies)))
    spectrum = np.sqrt(power) * (gaussian[0] + 1j * gaussian[1])
    noise = np.fft.irfft(spectrum, fft_length)[:num_samples]
    return noise / np.sqrt(np.mean(np.square(noise)))


def _hum(num_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Mains hum, four harmonics of random strength and phase: float64 [num_samples], rms 1."""
    angles = 2 * np.pi * rng.choice(_MAINS_HZ) / sample_rate * np.arange(num_samples)
    hum = np.zeros(num_samples)
    for harmonic in range(1, 5):
        strength, phase = rng.uniform(0.2, 1.0) / harmonic, rng.uniform(0.0, 2 * np.pi)
        hum += strength * np.sin(harmonic * angles + phase)
    return hum / np.sqrt(np.mean(np.square(hum)))


def _rng(*key: str | int) -> np.random.Generator:
    """A generator seeded by `key`, the same in every process (unlike Python's `hash`)."""
    digest = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))
