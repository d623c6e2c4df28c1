"""What an engineer would glue together by hand: the steps of `auricle run` without TFX and Beam.

    python benchmarks/plain_script.py WORKFLOW OUT

Lists, decodes, conditions and writes the examples, describes their side features, trains with the
same settings, exports, scores the test clips, judges, writes the report page and copies the model:
with our own functions, so that only the frame around them differs. No cache, no metadata, no
fingerprints, no progress.
"""

import datetime
import json
import os
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from components.audio.condition import condition
from components.audio.decode import decode
from components.audio.measure import measure
from components.audio.pcm16 import to_pcm16
from components.example_gen.sources import list_utterances
from components.example_gen.splits import assign_split
from pipeline.config.loader import read_workflow
from schemas.example import encode_example
from schemas.tasks import FIRST_TASK
from schemas.tfrecord import frame_record
from schemas.workflow.workflow import Workflow


def main() -> None:
    file, out = Path(sys.argv[1]), Path(sys.argv[2])
    workflow = read_workflow(file)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    examples, features = write_examples(workflow, file.resolve().parent, out)
    (out / "statistics.json").write_text(json.dumps(describe(features), indent=2))
    labels = train(workflow, examples, out)
    accuracy, confusion = evaluate(examples["test"], labels, out / "model")
    verdict = {"accuracy": accuracy, "labels": labels, "confusion": confusion.tolist()}
    (out / "verdict.json").write_text(json.dumps(verdict))
    write_page(out, verdict)
    shutil.copytree(out / "model", out / "serving" / "1")
    print(f"{datetime.datetime.now():%H:%M:%S} accuracy {accuracy:.3f}")


def write_examples(
    workflow: Workflow, base: Path, out: Path
) -> tuple[dict[str, str], dict[str, list[float]]]:
    """One TFRecord file a split; the side features of all clips."""
    names = {split: str(out / split) for split in ("train", "eval", "test")}
    files = {split: open(name, "wb") for split, name in names.items()}  # noqa: PTH123, SIM115
    features: dict[str, list[float]] = defaultdict(list)
    for row in list_utterances(workflow.data, base).utterances:
        decoded = decode(Path(row.path).read_bytes(), workflow.audio.sample_rate)
        measured = measure(decoded.waveform, workflow.audio.sample_rate)
        for name, value in measured.items():
            features[name].append(value)
        example = {
            **measured,
            "id": row.id,
            "uri": row.uri,
            "split_key": row.split_key,
            "speaker": row.speaker,
            "label": row.target,
            "metadata": "{}",
            "audio": to_pcm16(condition(decoded.waveform, workflow.audio)),
            "source_rate_hz": decoded.source_rate_hz,
            "source_channels": decoded.source_channels,
            "source_format": decoded.source_format,
        }
        file = files[assign_split(row, workflow.data.split)]
        file.write(frame_record(encode_example(example)))
    for file in files.values():
        file.close()
    return names, features


def describe(features: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    return {
        name: {"mean": float(np.mean(values)), "std": float(np.std(values))}
        for name, values in features.items()
    }


def train(workflow: Workflow, examples: dict[str, str], out: Path) -> list[str]:
    from components.models import build_model
    from components.tasks import feeding
    from components.trainer import dataset
    from components.trainer.export import export_model
    from components.trainer.fit import fit
    from schemas.reports.model_card import ModelCard

    settings, audio = workflow.train, workflow.audio
    clip_samples = round(audio.clip_s * audio.sample_rate)
    files = [examples["train"]]
    learned = dataset.Learned.read(files, FIRST_TASK)
    labels = learned.labels
    model = build_model(
        num_outputs=len(labels),
        sample_rate=audio.sample_rate,
        clip_samples=clip_samples,
        frontend=workflow.frontend,
        augment=workflow.augment,
        model=workflow.model,
        seed=settings.seed,
    )
    fit(
        model,
        lambda epoch: dataset.make_train_dataset(
            files, learned, clip_samples, settings.batch_size, settings.seed, epoch
        ),
        dataset.make_eval_dataset([examples["eval"]], learned, clip_samples, settings.batch_size),
        feeding.model(FIRST_TASK),
        epochs=settings.epochs,
        steps_per_epoch=-(-learned.clips // settings.batch_size),
        learning_rate=settings.learning_rate,
        patience=settings.patience,
        checkpoint_dir=out / "checkpoint",
        log_dir=out / "logs",
    )
    card = ModelCard(
        name=workflow.name,
        labels=labels,
        audio=audio.model_dump(),
        frontend=workflow.frontend,
        model=workflow.model,
        parameters=model.count_params(),
        generated=False,
    )
    export_model(model, card, str(out / "model"))
    return labels


def evaluate(test: str, labels: list[str], saved_model: Path) -> tuple[float, np.ndarray]:
    import tensorflow as tf

    signature = tf.saved_model.load(str(saved_model)).signatures["serving_examples"]
    confusion = np.zeros((len(labels), len(labels)), int)
    for records in tf.data.TFRecordDataset([test]).batch(256):
        parsed = tf.io.parse_example(records, {"label": tf.io.FixedLenFeature([], tf.string)})
        answers = signature(examples=records)["label"].numpy()
        for true, answer in zip(parsed["label"].numpy(), answers, strict=True):
            confusion[labels.index(true.decode()), labels.index(answer.decode())] += 1
    return float(np.trace(confusion) / confusion.sum()), confusion


def write_page(out: Path, verdict: dict) -> None:
    """Curves and confusion as a person would draw them at the end of a script."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    history = json.loads((out / "logs" / "history.json").read_text())
    figure, (curves, matrix) = pyplot.subplots(1, 2)
    curves.plot([epoch["loss"] for epoch in history])
    curves.plot([epoch["val_loss"] for epoch in history])
    matrix.imshow(verdict["confusion"])
    figure.savefig(out / "report.png")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
