"""Batch inference against a plain loop over the same SavedModel, in pairs.

    python benchmarks/inference.py [--clips 4000] [--pairs 5] [--format wav|flac]

Makes clips of 0.3 to 1.5 s at 16 kHz and an untrained CNN for 35 labels, and asks it about them in
turn by `auricle infer`, a process with Beam's local runner, and by a loop in a process of its own
that a person would write: load, read each file by soundfile, sort by length, ask 64 at a time,
write JSON lines. Says clips a second of the whole process, and once libraries are imported.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile

RATE, CLIP_S, LABELS, BATCH = 16000, 1.0, 35, 64
INFER = "from pipeline.cli import main; main()"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=4000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--format", default="wav")
    parser.add_argument("--plain", nargs=3, metavar=("MODEL", "CLIPS", "OUTPUT"))
    given = parser.parse_args()
    if given.plain:
        print(json.dumps(ask_plainly(*map(Path, given.plain))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_clips(folder / "clips", given.clips, given.format)
        model = publish(folder)
        print(f"{datetime.date.today()}, {given.clips} clips of {given.format}", flush=True)
        compare(folder, model, given.clips, given.pairs)


def compare(folder: Path, model: Path, clips: int, pairs: int) -> None:
    """Asks in turn, and prints each pair and the medians."""
    ratios: dict[str, list[float]] = {"whole process": [], "asking": []}
    for pair in range(pairs):
        # Who comes first changes, since the machine may slow down meanwhile.
        order = (infer, plain) if pair % 2 else (plain, infer)
        found = {ask.__name__: ask(folder, model, pair) for ask in order}
        ours, theirs = found["infer"], found["plain"]
        check_alike(folder, pair)
        for name, our_s, their_s in zip(ratios, ours, theirs, strict=True):
            ratios[name].append(their_s / our_s)
        speeds = (f"{clips / seconds:,.0f}" for seconds in (*ours, *theirs))
        print("pair {}: infer {} and {}, plain {} and {} clips/s".format(pair, *speeds), flush=True)
    for name, found_ratios in ratios.items():
        low, high = min(found_ratios), max(found_ratios)
        median = statistics.median(found_ratios)
        print(f"{name}: infer is {median:.2f} times as fast ({low:.2f} to {high:.2f})")


def infer(folder: Path, model: Path, pair: int) -> tuple[float, float]:
    """Seconds of the whole process, and of asking."""
    output = f"infer-{pair}.jsonl"
    arguments = ["infer", "workflow.yaml", "--input", "clips", "--output", output, "--json"]
    started = time.monotonic()
    command = [sys.executable, "-W", "ignore", "-c", INFER, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    whole_s = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    return whole_s, json.loads(done.stdout)["seconds"]


def plain(folder: Path, model: Path, pair: int) -> tuple[float, float]:
    """The same of the loop."""
    paths = [model, folder / "clips", folder / f"plain-{pair}.jsonl"]
    started = time.monotonic()
    command = [sys.executable, "-W", "ignore", __file__, "--plain", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.monotonic() - started, json.loads(done.stdout)


def ask_plainly(model: Path, clips: Path, output: Path) -> float:
    """The loop; its seconds once TensorFlow is imported."""
    import tensorflow as tf

    started = time.monotonic()
    loaded = tf.saved_model.load(str(model))
    labels = json.loads((model / "assets.extra" / "auricle.json").read_text())["labels"]
    serve = loaded.signatures["serving_lengths"]
    read = []
    for path in sorted(clips.rglob("*.*")):
        waveform, rate = soundfile.read(path, dtype="float32")
        assert rate == RATE
        read.append((path, waveform))
    read.sort(key=lambda each: len(each[1]))
    with output.open("w") as file:
        for start in range(0, len(read), BATCH):
            batch = read[start : start + BATCH]
            lengths = np.array([len(waveform) for _, waveform in batch], np.int32)
            padded = np.zeros((len(batch), lengths.max()), np.float32)
            for row, (_, waveform) in zip(padded, batch, strict=True):
                row[: len(waveform)] = waveform
            outputs = serve(waveform=tf.constant(padded), lengths=tf.constant(lengths))
            answers = outputs["label"].numpy(), outputs["scores"].numpy()
            for (path, _), label, scores in zip(batch, *answers, strict=True):
                said = {"uri": str(path), "label": label.decode()}
                said["scores"] = dict(zip(labels, scores.tolist(), strict=True))
                file.write(json.dumps(said) + "\n")
    return time.monotonic() - started


def check_alike(folder: Path, pair: int) -> None:
    """Raises AssertionError where the two did not answer alike."""
    ours, theirs = (
        {row["uri"]: row for row in map(json.loads, (folder / name).open())}
        for name in (f"infer-{pair}.jsonl", f"plain-{pair}.jsonl")
    )
    assert ours.keys() == theirs.keys()
    for uri, row in ours.items():
        assert all(abs(row["scores"][k] - v) < 1e-4 for k, v in theirs[uri]["scores"].items())


def write_clips(folder: Path, clips: int, form: str) -> None:
    """Tones of many lengths, in noise."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(clips):
        samples = int(RATE * rng.uniform(0.3, 1.5))
        tone = np.sin(2 * np.pi * rng.uniform(100, 3000) * np.arange(samples) / RATE)
        waveform = 0.3 * tone + rng.normal(0, 0.01, samples)
        soundfile.write(folder / f"{number:06}.{form}", waveform, RATE)


def publish(folder: Path) -> Path:
    """A workflow in `folder` with one published version, whose folder is returned."""
    from components.models import build_model
    from components.trainer.export import export_model
    from components.versions.serving import push_version
    from schemas.reports.model_card import ModelCard
    from schemas.workflow.augment import Augment
    from schemas.workflow.frontend import Frontend
    from schemas.workflow.model import Model

    (folder / "workflow.yaml").write_text("name: bench\ndata: {folder: clips}\n")
    frontend, architecture = Frontend(), Model()
    model = build_model(
        num_outputs=LABELS,
        sample_rate=RATE,
        clip_samples=round(CLIP_S * RATE),
        frontend=frontend,
        augment=Augment(),
        model=architecture,
        seed=1,
    )
    card = ModelCard(
        name="bench",
        labels=[f"word{number:02}" for number in range(LABELS)],
        audio={"sample_rate": RATE, "clip_s": CLIP_S},
        frontend=frontend,
        model=architecture,
        parameters=model.count_params(),
        generated=False,
    )
    export_model(model, card, str(folder / "saved"))
    return push_version(
        folder / "saved", folder / "runs" / "bench" / "serving", "bench"
    ).folder.path


if __name__ == "__main__":
    main()
