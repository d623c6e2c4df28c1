"""The Beam half of ingest: shards of an index become TFRecord files, rejects and a report.

A shard is the unit. One call of one worker reads a shard's rows, decodes, measures and conditions
each clip and writes the whole file, so no audio ever travels through Beam, the bytes do not depend
on the runner, and a retry rewrites the same file. Neither TensorFlow nor TFX is imported: a worker
process would pay 10 s for it.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics

from components.example_gen.clips import ClipReader
from components.example_gen.files import WholeFile, open_uncompressed
from components.example_gen.index import Index, Shard, read_index, read_rejects, read_rows
from schemas import errors
from schemas.errors import AuricleError, ClipError
from schemas.example import encode_example
from schemas.progress import report_progress
from schemas.reports import INGEST_REPORT_FILE, REJECTS_FILE, IngestReport, Reject, SplitCounts
from schemas.tfrecord import frame_record
from schemas.workflow import Audio

# Beside the splits: TFX takes every file inside one for examples.
UNFINISHED = ".unfinished"

_PROGRESS_EVERY_S = 1.0
_NAMED_ERROR = re.compile(r"^schemas\.errors\.(\w+): (.*?)(?: \[while running .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class ShardResult:
    """What became of one shard's rows."""

    shard: Shard
    labels: dict[str, int]
    speakers: dict[str, int]
    seconds: float
    rejects: list[Reject]


class IngestUtterances(beam.PTransform):
    """Applied to a pipeline: writes the examples, the rejects and the report of an index.

    Gives one element, the number of examples, when everything is written.
    """

    def __init__(
        self, index_uri: str, audio: Audio, examples_uri: str, rejects_uri: str, report_uri: str
    ) -> None:
        super().__init__()
        self._index_uri = index_uri
        self._audio = audio
        self._examples_uri = examples_uri
        self._rejects_uri = rejects_uri
        self._report_uri = report_uri

    def expand(self, pipeline: Any) -> Any:
        with open_uncompressed(self._index_uri) as file:
            shards = read_index(file).shards
        return (
            pipeline
            | "CreateShards" >> beam.Create(shards)
            | WriteShards(self._index_uri, self._audio, self._examples_uri)
            | "GatherResults" >> beam.combiners.ToList()
            | WriteReport(self._index_uri, self._rejects_uri, self._report_uri)
        )


class WriteShards(beam.PTransform):
    """`Shard` -> `ShardResult`, having written `<examples_uri>/Split-<split>/<file name>`."""

    def __init__(self, index_uri: str, audio: Audio, examples_uri: str) -> None:
        super().__init__()
        self._fn = _WriteShardFn(index_uri, audio, examples_uri)

    def expand(self, shards: Any) -> Any:
        return shards | "WriteShard" >> beam.ParDo(self._fn)


class WriteReport(beam.PTransform):
    """A list of all `ShardResult`s -> the number of examples, having written rejects and report."""

    def __init__(self, index_uri: str, rejects_uri: str, report_uri: str) -> None:
        super().__init__()
        self._fn = _WriteReportFn(index_uri, rejects_uri, report_uri)

    def expand(self, results: Any) -> Any:
        return results | "WriteReportFiles" >> beam.ParDo(self._fn)


def named_error(error: Exception) -> AuricleError | None:
    """The error of ours that a worker raised; Beam hands on its traceback as text only."""
    if isinstance(error, AuricleError):
        return error
    for name, text in _NAMED_ERROR.findall(str(error)):
        kind = getattr(errors, name, None)
        if kind in (AuricleError, errors.DataError, errors.RunDirectoryError):
            named: AuricleError = kind(text)
            return named
    return None


