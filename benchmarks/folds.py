"""What cross-validation says of a hundred clips, against ten times as many that nobody was taught.

    python benchmarks/folds.py DATA [--seeds 5] [--words 5] [--clips 20] [--by-speaker]

`DATA` is a folder with a `manifest.jsonl`. For each seed some words and some clips of each are
drawn, with --by-speaker of half of the speakers. They are divided into five folds and trained as
Trainer does it: a model without each fold, and one on all. The truth is how the model of all clips
answers the other clips of these words (with --by-speaker: those of the other speakers). The mean of
the folds' models, which could ship instead, answers them too. Then: which verdicts the gate would
give on the folds' answers, and whether the truth is on their side.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from components.audio.condition import condition
from components.audio.decode import decode
from components.audio.pcm16 import to_pcm16
from components.evaluation.fold_models import FoldModels
from components.evaluation.measures import ShareRight
from components.evaluation.scores import Sample
from components.evaluation.tallies import Tally
from components.example_gen.splits import divide
from components.trainer.cross_validation import cross_validate
from components.trainer.dataset import Learned
from components.trainer.training import Training
from schemas.utterance import Utterance
from schemas.workflow.audio import Audio
from schemas.workflow.augment import Augment
from schemas.workflow.data import Split
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model
from schemas.workflow.train import Train
from schemas.workflow.training import TrainingSettings

FOLDS, CONFIDENCE = 5, 0.95
LIMITS = (0.8, 0.85, 0.9, 0.95)
MEASURE = ShareRight("accuracy")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--words", type=int, default=5)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--by-speaker", action="store_true")
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in (arguments.data / "manifest.jsonl").open()]
    verdicts: Counter[tuple[float, str]] = Counter()
    print(
        "| seed | folds say | truth | mean of the folds' models | clips | seconds | one training |"
    )
    print("|---|---|---|---|---|---|---|")
    for seed in range(1, arguments.seeds + 1):
        rng = random.Random(seed)
        few, many = draw(rows, rng, arguments)
        errors, truth, mean, seconds, once = measure(arguments, few, many, seed)
        low, high = interval(errors, few, arguments.by_speaker)
        print(
            f"| {seed} | {1 - errors.mean():.3f} ({low:.3f} to {high:.3f}) | {truth:.3f} |"
            f" {mean:.3f} | {len(few)} / {len(many)} | {seconds:.0f} | {once:.0f} |",
            flush=True,
        )
        for limit in LIMITS:
            verdicts[limit, verdict(low, high, limit, truth)] += 1
    print()
    for limit in LIMITS:
        found = {name: count for (each, name), count in verdicts.items() if each == limit}
        print(f"at_least {limit}: {found}")


def draw(
    rows: list[dict[str, str]], rng: random.Random, arguments: argparse.Namespace
) -> tuple[list[Utterance], list[Utterance]]:
    """The clips that are divided into folds, and those that tell the truth."""
    words = sorted(rng.sample(sorted({row["label"] for row in rows}), arguments.words))
    speakers = sorted({row["speaker"] for row in rows})
    rng.shuffle(speakers)
    known = set(speakers[: len(speakers) // 2] if arguments.by_speaker else speakers)
    few, many = [], []
    for word in words:
        own = [utterance(row, arguments) for row in rows if row["label"] == word]
        rng.shuffle(own)
        taken = [row for row in own if speaker_of(row) in known][: arguments.clips]
        few += taken
        ids = {row.id for row in taken}
        others = [row for row in own if row.id not in ids]
        if arguments.by_speaker:
            others = [row for row in others if speaker_of(row) not in known]
        many += others[: 10 * arguments.clips]
    return few, many


def utterance(row: dict[str, str], arguments: argparse.Namespace) -> Utterance:
    uri = row["audio_filepath"]
    path, speaker = str(arguments.data / uri), row["speaker"] if arguments.by_speaker else ""
    return Utterance(uri, uri, path, row["label"], speaker, metadata={"who": row["speaker"]})


def speaker_of(row: Utterance) -> object:
    return row.metadata["who"]


def measure(
    arguments: argparse.Namespace, few: list[Utterance], many: list[Utterance], seed: int
) -> tuple[np.ndarray, float, float, float, float]:
    """Errors of the few by the models that have not heard them; the truth, and how good the mean
    of these models would be; seconds of all trainings, and of one.
    """
    audio = Audio(sample_rate=8000 if "fsdd" in arguments.data.name else 16000)
    settings = TrainingSettings(
        name="folds",
        audio=audio,
        frontend=Frontend(),
        augment=Augment(),
        model=Model(),
        train=Train(seed=seed),
    )
    with tempfile.TemporaryDirectory() as scratch:
        divided = divide(few, Split(folds=FOLDS))
        files = {name: [write(rows, audio, Path(scratch) / name)] for name, rows in divided.items()}
        everything = [file for each in files.values() for file in each]
        training = Training(settings, everything, [], Learned.read(everything, "classify"))
        start = time.monotonic()
        model, folds = cross_validate(training, files, Path(scratch) / "c", Path(scratch) / "l")
        seconds = time.monotonic() - start
        history = json.loads((Path(scratch) / "l" / "history.json").read_text())
    labels = training.labels
    heard = {row.id: name for name, rows in divided.items() for row in rows}
    truth = right(scores(model, many, audio), many, labels).mean()
    errors, means = np.zeros(len(few)), np.zeros((len(many), len(labels)))
    for name in folds.weights:
        put(model, folds, name)
        own = np.array([heard[row.id] == name for row in few])
        chosen = [row for row in few if heard[row.id] == name]
        errors[own] = ~right(scores(model, chosen, audio), chosen, labels)
        means += scores(model, many, audio)
    mean = right(means, many, labels).mean()
    return errors, truth, mean, seconds, sum(epoch["seconds"] for epoch in history)


def write(rows: list[Utterance], audio: Audio, file: Path) -> str:
    """A TFRecord file of the rows, with the features that training reads."""
    with tf.io.TFRecordWriter(str(file)) as writer:
        for row, clip in zip(rows, read(rows, audio), strict=True):
            values = {
                "audio": to_pcm16(clip),
                "label": row.target.encode(),
                "split_key": row.split_key.encode(),
            }
            features = {
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for key, value in values.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return str(file)


def read(rows: list[Utterance], audio: Audio) -> list[np.ndarray]:
    decoded = (decode(Path(row.path).read_bytes(), audio.sample_rate) for row in rows)
    return [condition(clip.waveform, audio) for clip in decoded]


def scores(model: keras.Model, rows: list[Utterance], audio: Audio) -> np.ndarray:
    return tf.nn.softmax(model.predict(np.stack(read(rows, audio)), verbose=0)).numpy()


def right(scored: np.ndarray, rows: list[Utterance], labels: list[str]) -> np.ndarray:
    answers = np.array(labels)[scored.argmax(axis=1)]
    return answers == np.array([row.target for row in rows])


def put(model: keras.Model, folds: FoldModels, name: str) -> None:
    variables = [each for each in model.variables if "float" in str(each.dtype)]
    for variable, values in zip(variables, folds.weights[name], strict=True):
        variable.assign(values)


def interval(errors: np.ndarray, rows: list[Utterance], is_clustered: bool) -> tuple[float, float]:
    units, speakers = np.ones(len(errors)), np.array([row.speaker for row in rows], np.str_)
    sample = Sample(errors, units, speakers, is_clustered)
    return MEASURE.interval(Tally.of(errors, units), sample, CONFIDENCE)


def verdict(low: float, high: float, limit: float, truth: float) -> str:
    """What the gate would say, and whether the truth agrees."""
    if low >= limit:
        return "blessed, rightly" if truth >= limit else "blessed, wrongly"
    if high < limit:
        return "refused, rightly" if truth < limit else "refused, wrongly"
    return "undecided, good" if truth >= limit else "undecided, bad"


if __name__ == "__main__":
    main()
