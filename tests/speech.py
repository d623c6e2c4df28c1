"""Speech that may be shipped: the generator speaks, and files are written where they are needed."""

import json
from pathlib import Path

import numpy as np
import soundfile
import soxr

from components.audio.synthesis import Voice, generate, speak, voices
from schemas.workflow.data import Generated

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")  # those of FSDD
SENTENCES = (
    "the quick brown fox jumps over the lazy dog",
    "she sells sea shells by the sea shore",
    "peter piper picked a peck of pickled peppers",
    "how much wood would a woodchuck chuck",
)
_SNR_DB = (30.0, 40.0)


def write_digits(folder: Path, takes: int = 2, rate: int = 8000) -> Path:
    """A data set laid out like FSDD: `recordings/*.wav` and the manifest, which comes back."""
    (folder / "recordings").mkdir(parents=True)
    generated = Generated(snr_db=_SNR_DB)
    rows = []
    for speaker, voice in zip(SPEAKERS, voices(len(SPEAKERS), seed=3), strict=True):
        for number, word in enumerate(DIGITS):
            for take in range(takes):
                name = f"recordings/{number}_{speaker}_{take}.wav"
                clip = generate(word, voice, take, generated, rate)
                soundfile.write(folder / name, clip, rate)
                row = {"audio_filepath": name, "duration": len(clip) / rate}
                rows.append(row | {"label": word, "speaker": speaker})
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


def write_words(folder: Path, words: tuple[str, ...] = ("yes", "no"), takes: int = 10) -> None:
    """A folder of labels: `<word>/<take>.wav`, each take by another voice, at 16 kHz."""
    for word in words:
        (folder / word).mkdir(parents=True)
        for take, voice in enumerate(voices(takes, seed=4)):
            clip = generate(word, voice, 0, Generated(snr_db=_SNR_DB), 16000)
            soundfile.write(folder / word / f"{take}.wav", clip, 16000)


def write_sentences(folder: Path) -> list[Path]:
    """Sentences with pauses around them, by several voices, as 16 kHz FLAC."""
    folder.mkdir(parents=True)
    files = []
    for number, voice in enumerate(voices(8, seed=5)):
        speech = say(SENTENCES[number % len(SENTENCES)], voice)
        files.append(folder / f"{number}.flac")
        soundfile.write(files[-1], speech, 16000)
    return files


def say(sentence: str, voice: Voice) -> np.ndarray:
    """The sentence in a quiet room: float32 [samples] at 16 kHz, half a second before and after."""
    speech, rate = speak(sentence, voice)
    speech = 0.5 * soxr.resample(speech, rate, 16000)
    clip = np.random.default_rng(0).normal(0, 2e-4, len(speech) + 16000)
    clip[8000:-8000] += speech
    return clip.astype(np.float32)
