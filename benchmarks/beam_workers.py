"""Clips a second against workers, and what no number of them makes shorter.

    python benchmarks/beam_workers.py [--clips 4000] [--repetitions 3]

The same clips (a second of 16 kHz wav, of fifty files under many names) are ingested, in turn, by

- `direct 1`, `direct 2`: Beam's runner in this process, with one and two processes that decode;
- `portable 1`, `portable 2`: a job service and as many hosts with a worker each, as the tests have
  them (`tests/worker_hosts.py`), which read and write this machine's disk.

Then, in one process, the processor time of each part by the number of clips: `list` (rows listed,
hashed, laid out in shards: where the job is submitted), `write` (shards), `certify` (by grouping,
as large data are), which divide among workers, `report` (on one worker). From these the efficiency
with many workers, where shards of 4,096 clips are what divides; with `list` as it was measured on
files, and as a tenth of it, where a store's listing says what is in an object.
"""

import argparse
import contextlib
import json
import math
import os
import resource
import statistics
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

RATE, FILES, SPEAKERS, LABELS = 16_000, 50, 40, 10
ROWS_IN_SHARD = 4096
HOURS, WORKERS = (1_000, 10_000, 100_000), (1, 10, 100, 1_000)
START_S = 180.0  # assumed: machines are made, the image is pulled
LOCAL = ["--runner=FnApiRunner"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=4000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clips-") as folder:
        write_clips(Path(folder), arguments.clips)
        compare(Path(folder), arguments.clips, arguments.repetitions)
        parts = divide(Path(folder), arguments.clips, arguments.repetitions)
    extrapolate(parts)


def write_clips(folder: Path, clips: int) -> None:
    """`clips` names in `folder`, and manifests of them, of a quarter of them, and of few."""
    random = np.random.default_rng(1)
    rows = []
    for number in range(clips):
        name = f"{number}.wav"
        if number < FILES:
            with wave.open(str(folder / name), "wb") as file:
                file.setparams((1, 2, RATE, RATE, "NONE", ""))
                file.writeframes(random.normal(0, 1000, RATE).astype(np.int16).tobytes())
        else:
            os.link(folder / f"{number % FILES}.wav", folder / name)
        speaker, label = f"s{number % SPEAKERS}", f"w{number // SPEAKERS % LABELS}"
        row = {"audio_filepath": name, "speaker": speaker, "label": label}
        rows.append(f"{json.dumps(row)}\n")
    for count in (clips, clips // 4, FILES):
        (folder / f"{count}.jsonl").write_text("".join(rows[:count]))


def ingest(
    folder: Path, clips: int, beam_arguments: list[str], gathered_rows: int = 10**9
) -> dict[str, float]:
    """Seconds of the job, and processor seconds of its parts in this process and its children."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from components.example_gen import transforms
    from components.example_gen.index_writer import write_index
    from components.example_gen.sources import list_utterances
    from schemas.workflow.audio import Audio
    from schemas.workflow.data import Data

    data = Data(manifests=f"{clips}.jsonl")
    with tempfile.TemporaryDirectory(prefix="ingested-") as out:
        begun = cpu_s()
        index = write_index(list_utterances(data, folder), data, Path(out) / "index")
        listed = cpu_s() - begun
        folders = [f"{out}/{name}" for name in ("examples", "rejects", "report", "shards")]
        places = transforms.Places(index.uri, *folders)
        started, begun = time.monotonic(), cpu_s()
        with beam.Pipeline(options=PipelineOptions(beam_arguments)) as pipeline:
            _ = pipeline | transforms.IngestUtterances(places, Audio(), gathered_rows)
        return {
            "seconds": time.monotonic() - started,
            "list": listed,
            "job": cpu_s() - begun,
        }


def cpu_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def compare(folder: Path, clips: int, repetitions: int) -> None:
    """Prints clips a second by runner and number of workers, measured in turn."""
    seconds: dict[str, list[float]] = {}
    starts: dict[str, list[float]] = {}
    with clusters() as ways:
        for _ in range(repetitions):
            for name, beam_arguments in ways.items():
                starts.setdefault(name, []).append(ingest(folder, FILES, beam_arguments)["seconds"])
                seconds.setdefault(name, []).append(
                    ingest(folder, clips, beam_arguments)["seconds"]
                )
    print(f"{clips:,} clips, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}")
    print("| runner and workers | seconds (range) | of few clips | clips a second between |")
    print("|---|---|---|---|")
    for name, each in seconds.items():
        middle, start = statistics.median(each), statistics.median(starts[name])
        rate = (clips - FILES) / max(middle - start, 1e-9)
        span = f"{middle:.1f} ({min(each):.1f} to {max(each):.1f})"
        print(f"| {name} | {span} | {start:.1f} | {rate:,.0f} |")
    for kind in ("direct", "portable"):
        pairs = zip(seconds[f"{kind} 1"], seconds[f"{kind} 2"], strict=True)
        ratios = sorted(one / two for one, two in pairs)
        print(f"{kind}: two workers are {statistics.median(ratios):.2f} times", end=" ")
        print(f"as fast as one ({ratios[0]:.2f} to {ratios[-1]:.2f})")


@contextlib.contextmanager
def clusters() -> Iterator[dict[str, list[str]]]:
    """Beam's arguments of each way; the hosts live while the block does."""
    from installed import install
    from worker_hosts import cluster

    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="beam-workers-")))
        python, hidden = install(folder / "installed"), folder / "hidden"
        hidden.mkdir()
        ways = {f"direct {n}": [*LOCAL, f"--ingest_processes={n}"] for n in (1, 2)}
        for hosts in (1, 2):
            own = folder / f"{hosts}"
            own.mkdir()
            running = stack.enter_context(cluster(own, python, hidden, {}, hosts=hosts))
            ways[f"portable {hosts}"] = running.arguments
        yield ways


