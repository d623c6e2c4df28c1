"""CPU time of ingest against a plain loop and against the textbook Beam pattern.

    python benchmarks/ingest.py MANIFEST [--times 10] [--repetitions 5]

All three decode, measure and condition the same clips with the same functions, hash the speaker
into a split and write the same examples to plain TFRecords of that split, in one process:

- ours: lists the manifest, hashes and indexes the recordings, runs `IngestUtterances`, with its
  shards, rejects, report and checks that no file changed;
- plain loop: reads the manifest line by line; no index, rejects, report or checks;
- textbook: `MatchFiles`, `ReadMatches`, `Map`, `Partition`, `WriteToTFRecord` for each split.

Each runs in a fresh process, in turn; CPU time is user + system of the process and its children.
`whole` counts the process from its start; `work` leaves out the imports, which for Beam cost as
much as 10,000 clips and are paid once by a run of the pipeline, whatever ingest does.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SPLITS = ("train", "eval", "test")
KINDS = ("ours", "plain loop", "textbook")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--times", type=int, default=10, help="copies of the data set")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", choices=KINDS, help="one kind, in this process")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(_run(arguments.only, arguments.manifest)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        manifest = _multiply(arguments.manifest, Path(scratch), arguments.times)
        clips = manifest.read_bytes().count(b"\n")
        seconds: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for _ in range(arguments.repetitions):
            for kind in KINDS:
                seconds[kind].append(_measure(kind, manifest))
    _print_table(seconds, clips, arguments.repetitions)


def _multiply(manifest: Path, scratch: Path, times: int) -> Path:
    """A manifest of `times` as many clips, each a file of its own (copied, not linked)."""
    lines = []
    for copy in range(times):
        for line in manifest.read_text().splitlines():
            row = json.loads(line)
            source = manifest.parent / row["audio_filepath"]
            target = scratch / str(copy) / source.name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(source.read_bytes())
            lines.append(json.dumps(row | {"audio_filepath": f"{copy}/{source.name}"}) + "\n")
    (scratch / "manifest.jsonl").write_text("".join(lines))
    return scratch / "manifest.jsonl"


def _measure(kind: str, manifest: Path) -> dict[str, float]:
    before = _cpu_s(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-W", "ignore", __file__, str(manifest), "--only", kind]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    measured: dict[str, float] = json.loads(answer.splitlines()[-1])
    return measured | {"whole": _cpu_s(resource.RUSAGE_CHILDREN) - before}


def _run(kind: str, manifest: Path) -> dict[str, float]:
    ingest = {"ours": _ours, "plain loop": _plain_loop, "textbook": _textbook}[kind]
    with tempfile.TemporaryDirectory() as out:
        imported, clips = ingest(manifest, Path(out))
        work = _cpu_s(resource.RUSAGE_SELF) + _cpu_s(resource.RUSAGE_CHILDREN) - imported
    return {"work": work, "clips": clips}


def _cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _ours(manifest: Path, out: Path) -> tuple[float, int]:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from components.example_gen.index import write_index
    from components.example_gen.sources import list_utterances
    from components.example_gen.transforms import IngestUtterances, Places
    from schemas.reports import IngestReport
    from schemas.workflow import Audio, Data

    imported = _cpu_s(resource.RUSAGE_SELF)
    data = Data(manifests=str(manifest))
    listing = list_utterances(data, Path())
    index = write_index(listing, data, out, out / "digests.sqlite")
    folders = [str(out / name) for name in ("examples", "rejects", "report", "shards")]
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        _ = pipeline | IngestUtterances(Places(index.uri, *folders), Audio())
    report = IngestReport.model_validate_json((out / "report" / "report.json").read_text())
    return imported, sum(split.clips for split in report.splits.values())


def _plain_loop(manifest: Path, out: Path) -> tuple[float, int]:
    from schemas.tfrecord import frame_record

    example = _serializer(manifest)
    imported = _cpu_s(resource.RUSAGE_SELF)
    clips = 0
    with contextlib.ExitStack() as stack, manifest.open() as lines:
        files = [stack.enter_context((out / split).open("wb")) for split in SPLITS]
        for line in lines:
            path = manifest.parent / json.loads(line)["audio_filepath"]
            split, record = example(str(path), path.read_bytes())
            files[split].write(frame_record(record))
            clips += 1
    return imported, clips


def _textbook(manifest: Path, out: Path) -> tuple[float, int]:
    import apache_beam as beam
    from apache_beam.io import WriteToTFRecord, fileio
    from apache_beam.options.pipeline_options import PipelineOptions

    from schemas.tfrecord import read_records

    example = _serializer(manifest)
    imported = _cpu_s(resource.RUSAGE_SELF)
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        examples = (
            pipeline
            | fileio.MatchFiles(f"{manifest.parent}/*/*.wav")
            | fileio.ReadMatches()
            | beam.Map(lambda file: example(file.metadata.path, file.read()))
        )
        splits = examples | beam.Partition(lambda element, _: element[0], len(SPLITS))
        for name, split in zip(SPLITS, splits, strict=True):
            records = split | f"Record {name}" >> beam.Map(lambda element: element[1])
            _ = records | f"Write {name}" >> WriteToTFRecord(str(out / name))
    seen = _cpu_s(resource.RUSAGE_SELF)
    clips = sum(1 for file in out.glob("*-of-*") for _ in read_records(file))
    return imported + _cpu_s(resource.RUSAGE_SELF) - seen, clips


def _serializer(manifest: Path) -> Callable[[str, bytes], tuple[int, bytes]]:
    """(path, content of the file) -> number of the split and example: what both rivals compute."""
    from components.audio.condition import condition, to_pcm16
    from components.audio.decode import decode
    from components.audio.measure import measure
    from components.example_gen.splits import hash_unit
    from schemas.example import encode_example
    from schemas.workflow import Audio

    audio = Audio()
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows_by_path = {os.path.join(manifest.parent, row["audio_filepath"]): row for row in rows}  # noqa: PTH118

    def example(path: str, content: bytes) -> tuple[int, bytes]:
        row = rows_by_path[path]
        clip = decode(content, audio.sample_rate, duration_s=row.get("duration"))
        values = measure(clip.waveform, audio.sample_rate)
        position = hash_unit(row["speaker"])
        split = 2 if position < 0.1 else 1 if position < 0.2 else 0
        return split, encode_example(
            values
            | {
                "id": row["audio_filepath"],
                "uri": row["audio_filepath"],
                "split_key": row["speaker"],
                "speaker": row["speaker"],
                "label": row["label"],
                "audio": to_pcm16(condition(clip.waveform, audio)),
                "source_rate_hz": clip.source_rate_hz,
                "source_channels": clip.source_channels,
                "source_format": clip.source_format,
            }
        )

    return example


def _print_table(seconds: dict[str, list[dict[str, float]]], clips: int, repetitions: int) -> None:
    print(f"{clips} clips, medians of {repetitions} runs, {os.cpu_count()} cores\n")
    print(
        "| | clips | work, CPU s | us a clip | work / plain loop"
        " | whole process, CPU s | whole / plain loop |"
    )
    print("|---|---|---|---|---|---|---|")
    plain = seconds["plain loop"]
    for kind, runs in seconds.items():
        cells = [kind, f"{runs[0]['clips']:.0f}"]
        for part in ("work", "whole"):
            ratios = [run[part] / base[part] for run, base in zip(runs, plain, strict=True)]
            median = statistics.median(run[part] for run in runs)
            cells.append(f"{median:.2f}")
            if part == "work":
                cells.append(f"{median / clips * 1e6:.0f}")
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        print("| " + " | ".join(cells) + " |")
    for part in ("work", "whole"):
        pairs = zip(seconds["ours"], seconds["textbook"], strict=True)
        ratios = [ours[part] / textbook[part] for ours, textbook in pairs]
        low, high = min(ratios), max(ratios)
        print(f"\nours / textbook, {part}: {statistics.median(ratios):.2f} ({low:.2f}-{high:.2f})")


if __name__ == "__main__":
    main()
