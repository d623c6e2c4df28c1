"""What 1,000,000 hours of recordings would take: files, shards, metadata, and memory of each step
that gathers something of every clip in one process; which of them breaks first.

    python benchmarks/million_hours.py [--rows 10000 100000 1000000] [--clip-s 3] [--memory-gb 64]

Measured: each step that gathers runs on made-up rows, each size in a process of its own; what it
adds to the memory of that process at its highest, and what it writes. Extrapolated: the slope
between the two largest sizes, times the clips of 1,000,000 hours. Assumed: 80, 10 and 10 % of the
clips in train, eval and test, 16 kHz, 1,000 clips a speaker, 1 % of rows rejected.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from schemas.reports.rejects import Reject

_STATUS = Path("/proc/self/status")
_HOURS = 1_000_000
_SHARES = {"train": 0.8, "eval": 0.1, "test": 0.1}
_RATE_HZ = 16_000
_EXAMPLE_BYTES = 600  # of an example besides its samples
_CLIPS_OF_A_SPEAKER = 1_000
_REJECTED = 0.01


@dataclass(frozen=True)
class Step:
    """`run(rows, clip_s, folder)` gathers `rows`, and returns the bytes that it wrote; `share` of
    all clips come to it. `where` is the process that gathers.
    """

    run: Callable[[int, float, Path], int]
    share: float
    where: str


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--clip-s", type=float, default=3.0)
    parser.add_argument("--memory-gb", type=float, default=64.0)
    parser.add_argument("--steps", nargs="+", default=list(_STEPS), choices=list(_STEPS))
    parser.add_argument("--step", choices=list(_STEPS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        _measure(_STEPS[arguments.step], arguments.rows[0], arguments.clip_s)
        return
    clips = round(_HOURS * 3600 / arguments.clip_s)
    print(f"{_HOURS:,} hours are {clips:,} clips of {arguments.clip_s:g} s\n")
    _print_files(clips, arguments.clip_s)
    rows = sorted(arguments.rows)
    found = {
        name: [_in_process(name, n, arguments.clip_s) for n in rows] for name in arguments.steps
    }
    print("\nMeasured: MB that a step adds to its process, at its highest\n")
    sizes = [f"{n:,} rows" for n in rows]
    print(f"| step | {' | '.join(sizes)} | bytes a row, in memory | written |")
    print(f"|{'---|' * (len(rows) + 3)}")
    for name, measured in found.items():
        cells = [f"{memory / 1e6:.1f}" for memory, _ in measured]
        print(
            f"| {name} | {' | '.join(cells)} | {_slope(rows, measured, 0):.0f} |"
            f" {_slope(rows, measured, 1):.0f} |"
        )
    print(
        f"\nExtrapolated: memory at {_HOURS:,} hours, and the hours at which"
        f" {arguments.memory_gb:g} GB are full, the first to break first\n"
    )
    print("| step | where | GB in memory | GB written | hours that fit |\n|---|---|---|---|---|")
    lines = []
    for name, measured in found.items():
        step = _STEPS[name]
        memory, written = (_slope(rows, measured, n) * clips * step.share for n in (0, 1))
        hours = _HOURS * arguments.memory_gb * 1e9 / max(memory, 1.0)
        lines.append(
            (
                hours,
                f"| {name} | {step.where} | {memory / 1e9:,.1f} |"
                f" {written / 1e9:,.1f} | {hours:,.0f} |",
            )
        )
    print("\n".join(line for _, line in sorted(lines)))


def _print_files(clips: int, clip_s: float) -> None:
    from components.evaluator.clip_scoring import CLIPS_OF_A_FILE
    from components.example_gen.index_writer import shard_count

    shards = {name: shard_count(round(clips * share)) for name, share in _SHARES.items()}
    example = 2 * _RATE_HZ * clip_s + _EXAMPLE_BYTES
    per_shard = clips * _SHARES["train"] / shards["train"]
    scores = shards["test"] * -(-round(per_shard) // CLIPS_OF_A_FILE)
    print("| what | how many |\n|---|---|")
    for name, count in shards.items():
        print(f"| files of examples in {name} | {count:,} |")
    print(f"| bytes of one of them | {per_shard * example:,.0f} |")
    print(f"| bytes of all examples | {clips * example:,.0f} |")
    print(f"| files of scores | {scores:,} |")
    print(
        f"| bytes of the list of shards in a pipeline | {_create_bytes(sum(shards.values())):,} |"
    )


def _create_bytes(shards: int) -> int:
    """Of a pipeline that begins with a list of all shards, from one with 2,000."""
    import apache_beam as beam

    from components.example_gen.shard_entry import Shard

    def size(count: int) -> int:
        pipeline = beam.Pipeline()
        table = [Shard("train", n, count, n << 20, 1 << 20, 4096, f"{n:032}") for n in range(count)]
        _ = pipeline | beam.Create(table)
        return len(pipeline.to_runner_api().SerializeToString())

    return round(size(2_000) / 2_000 * shards)


def _in_process(step: str, rows: int, clip_s: float) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, __file__, "--step", step, "--rows", str(rows), "--clip-s", str(clip_s)],
        check=True,
        stdout=subprocess.PIPE,
    )
    memory, written = json.loads(done.stdout.splitlines()[-1])
    return memory, written


def _slope(rows: list[int], measured: list[tuple[int, int]], which: int) -> float:
    (one, other), (few, many) = measured[-2:], rows[-2:]
    return max(0.0, (other[which] - one[which]) / (many - few))


def _measure(step: Step, rows: int, clip_s: float) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        step.run(100, clip_s, Path(scratch) / "first")  # what is imported on the way is not counted
        before = _most_bytes()
        written = step.run(rows, clip_s, Path(scratch) / "second")
        print(json.dumps([_most_bytes() - before, written]))


def _most_bytes() -> int:
    [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def _written(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _index(rows: int, clip_s: float, folder: Path) -> int:
    """Rows of a manifest, pieces of a few recordings, as a run lists and lays them out."""
    from components.example_gen.index_writer import write_index
    from components.example_gen.sources import list_utterances
    from schemas.workflow.data import Data

    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.wav").write_bytes(b"")
    with (folder / "manifest.jsonl").open("w") as manifest:
        for number in range(rows):
            row = {
                "audio_filepath": f"{number % 10}.wav",
                "offset": number * clip_s,
                "duration": clip_s,
                "label": f"word {number % 35:03}",
                "speaker": f"speaker {number // _CLIPS_OF_A_SPEAKER:07}",
                "room": f"room {number % 200}",
            }
            manifest.write(f"{json.dumps(row)}\n")
    data = Data(manifests="manifest.jsonl")
    write_index(list_utterances(data, folder), data, folder / "index")
    return _written(folder / "index")


def _totals(rows: int, clip_s: float, folder: Path) -> int:
    """What became of the rows of all shards, added up shard by shard; without rejects."""
    from components.example_gen.shard_entry import Shard
    from components.example_gen.transforms import ShardResult, Totals

    speakers = max(1, rows // _CLIPS_OF_A_SPEAKER)
    rng = np.random.default_rng(1)
    totals = Totals()
    for number in range(-(-rows // 4096)):
        pairs = zip(rng.integers(0, 35, 4096), rng.integers(0, speakers, 4096), strict=True)
        clips: dict[tuple[str, str], int] = {}
        for label, speaker in pairs:
            key = (f"word {label:03}", f"speaker {speaker:07}")
            clips[key] = clips.get(key, 0) + 1
        shard = Shard("train", number, 1, 0, 0, 4096, f"{number:032}")
        totals = totals.add(ShardResult(shard, clips, 1.0, 0, 0, []))
    return 0


def _reject(number: int) -> "Reject":
    from schemas.reports.rejects import Reject

    name = f"{number:040}"
    return Reject(id=name, uri=f"{name}.wav", reason="silent", detail="no sound")


def _ingest_rejects(rows: int, clip_s: float, folder: Path) -> int:
    """The rejects of all shards, sorted into one file."""
    from components.example_gen.reject_file import write_rejects
    from components.storage.location import location_of

    place = location_of(folder / "rejects.jsonl")
    with place.create() as file:
        write_rejects(map(_reject, reversed(range(rows))), file)
    return place.path.stat().st_size


def _rejects(rows: int, clip_s: float, folder: Path) -> int:
    """The rejects of ingest, as the report reads them."""
    from components.report import view_model
    from schemas.reports.ingest import IngestReport

    folder.mkdir()
    with (folder / "rejects.jsonl").open("w") as file:
        for number in range(rows):
            file.write(f"{_reject(number).model_dump_json()}\n")
    report = IngestReport(
        rows=rows, generated=False, split_by="speaker", splits={}, rejects={"silent": rows}
    )
    view_model._read_rejects(folder / "rejects.jsonl", report)
    return _written(folder)


def _stamps(rows: int, clip_s: float, folder: Path) -> int:
    """What each recording was when a run read it, one a clip; for the schedule."""
    from components.storage.location import location_of
    from pipeline.runs.stamps import Stamps, are_same, read_stamps, write_stamps

    def stamps() -> Iterator[tuple[str, str]]:
        return ((f"s3://recordings/{number:045}.flac", f"{number:032}") for number in range(rows))

    file = location_of(folder / "stamps")
    write_stamps(Stamps(stamps()), file)
    if not are_same(Stamps(stamps()), read_stamps(file)):  # as each check of the schedule does
        raise ValueError("other stamps were read")
    return file.path.stat().st_size


def _scores(rows: int, clip_s: float, folder: Path) -> int:
    """The table that ModelGate reads, of two models."""
    from components.evaluation.score_files import SCORES_FILE, read_scores

    # In another process: what Evaluator's workers hold is no part of it.
    program = Path(__file__).with_name("score_tables.py")
    write = [sys.executable, str(program), "--step", "write", "--folder", str(folder)]
    subprocess.run(
        [*write, "--clips", str(rows), "--files", str(max(1, rows // 50_000))], check=True
    )
    read_scores(folder / SCORES_FILE)
    return _written(folder)


_STEPS = {
    "list and index": Step(_index, 1.0, "the process that submits"),
    "counts of shards": Step(_totals, 1.0, "one worker of ingest"),
    "rejects of ingest": Step(_ingest_rejects, _REJECTED, "one worker of ingest"),
    "rejects on the page": Step(_rejects, _REJECTED, "Report"),
    "stamps of recordings": Step(_stamps, 1.0, "the process that submits"),
    "scores": Step(_scores, _SHARES["test"], "ModelGate, Report"),
}


if __name__ == "__main__":
    main()
