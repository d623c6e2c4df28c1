"""Sixty days of a schedule, the clock injected: what happened each day, and why.

    python benchmarks/sixty_days.py FOLDER [--days 60] [--seed 1]

Four words in generated voices, a small CNN, a new check each day at three. Data grows on some days;
on one a span has drifted, on one it is damaged, on one its labels are wrong; a person takes each of
them away a day later. On five days the run is killed at a random moment. On one day a person rolls
back. Some generated voices are so alike that they pass for copies, so the gate does not look for
these. A reader looks at the serving directory every 50 ms; each version it meets has to be whole
and to answer clips that no run has seen.
"""

import argparse
import datetime
import functools
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
from polling import reading

from components.audio.synthesis import generate, voices
from pipeline.config.loader import read_workflow
from pipeline.releases.rollout import roll_back
from pipeline.scheduling.scheduler import read_decisions, run_once
from pipeline.workspace.project import Project, read_project
from schemas.workflow.generated import Generated

WORDS = ["yes", "left", "stop", "marvin"]
RATE = 8000
FIRST = datetime.datetime(2026, 1, 1, 3, 0, tzinfo=datetime.timezone.utc)
WORKFLOW = """\
name: words
data: {manifests: "data/{SPAN}/manifest.jsonl", split: {eval: 0.15, test: 0.35}}
audio: {sample_rate: 8000}
frontend: {num_mel_bins: 20}
model: {architecture: cnn, units: 32, layers: 2, filters: 16}
train: {epochs: 25}
data_gate: {max_drift: 0.1, near_duplicates: false}
gate: {accuracy: {at_least: 0.85, no_worse_by_more_than: 0.05}}
schedule: {cron: "0 3 * * *", max_age_days: 21}
"""
GROWTH = {0: 60, 4: 12, 9: 12, 14: 12, 19: 12, 24: 12, 29: 12, 34: 12, 47: 12, 52: 12, 57: 12}
DRIFTED, DAMAGED, MISLABELLED, ROLLED_BACK = 12, 22, 32, 44
CRASHES = (4, 14, 24, 34, 52)
CHECKED_VOICES = 10  # that no span has
ALL_VOICES = 400


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--look", type=int, help="only the check of this day")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    if arguments.look is not None:
        _look(folder, arguments.look)
        return
    folder.mkdir(parents=True)
    (folder / "workflow.yaml").write_text(WORKFLOW)
    moments = random.Random(arguments.seed)
    _write_checks(folder / "checks")
    serving = folder / "runs" / "words" / "serving"
    print("| day | what happened | decision | why | s |\n|---|---|---|---|---|")
    with reading(serving, functools.partial(check, folder / "checks")) as reader:
        for day in range(arguments.days):
            happened = prepare(folder, day)
            print(_row(folder, day, happened, moments), flush=True)
    print(f"\nThe reader: {reader}")
    sys.exit(bool(reader.wrong))


def prepare(folder: Path, day: int) -> list[str]:
    """Puts that day's data there; what happened, in words."""
    happened = []
    if day in GROWTH:
        write_span(folder, day, GROWTH[day], noise_db=(20.0, 30.0))
        happened.append(f"{GROWTH[day]} new voices")
    if day == DRIFTED:
        write_span(folder, day, 60, noise_db=(-5.0, 0.0), words=["stop"])
        happened.append("a drifted span: one word, in loud noise")
    if day == DAMAGED:
        write_span(folder, day, 12, noise_db=(20.0, 30.0))
        for file in sorted((folder / "data" / str(day)).glob("*.wav"))[::2]:
            file.write_bytes(file.read_bytes()[:30])
        happened.append("a span of which half is cut off")
    if day == MISLABELLED:
        write_span(folder, day, 60, noise_db=(20.0, 30.0), wrong=True)
        happened.append("a span for training with wrong labels")
    if day - 1 in (DRIFTED, DAMAGED, MISLABELLED):
        shutil.rmtree(folder / "data" / str(day - 1))
        happened.append(f"the span of day {day - 1} taken away")
    if day == ROLLED_BACK:
        step = roll_back(read_project(folder / "workflow.yaml"), "a person heard it fail")
        happened.append(f"rolled back: version {step.version} is version {step.content} again")
    return happened


