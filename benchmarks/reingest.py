"""What ingest costs again: with nothing new, one per cent of new clips, or of changed ones.

    python benchmarks/reingest.py ../shared/data/fsdd/manifest.jsonl [--times 10] [--repetitions 3]

The clips are copied under other names `--times` over. Each time counts listing, hashing, the index
and the Beam pipeline, in one process that has already run one: start-up of Python and Beam is left
out. CPU time of the process and of the children that decode.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from components.example_gen.index_writer import write_index
from components.example_gen.sources import list_utterances
from components.example_gen.transforms import IngestUtterances, Places
from schemas.workflow.audio import Audio
from schemas.workflow.data import Data


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    for _ in range(arguments.repetitions):
        with tempfile.TemporaryDirectory() as scratch:
            for name, took in _measure(arguments.manifest, Path(scratch), arguments.times).items():
                seconds.setdefault(name, []).append(took)
    print("| | CPU s | of a full ingest |\n|---|---|---|")
    for name, runs in seconds.items():
        shares = [run / full for run, full in zip(runs, seconds["everything"], strict=True)]
        share = f"{100 * statistics.median(shares):.1f} %"
        print(f"| {name} | {statistics.median(runs):.2f} | {share} |")


def _measure(manifest: Path, scratch: Path, times: int) -> dict[str, float]:
    rows = _copy(manifest, scratch / "data", times)
    one_percent = len(rows) // 100
    first, new = rows[:-one_percent], rows[-one_percent:]
    warm_up = rows[:20]
    _ingest(warm_up, scratch, "warm-up", "other")
    took = {"everything": _ingest(first, scratch, "1")}
    time.sleep(2)  # digests of files just written are not remembered
    took["nothing new, digests not yet remembered"] = _ingest(first, scratch, "2")
    took["nothing new"] = _ingest(first, scratch, "3")
    took["1 % new clips"] = _ingest(first + new, scratch, "4")
    for row in new:
        path = scratch / "data" / row["audio_filepath"]
        path.write_bytes((scratch / "data" / first[0]["audio_filepath"]).read_bytes())
    took["1 % changed clips"] = _ingest(first + new, scratch, "5")
    return took


def _copy(manifest: Path, folder: Path, times: int) -> list[dict[str, str]]:
    rows = []
    for copy in range(times):
        for line in manifest.read_text().splitlines():
            row = json.loads(line)
            source = manifest.parent / row["audio_filepath"]
            target = folder / str(copy) / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            rows.append(row | {"audio_filepath": f"{copy}/{source.name}"})
    return rows


def _ingest(rows: list[dict[str, str]], scratch: Path, name: str, store: str = "shards") -> float:
    """CPU seconds of one ingest into the folder `name`."""
    manifest = scratch / "data" / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = Data(manifests=str(manifest))
    started = _cpu_s()
    index = write_index(list_utterances(data, Path()), data, scratch, scratch / "digests.sqlite")
    folders = [str(scratch / name / part) for part in ("examples", "rejects", "report")]
    places = Places(index.uri, *folders, str(scratch / store))
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        _ = pipeline | IngestUtterances(places, Audio())
    return _cpu_s() - started


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
