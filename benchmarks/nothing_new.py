"""What a check of the schedule costs where nothing is new, beside listing the files.

    python benchmarks/nothing_new.py [--clips 100000] [--repetitions 5]

As many files of a few bytes, a manifest of them, and what a finished run would have written down.
Each check is `auricle schedule FILE --once` in a process of its own; listing is `stat` of every
file by its path, in a process that has done nothing else.
"""

import argparse
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from components.example_gen.index_writer import write_index
from components.example_gen.sources import list_utterances
from pipeline.config.loader import read_workflow
from pipeline.runs.snapshot import observe, remember
from pipeline.workspace.lock import adopt
from pipeline.workspace.project import Project

WORKFLOW = "name: many\ndata: {manifests: data/manifest.jsonl}\n"
LOOK = "from pipeline.cli import main; main()"
LIST = """\
import json, os, sys, time
from pathlib import Path
paths = [json.loads(line)["audio_filepath"] for line in Path("data/manifest.jsonl").open()]
started = time.monotonic()
for path in paths:
    os.stat(f"data/{path}")
print(time.monotonic() - started)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write(folder, arguments.clips)
        looks, lists = [], []
        for _ in range(arguments.repetitions):
            done = subprocess.run(
                [sys.executable, "-c", LIST], cwd=folder, capture_output=True, text=True, check=True
            )
            lists.append(float(done.stdout))
            started = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", LOOK, "schedule", "workflow.yaml", "--once"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
            )
            looks.append(time.monotonic() - started)
            assert done.stdout.startswith("nothing new"), done.stdout
    more = [check - listed for check, listed in zip(looks, lists, strict=True)]
    print(f"{arguments.clips:,} clips, medians of {arguments.repetitions} (range), s")
    for name, values in (
        ("check", looks),
        ("listing the files", lists),
        ("check less listing", more),
    ):
        print(f"| {name} | {statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f}) |")


def _write(folder: Path, clips: int) -> None:
    rows = []
    for number in range(clips):
        name = f"{number // 1000:03d}/{number}.wav"
        if number % 1000 == 0:
            (folder / "data" / name).parent.mkdir(parents=True)
        (folder / "data" / name).write_bytes(b"%d" % number)
        rows.append({"audio_filepath": name, "label": f"w{number % 10}", "speaker": f"s{number}"})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "data" / "manifest.jsonl").write_text(text)
    (folder / "workflow.yaml").write_text(WORKFLOW)
    workflow = read_workflow(folder / "workflow.yaml")
    directory = Project(workflow, folder).run_directory
    adopt(Project(workflow, folder))
    listing = list_utterances(workflow.data, folder)
    observed = observe(Project(workflow, folder), listing)
    index = write_index(listing, workflow.data, directory.index, directory.digests)
    now = datetime.datetime.now().astimezone()
    remember(observed, index.digest, directory, now)


if __name__ == "__main__":
    main()