class _WriteShardFn(beam.DoFn):
    def __init__(self, index_uri: str, audio: Audio, examples_uri: str) -> None:
        super().__init__()
        self._index_uri = index_uri
        self._audio = audio
        self._examples_uri = examples_uri
        self._scratch = FileSystems.join(examples_uri, UNFINISHED)
        self._written = Metrics.counter("ingest", "utterances_written")
        self._rejected = Metrics.counter("ingest", "utterances_rejected")

    def setup(self) -> None:
        with open_uncompressed(self._index_uri) as file:
            index = read_index(file)
        self._clips = ClipReader(self._audio, index.generated)
        self._progress = _Progress(index, self._examples_uri)

    def process(self, shard: Shard) -> Iterator[ShardResult]:
        with open_uncompressed(self._index_uri) as file:
            rows = read_rows(file, shard)
        self._progress.begin()
        labels: Counter[str] = Counter()
        speakers: Counter[str] = Counter()
        seconds = 0.0
        rejects = []
        folder = FileSystems.join(self._examples_uri, f"Split-{shard.split}")
        with WholeFile(folder, shard.file_name, self._scratch) as file:
            for row in rows:
                self._progress.advance()
                try:
                    example = self._clips.example(row)
                except ClipError as error:
                    rejects.append(_reject(row, error))
                    continue
                file.write(frame_record(encode_example(example)))
                labels[row["label"]] += 1
                speakers[row["speaker"]] += 1
                seconds += example["duration_s"]  # type: ignore[operator]
        self._written.inc(len(rows) - len(rejects))
        self._rejected.inc(len(rejects))
        yield ShardResult(shard, dict(labels), dict(speakers), seconds, rejects)


class _WriteReportFn(beam.DoFn):
    def __init__(self, index_uri: str, rejects_uri: str, report_uri: str) -> None:
        super().__init__()
        self._index_uri = index_uri
        self._rejects_uri = rejects_uri
        self._report_uri = report_uri

    def process(self, results: list[ShardResult]) -> Iterator[int]:
        with open_uncompressed(self._index_uri) as file:
            index = read_index(file)
            rejects = read_rejects(file, index)
        rejects += [reject for result in results for reject in result.rejects]
        rejects.sort(key=lambda reject: (reject.id, reject.reason, reject.uri, reject.detail))
        report = _report(index, results, rejects)
        with WholeFile(self._rejects_uri, REJECTS_FILE, self._rejects_uri) as file:
            file.write("".join(f"{reject.model_dump_json()}\n" for reject in rejects).encode())
        with WholeFile(self._report_uri, INGEST_REPORT_FILE, self._report_uri) as file:
            file.write(report.model_dump_json(indent=2).encode())
        examples = sum(split.clips for split in report.splits.values())
        if examples + len(rejects) != report.rows:
            raise AuricleError(
                f"{report.rows} rows, but wrote {examples} examples and {len(rejects)} rejects"
            )
        yield examples


class _Progress:
    """Counts this worker's rows on top of the shards that any worker has finished."""

    def __init__(self, index: Index, examples_uri: str) -> None:
        self._total = index.rows
        self._files = FileSystems.join(examples_uri, "Split-*", "*")
        self._sizes = {
            (f"Split-{shard.split}", shard.file_name): shard.rows for shard in index.shards
        }
        self._done = 0
        self._next = 0.0

    def begin(self) -> None:
        """A new shard begins."""
        finished = [
            found.path.split("/")[-2:]
            for found in FileSystems.match([self._files])[0].metadata_list
        ]
        self._done = sum(self._sizes.get((split, name), 0) for split, name in finished)

    def advance(self) -> None:
        """One more row is under way; says so once a second."""
        self._done += 1
        if (now := time.monotonic()) >= self._next or self._done == self._total:
            self._next = now + _PROGRESS_EVERY_S
            report_progress(self._done, self._total, "clips")


def _reject(row: dict[str, Any], error: ClipError) -> Reject:
    return Reject(id=row["id"], uri=row["uri"], reason=error.reason, detail=error.detail)


def _report(index: Index, results: list[ShardResult], rejects: list[Reject]) -> IngestReport:
    splits = {}
    for name in dict.fromkeys(shard.split for shard in index.shards):
        labels: Counter[str] = Counter()
        speakers: Counter[str] = Counter()
        seconds = 0.0
        own = [result for result in results if result.shard.split == name]
        for result in sorted(own, key=lambda result: result.shard.number):
            labels.update(result.labels)
            speakers.update(result.speakers)
            seconds += result.seconds
        splits[name] = SplitCounts(
            clips=labels.total(),
            hours=seconds / 3600,
            labels=dict(sorted(labels.items())),
            speakers=dict(sorted(speakers.items())),
        )
    return IngestReport(
        rows=index.rows + index.bad_rows,
        generated=index.generated is not None,
        split_by=index.split_by,
        splits=splits,
        rejects=dict(sorted(Counter(reject.reason for reject in rejects).items())),
    )
