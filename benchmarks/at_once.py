"""Two schedulers and a manual run started at once, and a hundred pushes at once.

    python benchmarks/at_once.py [--times 5] [--pushes 100]

Each time a small workflow has something new, and `auricle schedule FILE --once` twice and
`auricle run FILE` are started together. The pushes are processes that all wait for one moment.
"""

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
from multiprocessing.synchronize import Barrier
from pathlib import Path

import yaml

from components.versions.manifest import verify
from components.versions.serving import push_version

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from e2e.tiny import write_recordings, write_workflow

AURICLE = [sys.executable, "-W", "ignore", "-c", "from pipeline.cli import main; main()"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--pushes", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        push_at_once(folder, arguments.pushes)
        write_recordings(folder / "recordings")
        file = write_workflow(folder)
        for number in range(arguments.times):
            run_at_once(file, number)


def run_at_once(file: Path, number: int) -> None:
    """Starts all three, and prints how each ended."""
    workflow = yaml.safe_load(file.read_text())
    workflow["train"]["seed"] = number + 1
    file.write_text(yaml.safe_dump(workflow))
    commands = [["schedule", str(file), "--once"], ["schedule", str(file), "--once"]]
    processes = [
        subprocess.Popen(
            [*AURICLE, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for command in [*commands, ["run", str(file)]]
    ]
    said = [process.communicate()[0] for process in processes]
    ran = sum("Trainer: done" in text for text in said)
    busy = sum("is already running" in text for text in said)
    print(f"time {number + 1}: {ran} ran, {busy} said that another was running", flush=True)
    assert (ran, busy) == (1, 2), said


def push_at_once(folder: Path, count: int) -> None:
    """Pushes `count` models, each by a process, at one moment, and looks at every version."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(count)
    processes = [
        context.Process(target=_push, args=(folder, number, barrier)) for number in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    versions = [verify(version) for version in (folder / "serving").glob("[0-9]*")]
    contents = {manifest.model_digest for manifest in versions}
    print(f"{count} pushes at once: {len(versions)} versions, {len(contents)} models")
    assert len(versions) == len(contents) == count


def _push(folder: Path, number: int, barrier: Barrier) -> None:
    model = folder / f"model-{number}"
    model.mkdir()
    (model / "saved_model.pb").write_text(str(number) * 100_000)
    barrier.wait()
    push_version(model, folder / "serving", "benchmark")


if __name__ == "__main__":
    main()
