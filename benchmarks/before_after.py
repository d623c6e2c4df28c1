"""Two checkouts against each other: whole run, cached run, steps, `--help`, peak memory.

    python benchmarks/before_after.py BEFORE AFTER WORKFLOW [--repetitions 5]

BEFORE and AFTER are checkouts with an environment of their own in `.venv`. Each repetition runs
both in turn, the first one changing, in fresh processes: `auricle --help`, `auricle run` in an
empty run directory, and `auricle run` again with everything cached. Prints medians (range) and the
median of the ratios, pair by pair. Memory is that of the largest process.
"""

import argparse
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import yaml

STEP = re.compile(r"^(\w+): done \((?:(\d+) min )?([\d.]+) s\)$", re.MULTILINE)
STEPS = ("AudioExampleGen", "Trainer", "Evaluator", "Report")

Numbers = dict[str, dict[str, list[float]]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("workflow", type=Path)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    checkouts = {"before": arguments.before.resolve(), "after": arguments.after.resolve()}
    numbers: Numbers = defaultdict(lambda: defaultdict(list))
    for repetition in range(arguments.repetitions):
        for name in sorted(checkouts, reverse=repetition % 2 == 0):
            with tempfile.TemporaryDirectory() as scratch:
                _measure(checkouts[name], arguments.workflow, Path(scratch), numbers[name])
    _print(numbers)


def _measure(
    checkout: Path, workflow: Path, scratch: Path, numbers: dict[str, list[float]]
) -> None:
    auricle = str(checkout / ".venv" / "bin" / "auricle")
    content = yaml.safe_load(workflow.read_text()) | {"run": {"directory": f"{scratch}/run"}}
    file = workflow.resolve().with_name(f".{workflow.stem}-{checkout.name}.yaml")
    file.write_text(yaml.safe_dump(content))
    _, usage, _ = _run([auricle, "--help"], scratch)
    numbers["help, CPU s"].append(usage.ru_utime + usage.ru_stime)
    seconds, usage, output = _run([auricle, "run", str(file)], scratch)
    numbers["whole run, s"].append(seconds)
    numbers["whole run, peak MB"].append(usage.ru_maxrss / 1000)
    steps = {name: 60 * int(minutes or 0) + float(s) for name, minutes, s in STEP.findall(output)}
    for step in STEPS:
        numbers[f"{step}, s"].append(steps[step])
    seconds, usage, output = _run([auricle, "run", str(file)], scratch)
    if STEP.search(output.replace("Prepare: done", "")):
        raise SystemExit(f"the second run was not fully cached:\n{output}")
    numbers["cached run, s"].append(seconds)
    file.unlink()


def _run(command: list[str], folder: Path) -> tuple[float, "os.struct_rusage", str]:
    """Seconds, resources (of the children it waited for, too) and output."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        output.seek(0)
        text = output.read()
    if status:
        raise SystemExit(f"{command} ended with status {status}:\n{text[-3000:]}")
    return seconds, usage, text


def _print(numbers: Numbers) -> None:
    print("| | before | after | after / before |\n|---|---|---|---|")
    for what, before in numbers["before"].items():
        after = numbers["after"][what]
        ratios = [b / a for a, b in zip(before, after, strict=True) if a]
        ratio = f"{statistics.median(ratios):.3f}" if ratios else "-"
        print(f"| {what} | {_spread(before)} | {_spread(after)} | {ratio} |")


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


if __name__ == "__main__":
    main()
