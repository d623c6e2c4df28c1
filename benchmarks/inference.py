"""Batch inference against a plain loop over the same SavedModel, in pairs.

    python benchmarks/inference.py [--clips 4000] [--pairs 5] [--format wav|flac]

Makes clips of 0.3 to 1.5 s at 16 kHz and an untrained CNN for 35 labels, and asks it about them in
turn by `auricle infer`, a process with Beam's local runner, and by a loop in a process of its own
that a person would write: load, read each file by soundfile, sort by length, ask 64 at a time,
write JSON lines. Compares the whole process, asking (from where libraries are imported to the last
answer) and the CPU of the whole process with its children, which other work on the machine changes
least.
"""

import argparse
import datetime
import json
import os
import resource
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
    ratios: dict[str, list[float]] = {"whole process": [], "asking": [], "CPU": []}
    for pair in range(pairs):
        # Who comes first changes, since the machine may slow down meanwhile.
        order = (infer, plain) if pair % 2 else (plain, infer)
        found = {ask.__name__: ask(folder, model, pair) for ask in order}
        ours, theirs = found["infer"], found["plain"]
        check_alike(folder, pair)
        for name, our_s, their_s in zip(ratios, ours, theirs, strict=True):
            ratios[name].append(their_s / our_s)
        print(
            f"pair {pair}: infer {_speeds(clips, ours)}, plain {_speeds(clips, theirs)}", flush=True
        )
    for name, found_ratios in ratios.items():
        low, high = min(found_ratios), max(found_ratios)
        median = statistics.median(found_ratios)
        print(f"{name}: plain / infer is {median:.2f} ({low:.2f} to {high:.2f})")


def _speeds(clips: int, seconds: tuple[float, float, float]) -> str:
    whole_s, asking_s, cpu_s = seconds
    whole, asking = clips / whole_s, clips / asking_s
    return f"{whole:,.0f} clips/s in all and {asking:,.0f} asking, {1e3 * cpu_s / clips:.2f} ms CPU"


def timed(command: list[str], folder: Path) -> tuple[float, float, str]:
    """Seconds that a command takes, of the clock and of CPU with its children; its output."""
    before_s, started = _cpu_s(), time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    return seconds, _cpu_s() - before_s, done.stdout


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def infer(folder: Path, model: Path, pair: int) -> tuple[float, float, float]:
    """Seconds of the whole process, of asking, and of CPU."""
    output = f"infer-{pair}.jsonl"
    arguments = ["infer", "workflow.yaml", "--input", "clips", "--output", output, "--json"]
    command = [sys.executable, "-W", "ignore", "-c", INFER, *arguments]
    whole_s, cpu_s, said = timed(command, folder)
    return whole_s, json.loads(said)["seconds"], cpu_s


def plain(folder: Path, model: Path, pair: int) -> tuple[float, float, float]:
    """The same of the loop."""
    paths = [model, folder / "clips", folder / f"plain-{pair}.jsonl"]
    command = [sys.executable, "-W", "ignore", __file__, "--plain", *map(str, paths)]
    whole_s, cpu_s, said = timed(command, folder)
    return whole_s, json.loads(said), cpu_s


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
