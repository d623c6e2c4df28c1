"""What the weights of the last model save when new recordings come, with the code of a run.

    python benchmarks/warm_start.py ../shared/data/fsdd/manifest.jsonl results.jsonl \\
        --sample-rate 8000 --eval-speaker nicolas

A model is trained on half of the clips of all other speakers, chosen by hash; then, with all of
their clips, one from scratch and one from the first one's weights, at the same highest rate and at
others (`--rates`, as shares of it). All are measured on the clips of the eval speaker after each
epoch. How far a training came is the eval accuracy of the epoch whose weights it keeps; how fast,
the first epoch that is at least as good as the one from scratch at its end.

Every training is a line of RESULTS as soon as it is there, and is not done again.
"""

import argparse
import hashlib
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from architectures import ingest, limit_threads, make_parser


def main() -> None:
    arguments = _parse()
    limit_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        files = _write(arguments, Path(scratch))
        for seed in arguments.seeds:
            _run(arguments, files, seed, Path(scratch) / f"seed{seed}")
    _print_table(arguments.results)


def _parse() -> argparse.Namespace:
    parser = make_parser()
    parser.add_argument("--eval-speaker", required=True)
    parser.add_argument("--architecture", default="cnn")
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rates", nargs="+", type=float, default=[1.0, 0.3])
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def _write(arguments: argparse.Namespace, scratch: Path) -> dict[str, list[str]]:
    """Files of half of the training clips, of all, and of the eval speaker's."""
    from schemas.example import decode_example
    from schemas.tfrecord import frame_record

    parts: dict[str, list[bytes]] = {"half": [], "all": [], "eval": []}
    for example in ingest(arguments.manifest, arguments.sample_rate, scratch):
        features = decode_example(example)
        if features["speaker"] == arguments.eval_speaker:
            parts["eval"].append(example)
            continue
        parts["all"].append(example)
        if hashlib.sha256(str(features["id"]).encode()).digest()[0] < 128:
            parts["half"].append(example)
    for name, examples in parts.items():
        (scratch / name).write_bytes(b"".join(frame_record(example) for example in examples))
    return {name: [str(scratch / name)] for name in parts}


def _run(
    arguments: argparse.Namespace, files: dict[str, list[str]], seed: int, folder: Path
) -> None:
    trainings = [("half", None, 1.0), ("all", None, 1.0)]
    trainings += [("all", str(folder / "half"), rate) for rate in arguments.rates]
    done = {(each["seed"], each["what"]) for each in _results(arguments.results)}
    if all((seed, _what(*training)) in done for training in trainings):
        return
    for data, base, rate in trainings:
        what = _what(data, base, rate)
        if (seed, what) in done and what != "half":  # the others start from that one's weights
            continue
        model = folder / what.replace(" ", "_")
        history = _train(arguments, files[data], files["eval"], base, rate, seed, model)
        if (seed, what) not in done:
            with arguments.results.open("a") as file:
                file.write(json.dumps({"seed": seed, "what": what, "history": history}) + "\n")
            print(seed, what, [round(epoch["val_accuracy"], 3) for epoch in history], flush=True)


def _what(data: str, base: str | None, rate: float) -> str:
    if base is None:
        return "half" if data == "half" else "scratch"
    return f"champion, rate x {rate:g}"


def _train(
    arguments: argparse.Namespace,
    train_files: list[str],
    eval_files: list[str],
    base: str | None,
    rate: float,
    seed: int,
    model: Path,
) -> list[dict[str, Any]]:
    import keras
    from tfx.components.trainer.fn_args_utils import FnArgs

    from components.trainer.run_fn import run_fn
    from schemas.workflow.audio import Audio
    from schemas.workflow.augment import Augment
    from schemas.workflow.frontend import Frontend
    from schemas.workflow.model import Model
    from schemas.workflow.train import Train

    keras.backend.clear_session()
    defaults = Train()
    blocks = {
        "audio": Audio(sample_rate=arguments.sample_rate),
        "frontend": Frontend(),
        "augment": Augment(),
        "model": Model(architecture=arguments.architecture, filters=arguments.filters),
        "train": Train(
            epochs=arguments.epochs,
            learning_rate=rate * defaults.learning_rate,
            seed=seed,
            start="champion" if base else "scratch",
        ),
    }
    workflow = {"name": "warm", **{name: block.model_dump() for name, block in blocks.items()}}
    run = model.with_name(model.name + "_run")
    run_fn(
        FnArgs(
            train_files=train_files,
            eval_files=eval_files,
            serving_model_dir=str(model),
            model_run_dir=str(run),
            base_model=base,
            custom_config={
                "workflow": json.dumps(workflow),
                "generated": False,
                "examples": "",
                "code": "",
                "checkpoints": str(model.with_name("checkpoints")),
            },
        )
    )
    history: list[dict[str, Any]] = json.loads((run / "history.json").read_text())
    return history


def _results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _print_table(path: Path) -> None:
    results = _results(path)
    scratch = {each["seed"]: each["history"] for each in results if each["what"] == "scratch"}
    print("\n| all clips | eval accuracy | of the first epoch | epochs to reach it | seconds |")
    print("|---|---|---|---|---|")
    for what in sorted({each["what"] for each in results} - {"half"}, reverse=True):
        of_one = [each for each in results if each["what"] == what]
        reached = [_reached(each["history"], scratch[each["seed"]]) for each in of_one]
        print(
            f"| {what} | {_spread([_kept(each['history']) for each in of_one], '.3f')} "
            f"| {_spread([each['history'][0]['val_accuracy'] for each in of_one], '.3f')} "
            f"| {_spread([epochs for epochs, _ in reached], '.0f')} "
            f"| {_spread([seconds for _, seconds in reached], '.1f')} |"
        )
    half = [_kept(each["history"]) for each in results if each["what"] == "half"]
    print(f"\nThe model of half of the clips: {_spread(half, '.3f')}.")


def _kept(history: list[dict[str, Any]]) -> float:
    """Eval accuracy of the epoch whose weights are kept."""
    best = min(history, key=lambda epoch: epoch["val_loss"])
    return float(best["val_accuracy"])


def _reached(
    history: list[dict[str, Any]], scratch: list[dict[str, Any]]
) -> tuple[float | None, float | None]:
    """Epochs and seconds until it is as good as the one from scratch; None where it never is."""
    seconds = 0.0
    for epoch in history:
        seconds += epoch["seconds"]
        if epoch["val_accuracy"] >= _kept(scratch):
            return epoch["epoch"], seconds
    return None, None


def _spread(values: list[float | None], shown: str) -> str:
    """Each value, and their mean where all are there."""
    each = ", ".join("never" if value is None else format(value, shown) for value in values)
    known = [value for value in values if value is not None]
    mean = f" (mean {statistics.mean(known):{shown}})" if len(known) == len(values) else ""
    return f"{each}{mean}"


if __name__ == "__main__":
    main()