def divide(folder: Path, clips: int, repetitions: int) -> dict[str, float]:
    """Processor seconds of a clip, by part."""
    few, many = clips // 4, clips
    ingest(folder, FILES, LOCAL, 0)  # the first in a process imports
    measured: dict[str, list[float]] = {"list": [], "write": [], "certify": []}
    for _ in range(repetitions):
        low, high = ingest(folder, few, LOCAL), ingest(folder, many, LOCAL)
        grouped = [ingest(folder, count, LOCAL, 0)["job"] for count in (few, many)]
        measured["list"].append((high["list"] - low["list"]) / (many - few))
        measured["write"].append((high["job"] - low["job"]) / (many - few))
        measured["certify"].append((grouped[1] - grouped[0]) / (many - few))
    # One process certifies in `write` above, at a cost that is small beside that of grouping.
    write = statistics.median(measured["write"])
    certify = max(0.0, statistics.median(measured["certify"]) - write)
    listed = statistics.median(measured["list"])
    print("\n| part | microseconds of processor a clip | divides |\n|---|---|---|")
    print(f"| list | {listed * 1e6:,.0f} | no |\n| write, report | {write * 1e6:,.0f} | yes |")
    print(f"| certify, beyond what gathering takes | {certify * 1e6:,.0f} | yes |")
    return {"list": listed, "write": write, "certify": certify}


def extrapolate(parts: dict[str, float]) -> None:
    """Prints the time of a job by hours and workers, and the share of it that workers work."""
    print("\n| hours | workers | minutes | efficiency | with a store's listing |")
    print("|---|---|---|---|---|")
    for hours in HOURS:
        clips = hours * 3600
        shards = math.ceil(clips / ROWS_IN_SHARD)
        a_shard = ROWS_IN_SHARD * (parts["write"] + parts["certify"])
        for workers in WORKERS:
            divided = math.ceil(shards / workers) * a_shard
            shares = []
            for listed in (parts["list"] * clips, parts["list"] * clips / 10):
                seconds = START_S + listed + divided
                shares.append((listed + shards * a_shard) / (workers * seconds))
                if len(shares) == 1:
                    minutes = seconds / 60
            columns = f"{minutes:,.1f} | {shares[0]:.0%} | {shares[1]:.0%}"
            print(f"| {hours:,} | {workers:,} | {columns} |")


if __name__ == "__main__":
    main()
