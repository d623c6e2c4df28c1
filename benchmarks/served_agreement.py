"""Whether a clip gets the same answer however it reaches a model.

    python benchmarks/served_agreement.py DATA [--clips 2000] [--epochs 4] [--denoise]

Trains a small model for the digits of FSDD and words of the Arabic set under DATA, exports it, and
asks it about raw clips: as they are, and shifted, softly, overdriven, with an offset, in noise.
Reference is what ingest stores, asked through `serving_examples`; the raw clip itself is asked
through `serving_default`, `serving_lengths`, `serving_wav`, and as a file through what
`auricle predict` does. Files of other rates are asked through `serving_wav`, which resamples them
itself; their reference is `auricle predict`, which resamples by soxr. For each: the share with the
same label and scores within 1e-3, and the largest difference.
"""

import argparse
import io
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import soundfile
import soxr
import tensorflow as tf

from components.audio.condition import condition
from components.audio.pcm16 import from_pcm16, to_pcm16
from components.models import build_model
from components.storage.location import location_of
from components.trainer.export import export_model
from pipeline.inference.predict import TrainedModel, published_card
from schemas.errors import ClipError
from schemas.reports.model_card import ModelCard
from schemas.workflow.audio import Audio
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model

RATE = 8000
NEAR = 1e-3
BATCH = 64
FILE_RATES = (8000, 11025, 16000, 22050, 44100, 48000)


def noisy(waveform: np.ndarray, rng: np.random.Generator, below_db: float) -> np.ndarray:
    level = np.sqrt(np.mean(waveform**2)) * 10 ** (-below_db / 20)
    return waveform + rng.normal(0, level, len(waveform))


VERSIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "as it is": lambda waveform, rng: waveform,
    "shifted": lambda waveform, rng: np.pad(waveform, rng.integers(0, RATE // 2, 2)),
    "soft": lambda waveform, rng: waveform * 10 ** rng.uniform(-2, -0.5),
    "loud": lambda waveform, rng: waveform * 10 ** rng.uniform(0.3, 1.0),
    "offset": lambda waveform, rng: waveform + rng.uniform(-0.1, 0.1),
    "noise 20 dB": lambda waveform, rng: noisy(waveform, rng, 20),
    "noise 10 dB": lambda waveform, rng: noisy(waveform, rng, 10),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--denoise", action="store_true")
    given = parser.parse_args()
    audio = Audio(sample_rate=RATE, clip_s=0.9, denoise=given.denoise)
    clips = list(read_clips(given.data, given.clips))
    print(f"{platform.processor() or platform.machine()}, TensorFlow {tf.__version__}, soxr")
    print(f"{soxr.__version__}, {len(clips)} clips, denoise {given.denoise}")
    with tempfile.TemporaryDirectory() as folder:
        model = train(clips, audio, given.epochs, Path(folder) / "1")
        for name, change in VERSIONS.items():
            compare(name, change, [waveform for waveform, _ in clips], model, Path(folder))


def read_clips(data: Path, count: int) -> Iterator[tuple[np.ndarray, str]]:
    """Waveforms at RATE and labels, half from each set, spread over it."""
    for name in ("fsdd", "arabic_commands"):
        rows = [json.loads(line) for line in (data / name / "manifest.jsonl").open()]
        places = np.linspace(0, len(rows) - 1, count // 2).astype(int)
        for row in (rows[place] for place in places):
            waveform, rate = soundfile.read(data / name / row["audio_filepath"], dtype="float32")
            yield soxr.resample(waveform, rate, RATE), f"{name[0]}-{row['label']}"


def train(clips: list[tuple[np.ndarray, str]], audio: Audio, epochs: int, to: Path) -> TrainedModel:
    labels = sorted({label for _, label in clips})
    frontend, block = Frontend(), Model(architecture="cnn")
    model = build_model(
        num_outputs=len(labels),
        sample_rate=RATE,
        clip_samples=round(audio.clip_s * RATE),
        frontend=frontend,
        augment=Augment(),
        model=block,
        seed=1,
    )
    stored = np.stack([from_pcm16(to_pcm16(condition(clip, audio))) for clip, _ in clips])
    targets = np.array([labels.index(label) for _, label in clips])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
    fitted = model.fit(stored, targets, batch_size=64, epochs=epochs, verbose=0)
    print(f"accuracy on what it learned: {fitted.history['accuracy'][-1]:.3f}")
    card = ModelCard(
        name="agreement",
        labels=labels,
        audio=audio,
        frontend=frontend,
        model=block,
        parameters=model.count_params(),
        generated=False,
    )
    export_model(model, card, str(to))
    folder = location_of(to)
    return TrainedModel(folder, published_card(folder))


def compare(
    name: str,
    change: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    clips: list[np.ndarray],
    model: TrainedModel,
    folder: Path,
) -> None:
    rng = np.random.default_rng(0)
    # What a 16-bit file of the clip holds.
    raw = [from_pcm16(to_pcm16(change(clip, rng))) for clip in clips]
    wanted = ask_ingest(raw, model)
    print(f"{name}, {sum(error == '' for error, _, _ in wanted)} answered")
    for way, ask in WAYS.items():
        started = time.monotonic()
        report(way, ask(raw, model, folder), wanted, time.monotonic() - started)
    if name in ("as it is", "shifted"):
        for rate in FILE_RATES:
            report(f"a file of {rate} Hz", *ask_at_rate(raw[::4], rate, model, folder))


Answers = list[tuple[str, str, np.ndarray]]  # error, label and scores of each clip


def ask_ingest(raw: list[np.ndarray], model: TrainedModel) -> Answers:
    answers: Answers = []
    stored = []
    for clip in raw:
        try:
            stored.append(to_pcm16(condition(clip, model.card.audio)))
            answers.append(("", "", np.zeros(0)))
        except ClipError as error:
            answers.append((error.reason, "", np.zeros(len(model.card.labels))))
    examples = [example(pcm) for pcm in stored]
    answered = iter(unpack(ask_in_batches(model, "serving_examples", "examples", examples)))
    return [next(answered) if not answer[0] else answer for answer in answers]


def example(pcm: bytes) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[pcm]))
    features = tf.train.Features(feature={"audio": feature})
    return tf.train.Example(features=features).SerializeToString()


def ask_in_batches(
    model: TrainedModel, signature: str, key: str, items: list[bytes]
) -> Iterator[dict[str, tf.Tensor]]:
    serve = model.saved_model.signatures[signature]
    for first in range(0, len(items), BATCH):
        yield serve(**{key: tf.constant(items[first : first + BATCH])})


def unpack(batches: Iterator[dict[str, tf.Tensor]]) -> Answers:
    return [
        (error.decode(), label.decode(), scores)
        for batch in batches
        for error, label, scores in zip(
            batch["error"].numpy(), batch["label"].numpy(), batch["scores"].numpy(), strict=True
        )
    ]


def ask_alone(raw: list[np.ndarray], model: TrainedModel, _: Path) -> Answers:
    serve = model.saved_model.signatures["serving_default"]
    return unpack(serve(waveform=tf.constant(clip[None])) for clip in raw)


def ask_padded(raw: list[np.ndarray], model: TrainedModel, _: Path) -> Answers:
    serve = model.saved_model.signatures["serving_lengths"]

    def batches() -> Iterator[dict[str, tf.Tensor]]:
        for first in range(0, len(raw), BATCH):
            lengths = [len(clip) for clip in raw[first : first + BATCH]]
            padded = np.full((len(lengths), max(lengths)), np.nan, np.float32)
            for row, clip in zip(padded, raw[first:], strict=False):
                row[: len(clip)] = clip
            yield serve(waveform=tf.constant(padded), lengths=tf.constant(lengths))

    return unpack(batches())


def wav(clip: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, clip, rate, subtype=subtype, format="WAV")
    return file.getvalue()


def ask_wav(raw: list[np.ndarray], model: TrainedModel, _: Path) -> Answers:
    return unpack(ask_in_batches(model, "serving_wav", "audio", [wav(clip) for clip in raw]))


def ask_predict(raw: list[np.ndarray], model: TrainedModel, folder: Path) -> Answers:
    return predict_files([wav(clip) for clip in raw], model, folder)


def predict_files(contents: list[bytes], model: TrainedModel, folder: Path) -> Answers:
    files = [folder / f"{number}.wav" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    labels = model.card.labels
    answers: Answers = []
    for found in model.predict(files, top=len(labels)).files:
        scores = np.zeros(len(labels))
        for answer in found.answers:
            scores[labels.index(answer.label)] = answer.score
        label = found.answers[0].label if found.answers else ""
        answers.append(((found.error or "").partition(":")[0], label, scores))
    return answers


def ask_at_rate(
    raw: list[np.ndarray], rate: int, model: TrainedModel, folder: Path
) -> tuple[Answers, Answers, float]:
    """`serving_wav` of files of another rate, and `auricle predict`, which resamples by soxr."""
    files = [wav(soxr.resample(clip, RATE, rate), rate, "FLOAT") for clip in raw]
    started = time.monotonic()
    answers = unpack(ask_in_batches(model, "serving_wav", "audio", files))
    return answers, predict_files(files, model, folder), time.monotonic() - started


WAYS: dict[str, Callable[[list[np.ndarray], TrainedModel, Path], Answers]] = {
    "serving_default": ask_alone,
    "serving_lengths": ask_padded,
    "serving_wav": ask_wav,
    "auricle predict": ask_predict,
}


def report(way: str, answers: Answers, wanted: Answers, took_s: float) -> None:
    distances = np.array(
        [np.abs(mine[2] - theirs[2]).max() for mine, theirs in zip(answers, wanted, strict=True)]
    )
    same = np.array([mine[:2] == theirs[:2] for mine, theirs in zip(answers, wanted, strict=True)])
    share = np.mean(same & (distances <= NEAR))
    labels = np.mean(~same)
    print(
        f"  {way:18} {share:8.3%} the same, other label {labels:.3%}, scores differ by at most"
        f" {distances.max():.1e}, {1e3 * took_s / len(answers):.2f} ms a clip"
    )


if __name__ == "__main__":
    main()
