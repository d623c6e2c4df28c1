"""Seconds of `auricle rollback` with a registry that is well, and with one in each kind of trouble.

    python benchmarks/registry_trouble.py FOLDER

Small files stand for the models. The first line, without a registry, is what the command takes by
itself; every other one tells how much longer it took, MLflow's import included.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from pushed import make_version
from troubled_registry import TROUBLES, troubled

from pipeline.workspace.lock import claim
from pipeline.workspace.project import read_project

AURICLE = [sys.executable, "-W", "ignore", "-c", "from pipeline.cli import main; main()"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    _roll_back(folder / "warm", "{kind: none}")  # the disk's cache
    without_s, _ = _roll_back(folder / "none", "{kind: none}")
    print("| registry | rollback, s | on the registry, s | what it said of it |\n|---|---|---|---|")
    print(f"| none | {without_s:.1f} | | |")
    _line(folder / "own", "{kind: mlflow}", "in the run directory, made now", without_s)
    for number, kind in enumerate(TROUBLES):
        with troubled(kind) as uri:
            _line(folder / str(number), f"{{kind: mlflow, uri: '{uri}'}}", kind, without_s)


def _line(folder: Path, registry: str, name: str, without_s: float) -> None:
    seconds, said = _roll_back(folder, registry)
    print(f"| {name} | {seconds:.1f} | {seconds - without_s:.1f} | {said[:90]} |", flush=True)


def _roll_back(folder: Path, registry: str) -> tuple[float, str]:
    """Seconds, and what was noted last."""
    folder.mkdir(parents=True)
    file = folder / "workflow.yaml"
    file.write_text(f"name: digits\ndata: {{folder: clips}}\nregistry: {registry}\n")
    with claim(read_project(file)) as directory:
        for text in "ab":
            make_version(directory.serving, text)
    began = time.monotonic()
    done = subprocess.run([*AURICLE, "rollback", str(file)], capture_output=True, text=True)
    seconds = time.monotonic() - began
    if done.returncode or "Serving the model of version 1" not in done.stdout:
        raise SystemExit(f"{registry}: {done.stdout}{done.stderr}")
    notes = [line for line in done.stdout.splitlines() if line.startswith("  - the registry")]
    return seconds, notes[-1][4:] if notes else ""


if __name__ == "__main__":
    main()
