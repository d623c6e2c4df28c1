"""Time of a whole `auricle run` against one plain script that does the same steps.

    python benchmarks/whole_run.py WORKFLOW [--repetitions 3]

Both in fresh processes, in turn: plain script, `auricle run` in an empty run directory, `auricle
run` again with everything cached, and `import tfx.v1` as the yardstick of the cached run. Prints
the medians, the ratios pair by pair, and where the time of a run goes, component by component.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

COMPONENT = re.compile(r"^(\w+): (done|reused) \((.*)\)$", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("workflow", type=Path)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {"plain": [], "run": [], "cached": [], "tfx": []}
    components: list[dict[str, float]] = []
    for _ in range(arguments.repetitions):
        with tempfile.TemporaryDirectory() as scratch:
            file = _move_run_directory(arguments.workflow, Path(scratch))
            plain = Path(__file__).with_name("plain_script.py")
            times["plain"].append(_time([str(plain), str(file), f"{scratch}/plain"])[0])
            auricle = ["-c", "from pipeline.cli import main; main()", "run", str(file)]
            seconds, output = _time(auricle)
            times["run"].append(seconds)
            components.append({m[1]: _seconds(m[3]) for m in COMPONENT.finditer(output)})
            seconds, output = _time(auricle)
            if " done (" in output.replace("Prepare: done", ""):
                raise SystemExit(f"the second run was not fully cached:\n{output}")
            times["cached"].append(seconds)
            times["tfx"].append(_time(["-c", "import tfx.v1"])[0])
    _print(times, components)


def _move_run_directory(workflow: Path, scratch: Path) -> Path:
    """The workflow, beside its data but with an empty run directory."""
    content = yaml.safe_load(workflow.read_text()) | {"run": {"directory": f"{scratch}/run"}}
    file = workflow.with_name(f".{workflow.stem}-benchmark.yaml")
    file.write_text(yaml.safe_dump(content))
    return file


def _time(arguments: list[str]) -> tuple[float, str]:
    start = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments], capture_output=True, text=True
    )
    if run.returncode not in (0, 3):
        raise SystemExit(run.stdout + run.stderr)
    return time.monotonic() - start, run.stdout


def _seconds(words: str) -> float:
    """`3.2 s`, `4 min 05 s`."""
    minutes, _, rest = words.rpartition(" min ")
    return 60 * float(minutes or 0) + float(rest.removesuffix(" s"))


def _print(times: dict[str, list[float]], components: list[dict[str, float]]) -> None:
    for name, values in times.items():
        print(
            f"{name:8} {statistics.median(values):7.1f} s  ({min(values):.1f} - {max(values):.1f})"
        )
    for over, under in (("run", "plain"), ("cached", "tfx")):
        ratios = [a / b for a, b in zip(times[over], times[under], strict=True)]
        spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
        print(f"{over} / {under}: {statistics.median(ratios):.2f} ({spread})")
    print("| component | seconds |\n|---|---|")
    for name in components[0]:
        print(f"| {name} | {statistics.median(run[name] for run in components):.1f} |")


if __name__ == "__main__":
    main()
