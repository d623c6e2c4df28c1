"""What Report costs for a large test split.

    python benchmarks/report.py RUN_DIRECTORY [--clips 20000] [--repetitions 3]
                                [--heard 150] [--keep FILE] [--profile]

RUN_DIRECTORY is of a finished `auricle run`. The test clips and scores of its last ingest are
repeated under other ids, and the verdict is given three rules that name ten wrong clips each, as
many as the page plays. Each repetition is a process of its own, which imports TensorFlow and TFX
before the clock starts, as a run has: what is measured includes loading the model and building its
gradient. `--heard` says how many clips at most lie behind the cells of the confusion matrix: with
150 and with 0 the difference is what they cost. `--keep FILE` keeps the page. With `--profile` one
page is made here, and the functions that took longest are listed.
"""

import argparse
import cProfile
import json
import multiprocessing
import pstats
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf
from finished_run import artifact, examples_artifact, newest, repeat_test_clips, seconds_of, spread
from tfx.types import standard_artifacts

from components.artifacts import ClipScores, DataVerdict, IngestReport, Rejects, RunReport
from components.evaluation.score_files import read_scores, scores_file, write_scores
from components.evaluation.scores import ClipScores as Scores
from components.report.executor import REPORT_FILE, Executor
from components.storage.location import location_of
from components.tasks.classify import cells
from components.tasks.classify.metrics import confusion
from schemas.reports.verdict import VERDICT_FILE, GateRule, read_verdict


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run_directory", type=Path)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--heard", type=int, default=cells.CLIPS_IN_ALL)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _prepare(arguments.run_directory.resolve(), folder, arguments.clips)
        if arguments.profile:
            profile = cProfile.Profile()
            profile.runcall(_report, arguments.run_directory, folder)
            pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
            return
        processes = multiprocessing.get_context("spawn")
        seconds: list[tuple[float, float]] = []
        for _ in range(arguments.repetitions):
            with processes.Pool(1) as pool:
                seconds.append(
                    pool.apply(_measure, (arguments.run_directory, folder, arguments.heard))
                )
        size = (folder / "report" / REPORT_FILE).stat().st_size
        if arguments.keep is not None:
            shutil.copy(folder / "report" / REPORT_FILE, arguments.keep)
    elapsed, cpu = (list(each) for each in zip(*seconds, strict=True))
    print(
        f"{arguments.clips} clips: {spread(elapsed, '.1f')} s, {spread(cpu, '.1f')} s of CPU,"
        f" {size / 1e6:.1f} MB"
    )


def _prepare(run_directory: Path, folder: Path, clips: int) -> None:
    repeat_test_clips(run_directory, folder / "examples", clips)
    train = newest(run_directory, "AudioExampleGen", "examples") / "Split-train"
    (folder / "examples" / "Split-train").symlink_to(train)
    scores = _repeated(
        read_scores(scores_file(newest(run_directory, "Evaluator", "scores"))), clips
    )
    write_scores(scores, folder / "scores" / "test.npz")
    blessing = newest(run_directory, "ModelGate", "blessing")
    verdict = read_verdict(location_of(blessing) / VERDICT_FILE)
    details = verdict.details.model_copy(update={"confusion": confusion(scores)})
    wrong = scores.ids[~scores.candidate.is_right][:30].tolist()
    rules = [
        GateRule(name=f"rule {i}", outcome="broken", said=f"rule {i}", clips=wrong[i::3])
        for i in range(3)
    ]
    changes = {"details": details, "rules": rules, "reasons": [rule.message for rule in rules]}
    (folder / "blessing").mkdir()
    (folder / "blessing" / VERDICT_FILE).write_text(
        verdict.model_copy(update=changes).model_dump_json()
    )


def _repeated(scores: Scores, clips: int) -> Scores:
    places = np.resize(np.arange(len(scores.ids)), clips)
    ids = np.arange(clips).astype(np.str_)
    return replace(scores.select(places), ids=ids, features={}, baseline=None)


def _measure(run_directory: Path, folder: Path, heard: int) -> tuple[float, float]:
    """Seconds, and seconds of CPU on all cores."""
    cells.CLIPS_IN_ALL = heard
    tf.constant(0)  # what a run has done long before: TensorFlow is ready
    before_s = time.process_time()
    elapsed_s = seconds_of(lambda: _report(run_directory, folder))
    return elapsed_s, time.process_time() - before_s


def _report(run_directory: Path, folder: Path) -> None:
    def of_run(component: str, output: str) -> Path:
        return newest(run_directory, component, output)

    inputs = {
        "examples": examples_artifact(folder / "examples", ["train", "test"]),
        "ingest_report": artifact(IngestReport, of_run("AudioExampleGen", "ingest_report")),
        "rejects": artifact(Rejects, of_run("AudioExampleGen", "rejects")),
        "data_verdict": artifact(DataVerdict, of_run("DataGate", "verdict")),
        "model": artifact(standard_artifacts.Model, of_run("Trainer", "model")),
        "model_run": artifact(standard_artifacts.ModelRun, of_run("Trainer", "model_run")),
        "scores": artifact(ClipScores, folder / "scores"),
        "blessing": artifact(standard_artifacts.ModelBlessing, folder / "blessing"),
        "infra_blessing": artifact(
            standard_artifacts.InfraBlessing, of_run("ServingCheck", "infra_blessing")
        ),
    }
    settings = json.loads((run_directory / "workflow.json").read_text())
    Executor().Do(
        {name: [each] for name, each in inputs.items()},
        {"report": [artifact(RunReport, folder / "report")]},
        {
            "workflow": json.dumps(settings),
            "serving": str(run_directory / "serving"),
            "timings": "",
            "trainer_code": "",
        },
    )


if __name__ == "__main__":
    main()