def write_span(
    folder: Path,
    day: int,
    count: int,
    noise_db: tuple[float, float],
    words: list[str] = WORDS,
    wrong: bool = False,
) -> None:
    """Clips of `count` voices of their own; `wrong` ones have the next word's label, in train."""
    span = folder / "data" / str(day)
    span.mkdir(parents=True)
    first = CHECKED_VOICES + sum(n for d, n in GROWTH.items() if d < day)
    rows = []
    settings = Generated(words=WORDS, snr_db=noise_db, seed=1)
    for voice in voices(ALL_VOICES, 1)[first : first + count]:
        for word in words:
            for take in range(2):
                name = f"{word}-{voice.name}-{take}.wav"
                soundfile.write(span / name, generate(word, voice, take, settings, RATE), RATE)
                label = WORDS[(WORDS.index(word) + 1) % len(WORDS)] if wrong else word
                row = {"audio_filepath": name, "label": label, "speaker": voice.name}
                rows.append(row | ({"split": "train"} if wrong else {}))
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (span / "manifest.jsonl").write_text(text)


def check(clips: Path, version: Path) -> str:
    """What is wrong with a served version: empty for one that hears what it should."""
    import tensorflow as tf

    serve = (model := tf.saved_model.load(str(version))).signatures["serving_wav"]
    files = sorted(clips.glob("*.wav"))
    answers = serve(audio=tf.constant([file.read_bytes() for file in files]))["label"].numpy()
    del model
    right = np.mean(
        [a.decode() == f.name.split("-")[0] for a, f in zip(answers, files, strict=True)]
    )
    return "" if right >= 0.8 else f"answers {right:.2f} of the clips right"


def _write_checks(folder: Path) -> None:
    folder.mkdir()
    settings = Generated(words=WORDS, snr_db=(20.0, 30.0), seed=1)
    for voice in voices(ALL_VOICES, 1)[:CHECKED_VOICES]:
        for word in WORDS:
            clip = generate(word, voice, 0, settings, RATE)
            soundfile.write(folder / f"{word}-{voice.name}.wav", clip, RATE, subtype="PCM_16")


def _row(folder: Path, day: int, happened: list[str], moments: random.Random) -> str:
    before = _decisions(folder)
    started = time.monotonic()
    with (folder / "looks.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, str(folder), "--look", str(day)],
            stdout=log,
            stderr=log,
        )
        if day in CRASHES:
            after = moments.uniform(3.0, 45.0)
            try:
                process.wait(after)
            except subprocess.TimeoutExpired:
                process.kill()
                happened.append(f"killed after {after:.0f} s")
        process.wait()
    seconds = time.monotonic() - started
    made = _decisions(folder)[len(before) :]
    decision = f"{made[-1].outcome} {made[-1].version or ''}".strip() if made else "none"
    why = "; ".join([*made[-1].reasons, *filter(None, [made[-1].detail])]) if made else ""
    why = why.replace(str(folder), "").replace("|", "/")[:300]
    return f"| {day} | {'; '.join(happened)} | {decision} | {why} | {seconds:.0f} |"


def _decisions(folder: Path) -> list:
    file = folder / "runs" / "words" / "decisions.jsonl"
    return read_decisions(read_project(folder / "workflow.yaml")) if file.exists() else []


def _look(folder: Path, day: int) -> None:
    now = FIRST + datetime.timedelta(days=day)
    print(f"day {day}: {run_once(Project(read_workflow(folder / 'workflow.yaml'), folder), now)}")


if __name__ == "__main__":
    main()
