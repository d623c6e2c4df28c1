"""Memory, processor time and seconds of a data set of very many rows, step by step.

    python benchmarks/many_rows.py [--rows 1000000] [--steps plan index ingest] [--kind pieces]

The rows are pieces of a few real files (`pieces`), or as many files of a few bytes (`files`: to be
listed and hashed, not to be ingested). Each step is a process of its own, and its peak that of the
largest process in it, children included:

- `plan`: `auricle plan FILE --json`;
- `index`: what `auricle run` does before its first step: rows listed, checked, what they are
  remembered by, and the source index;
- `again`: the same when nothing changed;
- `check`: `auricle schedule FILE --once` after that, with nothing new;
- `ingest`: the Beam pipeline of AudioExampleGen on that index, with two processes that decode.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

RATE, CLIP_S = 4000, 0.25
FILES, SPEAKERS, LABELS = 100, 5000, 10
WORKFLOW = """\
name: many
data: {manifests: data/manifest.jsonl}
audio: {sample_rate: 4000, clip_s: 0.25}
"""
COMMAND = "from pipeline.cli import main; main()"
INDEX = """\
import datetime
from pathlib import Path
from components.example_gen.index_writer import write_index
from pipeline.datasets.checks import check_inputs
from pipeline.datasets.rows import list_rows
from pipeline.runs.snapshot import observe, remember
from pipeline.workspace.lock import adopt
from pipeline.workspace.project import read_project

project = read_project(Path("workflow.yaml"))
directory = project.run_directory
adopt(project)
listing = list_rows(project)
observed = observe(project, listing)
check_inputs(project, listing.utterances)
index = write_index(listing, project.workflow.data, directory.index, directory.digests)
remember(observed, index.digest, directory, datetime.datetime.now().astimezone())
Path("index").write_text(index.uri)
"""
INGEST = """\
from pathlib import Path
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from components.example_gen.transforms import IngestUtterances, Places
from pipeline.config.loader import read_workflow

audio = read_workflow(Path("workflow.yaml")).audio
out, names = Path("out").absolute(), ("examples", "rejects", "report", "shards")
folders = [str(out / name) for name in names]
options = PipelineOptions(["--runner=FnApiRunner", "--ingest_processes=2"])
with beam.Pipeline(options=options) as pipeline:
    pipeline | IngestUtterances(Places(Path("index").read_text(), *folders), audio)
"""
STEPS = {
    "plan": ["-c", COMMAND, "plan", "workflow.yaml", "--json"],
    "index": ["-c", INDEX],
    "again": ["-c", INDEX],
    "check": ["-c", COMMAND, "schedule", "workflow.yaml", "--once"],
    "ingest": ["-c", INGEST],
}
MEASURE = """\
import json, resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run([sys.executable, "-W", "ignore", *sys.argv[1:]], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"code": done.returncode, "seconds": time.monotonic() - began,
                  "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1000}))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--kind", choices=("pieces", "files"), default="pieces")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write(folder, arguments.rows, arguments.kind)
        print(f"{arguments.rows:,} rows of {arguments.kind}; peak of the largest process")
        print("| step | peak, MB | CPU, s | s |\n|---|---|---|---|")
        for step in arguments.steps:
            found = _measure(folder, STEPS[step])
            code = "" if found["code"] == 0 else f" (ended with {found['code']:g})"
            print(
                f"| {step}{code} | {found['peak_mb']:,.0f} | {found['cpu_s']:.0f} |"
                f" {found['seconds']:.0f} |",
                flush=True,
            )


def _measure(folder: Path, command: list[str]) -> dict[str, float]:
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def _write(folder: Path, rows: int, kind: str) -> None:
    data = folder / "data"
    data.mkdir()
    (folder / "workflow.yaml").write_text(WORKFLOW)
    if kind == "pieces":
        _write_recordings(data, rows)
    with (data / "manifest.jsonl").open("w") as manifest:
        for number in range(rows):
            label, speaker = f"w{number // SPEAKERS % LABELS}", f"s{number % SPEAKERS:04d}"
            row: dict[str, object] = {"label": label, "speaker": speaker}
            if kind == "pieces":
                offset_s = round(number // FILES * CLIP_S, 2)
                row |= {"audio_filepath": f"{number % FILES}.wav"}
                row |= {"offset": offset_s, "duration": CLIP_S}
            else:
                name = f"{number // 1000:04d}/{number}.wav"
                if number % 1000 == 0:
                    (data / name).parent.mkdir()
                (data / name).write_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt %d" % number)
                row |= {"audio_filepath": name, "duration": CLIP_S}
            manifest.write(f"{json.dumps(row)}\n")


def _write_recordings(data: Path, rows: int) -> None:
    random = np.random.default_rng(1)
    samples = int((rows / FILES * CLIP_S + 1) * RATE)
    for number in range(FILES):
        with wave.open(str(data / f"{number}.wav"), "wb") as file:
            file.setparams((1, 1, RATE, samples, "NONE", ""))
            file.writeframes(random.integers(60, 196, samples, dtype=np.uint8).tobytes())


if __name__ == "__main__":
    main()
