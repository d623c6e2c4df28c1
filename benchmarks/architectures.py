"""Accuracy of each architecture on speakers it never heard, with the code that a run trains with.

    python benchmarks/architectures.py ../shared/data/fsdd/manifest.jsonl results.jsonl \\
        --sample-rate 8000
    python benchmarks/architectures.py ../shared/data/arabic_commands/manifest.jsonl \\
        results.jsonl --speakers 6/2/2

Without `--speakers` each speaker is left out in turn: the others train, but for a tenth of their
clips, chosen by hash, that picks the best epoch. The one left out is used once, at the end. With
`--speakers 6/2/2` the speakers, in the order of their names, train, pick and test. All else is the
default of a workflow, unless said with `--set block.key=value`.

Every result is a line of RESULTS as soon as it is there: a benchmark that was stopped goes on where
it was. The table printed at the end is made of that file alone (`--table`: print, train nothing).
"""

import argparse
import functools
import hashlib
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ARCHITECTURES = (
    *("cnn", "rnn", "lstm", "cnn_lstm"),
    *("tc_resnet", "ds_cnn", "bc_resnet", "att_rnn", "crnn"),
)
_EVAL_SHARE = 0.1


def main() -> None:
    arguments = make_training_parser().parse_args()
    if not arguments.table:
        limit_threads(arguments.threads)
        _run(arguments)
    _print_table(arguments.results)


def limit_threads(threads: int) -> None:
    """To be called before TensorFlow starts: a benchmark may share its machine."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"


def make_parser() -> argparse.ArgumentParser:
    """Of the arguments that every benchmark of trainings takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--sample-rate", type=int, default=16000)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    return parser


