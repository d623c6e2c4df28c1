"""Ingest against a plain loop, the textbook Beam pattern and other toolkits.

    python benchmarks/ingest.py MANIFEST [--clips 20000] [--repetitions 3] [--format wav]
        [--rivals PYTHON] [--kinds KIND ...]

The clips of the manifest are written as `--format` under as many names as it takes, and each
contestant stores them, in a fresh process, in turn:

- ours: lists the manifest, hashes and indexes the recordings, runs `IngestUtterances` with its
  shards, rejects, report, certificate and checks that no file changed; on one and two processes;
- plain loop: decodes with soundfile and soxr, as a script would, measures and conditions with the
  same functions, hashes the speaker into a split and writes the same examples to plain TFRecords;
  no index, hashes, fingerprints, rejects, report;
- textbook: the same as the plain loop by `MatchFiles`, `ReadMatches`, `Map`, `WriteToTFRecord`;
- datasets: `Dataset.map(num_proc=2)` with the same functions, saved as Arrow files;
- lhotse: `CutSet.to_shar(num_jobs=2)` of wav: decodes and stores, and does nothing else.

The last two need an interpreter that has `lhotse`, `datasets<4`, soundfile, soxr, scipy and
pydantic: `--rivals`. CPU is user + system of the process and its children; `work` leaves out the
imports, which for Beam cost as much as 10,000 clips and are paid once by a run of the pipeline,
whatever ingest does. Memory is that of the largest process. How the cost grows with the number of
clips: `--kinds "ours, 2 processes" "plain loop" --clips 200000`.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SPLITS = ("train", "eval", "test")
RIVALS = ("datasets", "lhotse")
PLAIN = "plain loop"
KINDS = ("ours, 1 process", "ours, 2 processes", PLAIN, "textbook", *RIVALS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--format", choices=("wav", "flac"), default="wav")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--rivals", help="interpreter that has lhotse and datasets")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--only", choices=KINDS, help="one kind, in this process")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(_run(arguments.only, arguments.manifest)))
        return
    kinds = [kind for kind in arguments.kinds if arguments.rivals or kind not in RIVALS]
    with tempfile.TemporaryDirectory() as scratch:
        manifest = write_clips(arguments.manifest, Path(scratch), arguments.clips, arguments.format)
        measured: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
        for _ in range(arguments.repetitions):
            for kind in kinds:
                python = arguments.rivals if kind in RIVALS else sys.executable
                measured[kind].append(_measure(kind, manifest, python))
    print(f"{arguments.clips} clips as {arguments.format}, {os.cpu_count()} cores,", end=" ")
    print(f"medians of {arguments.repetitions} runs (range)\n")
    _print_table(measured)


def write_clips(manifest: Path, folder: Path, clips: int, suffix: str) -> Path:
    """A manifest of `clips` files of their own, made of those of `manifest`, again and again."""
    import soundfile

    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    contents: dict[str, bytes] = {}
    lines = []
    for number in range(clips):
        row = rows[number % len(rows)]
        name = f"{number // 1000}/{number}.{suffix}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        source = row["audio_filepath"]
        if source not in contents:
            samples, rate = soundfile.read(manifest.parent / source, dtype="int16")
            soundfile.write(folder / name, samples, rate)
            contents[source] = (folder / name).read_bytes()
        else:
            (folder / name).write_bytes(contents[source])
        lines.append(json.dumps(row | {"audio_filepath": name}) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines))
    return folder / "manifest.jsonl"


def _measure(kind: str, manifest: Path, python: str) -> dict[str, float]:
    before = _cpu_s(resource.RUSAGE_CHILDREN)
    command = [python, "-W", "ignore", __file__, str(manifest), "--only", kind]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    measured: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return measured | {"whole": _cpu_s(resource.RUSAGE_CHILDREN) - before}


def _run(kind: str, manifest: Path) -> dict[str, float]:
    contestants: dict[str, Callable[[Path, Path], Callable[[], int]]] = {
        "ours, 1 process": lambda manifest, out: _ours(manifest, out, 1),
        "ours, 2 processes": lambda manifest, out: _ours(manifest, out, 2),
        PLAIN: _plain_loop,
        "textbook": _textbook,
        "datasets": _datasets,
        "lhotse": _lhotse,
    }
    with tempfile.TemporaryDirectory() as out:
        ingest = contestants[kind](manifest, Path(out))
        imported, started = _cpu_s(resource.RUSAGE_SELF), time.monotonic()
        clips = ingest()
        seconds = time.monotonic() - started
        work = _cpu_s(resource.RUSAGE_SELF) + _cpu_s(resource.RUSAGE_CHILDREN) - imported
    peak = max(resource.getrusage(who).ru_maxrss for who in (0, resource.RUSAGE_CHILDREN))
    return {"seconds": seconds, "work": work, "clips": clips, "peak_mb": peak / 1000}


def _cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _ours(manifest: Path, out: Path, processes: int) -> Callable[[], int]:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from components.example_gen.index_writer import write_index
    from components.example_gen.sources import list_utterances
    from components.example_gen.transforms import IngestUtterances, Places
    from schemas.reports.ingest import IngestReport
    from schemas.workflow.audio import Audio
    from schemas.workflow.data import Data

    def ingest() -> int:
        data = Data(manifests=str(manifest))
        listing = list_utterances(data, Path())
        index = write_index(listing, data, out, out / "digests.sqlite")
        folders = [str(out / name) for name in ("examples", "rejects", "report", "shards")]
        options = ["--runner=FnApiRunner", f"--ingest_processes={processes}"]
        with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
            _ = pipeline | IngestUtterances(Places(index.uri, *folders), Audio())
        report = IngestReport.model_validate_json((out / "report" / "report.json").read_text())
        return sum(split.clips for split in report.splits.values())

    return ingest


def _plain_loop(manifest: Path, out: Path) -> Callable[[], int]:
    from schemas.tfrecord import frame_record

    example = _serializer(manifest)

    def ingest() -> int:
        clips = 0
        with contextlib.ExitStack() as stack, manifest.open() as lines:
            files = [stack.enter_context((out / split).open("wb")) for split in SPLITS]
            for line in lines:
                path = manifest.parent / json.loads(line)["audio_filepath"]
                split, record = example(str(path), path.read_bytes())
                files[split].write(frame_record(record))
                clips += 1
        return clips

    return ingest


def _textbook(manifest: Path, out: Path) -> Callable[[], int]:
    import apache_beam as beam
    from apache_beam.io import WriteToTFRecord, fileio
    from apache_beam.options.pipeline_options import PipelineOptions

    from schemas.tfrecord import read_records

    example = _serializer(manifest)

    def ingest() -> int:
        with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
            examples = (
                pipeline
                | fileio.MatchFiles(f"{manifest.parent}/*/*.*")
                | fileio.ReadMatches()
                | beam.Map(lambda file: example(file.metadata.path, file.read()))
            )
            splits = examples | beam.Partition(lambda element, _: element[0], len(SPLITS))
            for name, split in zip(SPLITS, splits, strict=True):
                records = split | f"Record {name}" >> beam.Map(lambda element: element[1])
                _ = records | f"Write {name}" >> WriteToTFRecord(str(out / name))
        return sum(1 for file in out.glob("*-of-*") for _ in read_records(file))

    return ingest


def _datasets(manifest: Path, out: Path) -> Callable[[], int]:
    import datasets

    example = _serializer(manifest)

    def store(row: dict[str, Any]) -> dict[str, Any]:
        split, record = example(row["path"], Path(row["path"]).read_bytes())
        return {"split": split, "record": record}

    def ingest() -> int:
        rows = [json.loads(line) for line in manifest.read_text().splitlines()]
        paths = [str(manifest.parent / row["audio_filepath"]) for row in rows]
        stored = datasets.Dataset.from_dict({"path": paths}).map(
            store, num_proc=2, cache_file_name=str(out / "cache.arrow")
        )
        return len(stored)

    return ingest


def _lhotse(manifest: Path, out: Path) -> Callable[[], int]:
    from lhotse import CutSet, MonoCut, Recording
    from lhotse.audio import AudioSource

    def ingest() -> int:
        rows = [json.loads(line) for line in manifest.read_text().splitlines()]
        cuts = []
        for number, row in enumerate(rows):
            source = AudioSource("file", [0], str(manifest.parent / row["audio_filepath"]))
            recording = Recording(str(number), [source], 16000, 16000, 1.0)
            cuts.append(MonoCut(str(number), 0.0, 1.0, 0, recording=recording))
        (out / "shar").mkdir()
        shards = CutSet.from_cuts(cuts).to_shar(
            str(out / "shar"), fields={"recording": "wav"}, shard_size=1000, num_jobs=2
        )
        return 1000 * len(shards["recording"])

    return ingest


def _serializer(manifest: Path) -> Callable[[str, bytes], tuple[int, bytes]]:
    """(path, content of the file) -> number of the split and example: the same work for all."""
    import soundfile
    import soxr

    from components.audio.condition import condition
    from components.audio.measure import find_levels, measure_all
    from components.audio.pcm16 import to_pcm16
    from components.example_gen.splits import hash_unit
    from schemas.example import encode_example
    from schemas.workflow.audio import Audio

    audio = Audio()
    rows = [json.loads(row) for row in manifest.read_text().splitlines()]
    rows_by_path = {os.path.join(manifest.parent, row["audio_filepath"]): row for row in rows}  # noqa: PTH118

    def example(path: str, content: bytes) -> tuple[int, bytes]:
        row = rows_by_path[path]
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            samples = file.read(dtype="float32", always_2d=True).mean(axis=1)
            if file.samplerate != audio.sample_rate:
                samples = soxr.resample(samples, file.samplerate, audio.sample_rate)
        levels = find_levels(samples[None], audio.sample_rate)
        [values] = measure_all(samples[None], audio.sample_rate, levels)
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
                "metadata": "{}",
                "audio": to_pcm16(condition(samples, audio, levels)),
                "source_rate_hz": file.samplerate,
                "source_channels": file.channels,
                "heard_channels": file.channels,
                "missing_s": 0.0,
                "source_format": file.format.lower(),
            }
        )

    return example


def _print_table(measured: dict[str, list[dict[str, float]]]) -> None:
    print("| | clips/s | work, CPU us a clip | work / plain loop | whole, CPU s | largest, MB |")
    print("|---|---|---|---|---|---|")
    for kind, runs in measured.items():
        ratios = [
            run["work"] / plain["work"] for run, plain in zip(runs, measured[PLAIN], strict=True)
        ]
        cells = [
            kind,
            _spread([run["clips"] / run["seconds"] for run in runs], ".0f"),
            _spread([run["work"] / run["clips"] * 1e6 for run in runs], ".0f"),
            _spread(ratios, ".2f"),
            f"{statistics.median(run['whole'] for run in runs):.1f}",
            f"{max(run['peak_mb'] for run in runs):.0f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


if __name__ == "__main__":
    main()
