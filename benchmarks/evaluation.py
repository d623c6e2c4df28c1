"""What evaluating and reporting cost beside one plain pass of both models over the same clips.

    python benchmarks/evaluation.py RUN_DIRECTORY [--clips 20000] [--repetitions 3]

RUN_DIRECTORY is of a finished `auricle run`. The test clips of its last ingest are repeated under
other ids; its newest model is candidate and baseline at once. The plain pass loads both and asks
them batches of 256 examples; Evaluator does the same, writes the table and has TFMA measure it;
ModelGate judges with intervals in every slice. In one process, in turn: seconds that passed, and
seconds of CPU in all threads, which hold where other work runs on the machine.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
from finished_run import artifact, examples_artifact, newest, repeat_test_clips, spread
from tfx.types import standard_artifacts

from components.artifacts import ClipScores
from components.evaluator.executor import Executor as Evaluator
from components.model_gate.executor import Executor as ModelGate
from components.tasks.classify.config import Gate
from schemas.tasks import FIRST_TASK

_BATCH_CLIPS = 256


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run_directory", type=Path)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        file = repeat_test_clips(arguments.run_directory, folder / "examples", arguments.clips)
        model = newest(arguments.run_directory, "Trainer", "model")
        seconds: dict[str, list[tuple[float, float]]] = {}
        for number in range(arguments.repetitions):
            out = folder / str(number)
            for name, work in (
                ("plain pass", lambda: _plain_pass(model / "Format-Serving", file)),
                ("Evaluator", lambda out=out: _evaluate(model, folder / "examples", out)),
                ("ModelGate", lambda out=out: _judge(model, out)),
            ):
                seconds.setdefault(name, []).append(_seconds(work))
    print(f"{arguments.clips} clips, medians of {arguments.repetitions} (range)\n")
    print("| | seconds | of the plain pass | seconds of CPU | of the plain pass |")
    print("|---|---|---|---|---|")
    for name, runs in seconds.items():
        cells = [name]
        for own, plain in zip(_columns(runs), _columns(seconds["plain pass"]), strict=True):
            ratios = [one / other for one, other in zip(own, plain, strict=True)]
            cells += [spread(own, ".1f"), spread(ratios, ".2f")]
        print(f"| {' | '.join(cells)} |")


def _plain_pass(saved_model: Path, file: Path) -> None:
    models = [tf.saved_model.load(str(saved_model)) for _ in range(2)]
    for records in tf.data.TFRecordDataset(str(file)).batch(_BATCH_CLIPS):
        for model in models:
            model.signatures["serving_examples"](examples=records)["scores"].numpy()


def _evaluate(model: Path, examples: Path, out: Path) -> None:
    Evaluator().Do(
        {
            "examples": [examples_artifact(examples, ["test"])],
            "model": [artifact(standard_artifacts.Model, model)],
            "baseline_model": [artifact(standard_artifacts.Model, model)],
        },
        {
            "evaluation": [artifact(standard_artifacts.ModelEvaluation, out / "evaluation")],
            "scores": [artifact(ClipScores, out / "scores")],
        },
        {"task": FIRST_TASK},
    )


def _judge(model: Path, out: Path) -> None:
    gate = Gate.model_validate({"accuracy": {"at_least": 0.5, "no_worse_by_more_than": 0.01}})
    ModelGate().Do(
        {
            "evaluation": [artifact(standard_artifacts.ModelEvaluation, out / "evaluation")],
            "scores": [artifact(ClipScores, out / "scores")],
            "model": [artifact(standard_artifacts.Model, model)],
            "baseline": [artifact(standard_artifacts.Model, model)],
        },
        {"blessing": [artifact(standard_artifacts.ModelBlessing, out / "blessing")]},
        {"gate": gate.model_dump_json(), "task": FIRST_TASK},
    )


def _seconds(work: Callable[[], None]) -> tuple[float, float]:
    """That passed, and of CPU."""
    started = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - started[0], time.process_time() - started[1]


def _columns(rows: list[tuple[float, float]]) -> list[list[float]]:
    return [list(column) for column in zip(*rows, strict=True)]


if __name__ == "__main__":
    main()