def make_training_parser() -> argparse.ArgumentParser:
    """The same, and which models are trained on whom."""
    parser = make_parser()
    parser.add_argument("--speakers", help="speakers that train/pick/test, e.g. 6/2/2")
    parser.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES)
    parser.add_argument("--set", nargs="*", default=[], metavar="BLOCK.KEY=VALUE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="print the table, train nothing")
    return parser


def _run(arguments: argparse.Namespace) -> None:
    data_set = arguments.manifest.resolve().parent.name
    done = {
        (result["data_set"], result["architecture"], tuple(result["test"]), result["seed"])
        for result in _results(arguments.results)
    }
    with tempfile.TemporaryDirectory() as scratch:
        examples = ingest(arguments.manifest, arguments.sample_rate, Path(scratch))
        for seed in arguments.seeds:
            for number, (test, split) in enumerate(folds(examples, arguments.speakers)):
                files = write(split, Path(scratch) / f"fold{number}")
                for architecture in arguments.architectures:
                    if (data_set, architecture, tuple(test), seed) in done:
                        continue
                    blocks = blocks_of(architecture, arguments)
                    result = _train(architecture, blocks, files, seed)
                    line = {"data_set": data_set, "test": test, "settings": arguments.set, **result}
                    with arguments.results.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    print(json.dumps(line), flush=True)


def ingest(manifest: Path, sample_rate: int, scratch: Path) -> list[bytes]:
    """All examples of a manifest, as a run of the pipeline would store them."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from components.example_gen.index_writer import write_index
    from components.example_gen.sources import list_utterances
    from components.example_gen.transforms import IngestUtterances, Places
    from schemas.tfrecord import read_records
    from schemas.workflow.audio import Audio
    from schemas.workflow.data import Data

    data = Data(manifests=str(manifest))
    listing = list_utterances(data, Path())
    index = write_index(listing, data, scratch, scratch / "digests.sqlite")
    folders = [str(scratch / name) for name in ("examples", "rejects", "report", "shards")]
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        _ = pipeline | IngestUtterances(Places(index.uri, *folders), Audio(sample_rate=sample_rate))
    files = sorted((scratch / "examples").glob("*/data_tfrecord-*"))
    return [record for file in files for record in read_records(file)]


def folds(
    examples: list[bytes], speakers: str | None
) -> Iterator[tuple[list[str], dict[str, list[bytes]]]]:
    """The speakers that test, and the examples of each split."""
    from schemas.example import decode_example

    by_speaker = defaultdict(list)
    for example in examples:
        features = decode_example(example)
        by_speaker[str(features["speaker"])].append((str(features["id"]), example))
    names = sorted(by_speaker)
    if speakers:
        train, pick, _ = (int(count) for count in speakers.split("/"))
        groups = names[:train], names[train : train + pick], names[train + pick :]
        yield (
            groups[2],
            {
                split: [example for name in group for _, example in by_speaker[name]]
                for split, group in zip(("train", "eval", "test"), groups, strict=True)
            },
        )
        return
    for left_out in names:
        split = defaultdict(list)
        for name in names:
            for identity, example in by_speaker[name]:
                kept = "eval" if _hash_share(identity) < _EVAL_SHARE else "train"
                split["test" if name == left_out else kept].append(example)
        yield [left_out], split


def _hash_share(identity: str) -> float:
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") / 2**64


def write(split: dict[str, list[bytes]], folder: Path) -> dict[str, list[str]]:
    """Files of the examples of each split."""
    from schemas.tfrecord import frame_record

    folder.mkdir(exist_ok=True)
    for name, examples in split.items():
        (folder / name).write_bytes(b"".join(frame_record(example) for example in examples))
    return {name: [str(folder / name)] for name in split}


def blocks_of(architecture: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The blocks of a workflow that a training depends on: defaults, changed by `--set`."""
    from schemas.workflow.augment import Augment
    from schemas.workflow.frontend import Frontend
    from schemas.workflow.model import Model
    from schemas.workflow.train import Train

    blocks: dict[str, Any] = {
        "frontend": Frontend().model_dump(),
        "augment": Augment().model_dump(),
        "model": Model(architecture=architecture).model_dump(),
        "train": Train().model_dump(),
        "audio": {"sample_rate": arguments.sample_rate},
    }
    for setting in arguments.set:
        path, value = setting.split("=")
        *outer, key = path.split(".")
        block = functools.reduce(lambda parent, name: parent[name], outer, blocks)
        block[key] = json.loads(value)
    return blocks


def _train(
    architecture: str, blocks: dict[str, Any], files: dict[str, list[str]], seed: int
) -> dict[str, Any]:
    model, labels, result = train(architecture, blocks, files, seed)
    clips = [example for file in files["test"] for example in read_clips(file)]
    return result | {"accuracy": accuracy(model, labels, clips)}


def read_clips(file: str) -> list[tuple[str, str, Any]]:
    """Id, label and waveform of each clip of a file of examples."""
    from components.audio.pcm16 import from_pcm16
    from schemas.example import decode_example
    from schemas.tfrecord import read_records

    examples = map(decode_example, read_records(Path(file)))
    return [(str(e["id"]), str(e["label"]), from_pcm16(e["audio"])) for e in examples]


def accuracy(model: Any, labels: list[str], clips: list[tuple[str, str, Any]]) -> float:
    """The share of clips labelled right."""
    import numpy as np

    logits = model.predict(np.stack([waveform for _, _, waveform in clips]), 256, verbose=0)
    answers = np.array(labels)[logits.argmax(axis=1)]
    return float((answers == np.array([label for _, label, _ in clips])).mean())


def train(
    architecture: str,
    blocks: dict[str, Any],
    files: dict[str, list[str]],
    seed: int,
    noise: str = "",
) -> tuple[Any, list[str], dict[str, Any]]:
    """A trained model, its labels, and what its training was like; `noise` is a list of recordings
    to mix in, as `schemas.background` has it.
    """
    import keras

    from components.trainer.dataset import Learned
    from components.trainer.training import Training
    from schemas.tasks import FIRST_TASK
    from schemas.workflow.training import TrainingSettings

    keras.backend.clear_session()
    blocks = blocks | {
        "name": "benchmark",
        "model": blocks["model"] | {"architecture": architecture},
    }
    blocks["train"] = blocks["train"] | {"seed": seed}
    settings = TrainingSettings.model_validate(blocks)
    learned = Learned.read(files["train"], FIRST_TASK)
    training = Training(settings, files["train"], files["eval"], learned, noise=noise)
    model = training.build()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        training.fit(model, Path(scratch), Path(scratch))
        history = json.loads((Path(scratch) / "history.json").read_text())
    return (
        model,
        learned.labels,
        {
            "architecture": architecture,
            "seed": seed,
            "eval_accuracy": max(epoch["val_value"] for epoch in history),
            "parameters": model.count_params(),
            "epochs": len(history),
            "seconds": time.monotonic() - started,
        },
    )


def _results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _print_table(path: Path) -> None:
    results = _results(path)
    for data_set in sorted({result["data_set"] for result in results}):
        rows = [result for result in results if result["data_set"] == data_set]
        folds = sorted({", ".join(result["test"]) for result in rows})
        print(f"\n{data_set}\n")
        print(f"| architecture | {' | '.join(folds)} | mean of all | parameters | s |")
        print("|---" * (len(folds) + 4) + "|")
        for architecture in ARCHITECTURES:
            of_one = [result for result in rows if result["architecture"] == architecture]
            if not of_one:
                continue
            by_fold = [
                [each["accuracy"] for each in of_one if ", ".join(each["test"]) == fold]
                for fold in folds
            ]
            cells = [_mean_and_spread(accuracies) for accuracies in by_fold]
            means = [statistics.mean(accuracies) for accuracies in by_fold if accuracies]
            seconds = statistics.mean(each["seconds"] for each in of_one)
            print(
                f"| {architecture} | {' | '.join(cells)} | {statistics.mean(means):.3f} "
                f"| {of_one[0]['parameters']:,} | {seconds:.0f} |"
            )


def _mean_and_spread(accuracies: list[float]) -> str:
    if not accuracies:
        return "-"
    return f"{statistics.mean(accuracies):.3f} ({min(accuracies):.2f} to {max(accuracies):.2f})"


if __name__ == "__main__":
    main()
