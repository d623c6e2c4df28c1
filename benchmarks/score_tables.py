"""What judging very many test clips takes: seconds, and memory of each process.

    python benchmarks/score_tables.py [--clips 1000000] [--files 20] [--without tfma]

Scores are made up: clips of 10,000 speakers, 35 classes and five features, with ids of 40 letters,
and two models. Each step then runs in a process of its own, on the files that Evaluator would have
written: reading the table, ModelGate's rules, what the report picks, and TFMA's sums. Memory is the
highest of the process, less what it had after its imports; seconds are of CPU, in all threads.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.evaluation.case import Case
from components.evaluation.coded import Coded
from components.evaluation.score_files import SCORES_FILE, read_list, read_scores, write_scores
from components.evaluation.score_summary import ScoreSummary
from components.evaluation.scores import ClipScores, ModelScores
from components.evaluation.tallies import OVERALL, Tallies, Tally
from components.model_gate.decision import decide
from components.storage.location import location_of
from components.tasks.classify.config import Gate
from components.tasks.classify.curves import detection_errors, reliability
from components.tasks.classify.report import places
from components.tasks.classify.scoring import MEASURE, score_labels

_STATUS = Path("/proc/self/status")
_SPEAKERS = 10_000
_GATE = {"accuracy": {"at_least": 0.5, "slices": ["room"], "no_worse_by_more_than": 0.01}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--classes", type=int, default=35)
    parser.add_argument("--without", nargs="*", default=[], choices=list(_STEPS))
    parser.add_argument("--step", choices=["write", *_STEPS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step == "write":
        write_table(arguments.folder, arguments.clips, arguments.files, arguments.classes)
        return
    if arguments.step:
        _measure(_STEPS[arguments.step], arguments.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "scores"
        write_table(folder, arguments.clips, arguments.files, arguments.classes)
        stored = sum(file.stat().st_size for file in folder.iterdir())
        clips = arguments.clips
        print(f"{clips:,} clips in {arguments.files} files: {stored / clips:.0f} bytes a clip\n")
        print("| step | seconds of CPU | MB | bytes a clip |\n|---|---|---|---|")
        for step in _STEPS:
            if step not in arguments.without:
                done = subprocess.run(
                    [sys.executable, __file__, "--step", step, "--folder", str(folder)],
                    check=True,
                    stdout=subprocess.PIPE,
                )
                seconds, used = json.loads(done.stdout.splitlines()[-1])
                print(f"| {step} | {seconds:.1f} | {used / 1e6:.0f} | {used / clips:.0f} |")


def write_table(folder: Path, clips: int, files: int, classes: int) -> None:
    """Writes a table of made-up scores as Evaluator does, file by file."""
    summary = ScoreSummary()
    for number, numbers in enumerate(np.array_split(np.arange(clips), files)):
        part, name = _part(numbers, classes), f"test-{number:05}-00000.npz"
        write_scores(part, location_of(folder) / name)
        summary = summary.joined(ScoreSummary.of((number, 0), name, part, []))
    listed = summary.listed("label", has_baseline=True, incomparable="")
    (folder / SCORES_FILE).write_text(listed.model_dump_json())


def _part(numbers: np.ndarray, classes: int) -> ClipScores:
    rng = np.random.default_rng(int(numbers[0]))
    labels = np.array([f"word {number:03}" for number in range(classes)])
    true, clips = rng.integers(0, classes, len(numbers)), len(numbers)
    speakers = rng.integers(0, _SPEAKERS, clips)

    def model() -> ModelScores:
        logits = rng.normal(size=(clips, classes)).astype(np.float32)
        logits[np.arange(clips), true] += 4
        exponents = np.exp(logits)
        return score_labels(labels[true], labels, exponents / exponents.sum(axis=1, keepdims=True))

    texts = {
        "label": labels[true],
        "speaker": np.array([f"speaker {n:05}" for n in range(_SPEAKERS)])[speakers],
        "snr": np.array(["below 10 dB", "10 to 20 dB", "20 to 30 dB"])[rng.integers(0, 3, clips)],
        "duration": np.array(["0.5 to 1 s", "1 to 2 s"])[rng.integers(0, 2, clips)],
        "room": np.array([f"room {n}" for n in range(200)])[rng.integers(0, 200, clips)],
    }
    return ClipScores(
        ids=np.array([f"recordings/{number:029}" for number in numbers.tolist()]),
        targets=Coded.of(labels[true]),
        units=np.ones(clips),
        speakers=Coded.of(texts["speaker"]),
        folds=Coded.all("", clips),
        features={name: Coded.of(each) for name, each in texts.items()},
        unsliced={},
        candidate=model(),
        baseline=model(),
    )


def _read(folder: Path) -> None:
    read_scores(folder / SCORES_FILE)


def _gate(folder: Path) -> None:
    scores = read_scores(folder / SCORES_FILE)
    gate = Gate.model_validate(_GATE)
    case = Case(MEASURE, gate.confidence, scores.counted, _tallies(scores), folder)
    settings = gate.model_dump_json()
    decide(case, scores, task="classify", settings=settings, baseline=case.tallies)


def _tallies(scores: ClipScores) -> Tallies:
    """In place of TFMA's."""
    found = {OVERALL: {OVERALL: Tally.of(scores.candidate.errors, scores.units)}}
    for name, texts in scores.features.items():
        clips, errors = np.bincount(texts.codes), np.bincount(texts.codes, scores.candidate.errors)
        found[name] = {
            str(value): Tally(float(e), float(n), int(n))
            for value, n, e in zip(texts.values, clips, errors, strict=True)
        }
    return found


def _report(folder: Path) -> None:
    scores = read_scores(folder / SCORES_FILE)
    assert places(scores)
    reliability(scores)
    detection_errors(scores)


def _tfma(folder: Path) -> None:
    import apache_beam as beam

    from components.evaluation.tfma_evaluation import CANDIDATE, evaluate
    from components.evaluation.tfma_results import read_results

    output = str(folder.parent / "tfma")
    with beam.Pipeline() as pipeline:
        evaluate(location_of(folder) / SCORES_FILE, output, pipeline)
    clips = read_list(folder / SCORES_FILE).clips
    assert read_results(output, CANDIDATE)[OVERALL][OVERALL].clips == clips


_STEPS: dict[str, Callable[[Path], None]] = {
    "read": _read,
    "gate": _gate,
    "report": _report,
    "tfma": _tfma,
}


def _measure(step: Callable[[Path], None], folder: Path) -> None:
    if step is _tfma:
        import tensorflow_model_analysis  # noqa: F401 (what it takes is no part of the step)
    before = _most_bytes()
    started = time.process_time()
    step(folder)
    print(json.dumps([time.process_time() - started, _most_bytes() - before]))


def _most_bytes() -> int:
    """The highest memory of this process, whatever its parent had."""
    [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
