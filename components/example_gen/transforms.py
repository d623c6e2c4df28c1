"""The Beam half of ingest: shards of an index become TFRecord files, rejects and a report.

A shard is the unit. One call of one worker reads a shard's rows, has its child processes decode,
measure and condition each clip, and writes the whole file: no audio ever travels through Beam, the
bytes do not depend on the runner, and a retry rewrites the same file. Neither TensorFlow nor TFX is
imported: a worker process would pay 10 s for it.
"""

import argparse
import functools
import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from components.beam_places import is_beam_here
from components.example_gen.certificate import CertifySplits, certify_on_disk, certify_shards
from components.example_gen.example_builder import ClipReader
from components.example_gen.files import link_or_copy, open_uncompressed, whole_file
from components.example_gen.index import Index, read_index, read_rejects, read_rows
from components.example_gen.reject_file import write_rejects
from components.example_gen.shard_entry import (
    Block,
    Entry,
    Outcome,
    Row,
    Shard,
    TargetFeatures,
)
from components.example_gen.shards import EarlierRecords, ShardStore
from components.storage.location import location_of
from components.subprocess_pool import Failure, SubprocessPool
from schemas.errors import AuricleError
from schemas.progress import report_progress
from schemas.reports.ingest import INGEST_REPORT_FILE, IngestReport, SplitCounts
from schemas.reports.leakage import CERTIFICATE_FILE, SplitCertificate
from schemas.reports.rejects import REJECTS_FILE, Reject
from schemas.workflow.audio import Audio

Pool = SubprocessPool[Row, Outcome]

GATHERED_ROWS = 1 << 16  # that are certified in one process

_PROGRESS_EVERY_S = 1.0
_FEWEST_AT_ONCE, _MOST_AT_ONCE = 16, 64  # rows
_SAMPLES_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Places:
    """Where ingest reads and writes: URIs of the index and of folders.

    `store` holds the shards of earlier ingests; the examples share their files with it.
    """

    index: str
    examples: str
    rejects: str
    report: str
    store: str


@dataclass
class Totals:
    """What became of the rows of many shards: what the report says of them.

    Grows with labels, speakers and shards, not with clips. `seconds` are by the number of
    the shard, since a sum of floats depends on their order.
    """

    clips: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)
    truncated: int = 0

    def add(self, result: "ShardResult") -> "Totals":
        """Itself, with one more shard."""
        split, number = result.shard.split, result.shard.number
        more = Totals({split: Counter(result.clips)}, {split: {number: result.seconds}})
        more.truncated = result.truncated
        return self.merged(more)

    def merged(self, other: "Totals") -> "Totals":
        """Itself, with all that `other` has."""
        for split, clips in other.clips.items():
            self.clips.setdefault(split, Counter()).update(clips)
        for split, seconds in other.seconds.items():
            self.seconds.setdefault(split, {}).update(seconds)
        self.truncated += other.truncated
        return self

    def of(self, split: str) -> SplitCounts:
        """What one split holds."""
        seconds = self.seconds.get(split, {})
        in_order = (seconds[number] for number in sorted(seconds))
        return SplitCounts.of(self.clips.get(split, {}), sum(in_order))


@dataclass(frozen=True)
class ShardResult:
    """What became of one shard's rows; `reused` of them were known from an earlier ingest.

    `clips` counts examples by the value that their target groups them by, and speaker.
    """

    shard: Shard
    clips: dict[tuple[str, str], int]
    seconds: float
    reused: int
    truncated: int
    rejects: list[Reject]


class IngestOptions(PipelineOptions):
    """What ingest adds to Beam's pipeline options."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--ingest_processes",
            type=int,
            default=1,
            help="Child processes in which each worker decodes and conditions audio.",
        )


class IngestUtterances(beam.PTransform):
    """Applied to a pipeline: writes the examples, the rejects and the report of an index.

    Gives one element, the number of examples, when everything is written. More than
    `gathered_rows` are certified by grouping, which takes no more memory for more of them, but half
    a second: by Beam's where workers run elsewhere, on disk where Beam would hold all on this
    machine.
    """

    def __init__(self, places: Places, audio: Audio, gathered_rows: int = GATHERED_ROWS) -> None:
        super().__init__()
        self._places = places
        self._audio = audio
        self._gathered_rows = gathered_rows

    def expand(self, pipeline: beam.pvalue.PBegin) -> beam.PCollection[int]:
        with open_uncompressed(self._places.index) as file:
            index = read_index(file)
        results = (
            pipeline
            | "CreateShards" >> beam.Create(index.shards)
            | WriteShards(self._places, self._audio)
        )
        certificate = None
        is_grouped = index.rows > self._gathered_rows
        runner = pipeline.pipeline.options.view_as(StandardOptions).runner
        is_here = is_beam_here([f"--runner={runner or 'DirectRunner'}"])
        if is_grouped and not is_here:
            settings = settings_digest(self._audio, index)
            certificate = (
                results
                | "NameShards" >> beam.Map(lambda result: result.shard)
                | CertifySplits(self._places.index, self._places.store, settings, index.rows)
            )
        rejects = results | "ListRejects" >> beam.FlatMap(
            lambda result: [reject.model_dump_json() for reject in result.rejects]
        )
        return (
            results
            | "AddResults" >> beam.CombineGlobally(_AddResultsFn())
            | WriteReport(self._places, self._audio, rejects, certificate, is_grouped)
        )


class WriteShards(beam.PTransform):
    """`Shard` -> `ShardResult`, having written `<examples>/Split-<split>/<file name>`."""

    def __init__(self, places: Places, audio: Audio) -> None:
        super().__init__()
        self._places = places
        self._audio = audio

    def expand(self, shards: beam.PCollection[Shard]) -> beam.PCollection[ShardResult]:
        options = shards.pipeline.options.view_as(IngestOptions)
        write = _WriteShardFn(self._places, self._audio, options.ingest_processes)
        return shards | "WriteShard" >> beam.ParDo(write)


class WriteReport(beam.PTransform):
    """The `Totals` of all shards -> the number of examples, having written rejects and report."""

    def __init__(
        self,
        places: Places,
        audio: Audio,
        rejects: beam.PCollection[str],
        certificate: beam.PCollection[SplitCertificate] | None = None,
        is_grouped: bool = False,
    ) -> None:
        """`rejects` are `Reject`s as JSON, which is a tenth of the objects. Without a `certificate`
        of one element, that is made, too, in the same process: on its disk if it `is_grouped`.
        """
        super().__init__()
        self._fn = _WriteReportFn(places, audio, is_grouped)
        self._rejects = rejects
        self._certificate = certificate

    def expand(self, totals: beam.PCollection[Totals]) -> beam.PCollection[int]:
        known = [self._certificate] if self._certificate is not None else []
        sides = [beam.pvalue.AsSingleton(certificate) for certificate in known]
        rejects = beam.pvalue.AsIter(self._rejects)  # which the runner hands over few at a time
        return totals | "WriteReportFiles" >> beam.ParDo(self._fn, rejects, *sides)


def _rows_at_once(audio: Audio, target: TargetFeatures) -> int:
    """How many rows a child is given: their records should fit into the memory it shares."""
    if target.variable_length:
        return _FEWEST_AT_ONCE
    clip_samples = max(1, round(audio.clip_s * audio.sample_rate))
    return min(_MOST_AT_ONCE, max(1, _SAMPLES_AT_ONCE // clip_samples))


def settings_digest(audio: Audio, index: Index) -> str:
    """Names the settings that decide what a row becomes; others may change without a new ingest."""
    generated = index.generated.model_dump_json() if index.generated else ""
    return hashlib.sha256(f"{audio.model_dump_json()}{generated}".encode()).hexdigest()[:16]


class _WriteShardFn(beam.DoFn):
    def __init__(self, places: Places, audio: Audio, processes: int) -> None:
        super().__init__()
        self._places = places
        self._audio = audio
        self._processes = processes
        self._written = Metrics.counter("ingest", "utterances_written")
        self._rejected = Metrics.counter("ingest", "utterances_rejected")
        self._reused = Metrics.counter("ingest", "utterances_reused")

    def setup(self) -> None:
        with open_uncompressed(self._places.index) as file:
            index = read_index(file)
        self._group = index.target.grouped_by
        self._settings = settings_digest(self._audio, index)
        self._store = ShardStore(self._places.store, self._settings)
        clips = ClipReader(self._audio, index.generated, index.target)
        many = _rows_at_once(self._audio, index.target)
        self._pool: Pool = SubprocessPool(clips, self._processes, many=many)
        # Of records damaged since an earlier ingest.
        self._mender: Pool = SubprocessPool(clips, many=1)
        self._progress = _Progress(index, self._places.examples)

    def teardown(self) -> None:
        self._pool.close()
        self._mender.close()

    def process(self, shard: Shard) -> Iterator[ShardResult]:
        with open_uncompressed(self._places.index) as file:
            rows = read_rows(file, shard)
        self._progress.begin()
        if stored := self._store.find(shard):
            reused = len(rows)
            self._progress.advance(reused)
        else:
            with self._store.earlier(shard) as earlier:
                stored = self._store.write(shard, self._blocks(rows, earlier))
                reused = earlier.taken
        folder = f"{self._places.examples}/Split-{shard.split}"
        link_or_copy(stored.data_uri, folder, shard.file_name)
        result = self._result(shard, rows, stored.entries, reused)
        self._written.inc(len(rows) - len(result.rejects))
        self._rejected.inc(len(result.rejects))
        self._reused.inc(reused)
        yield result

    def _blocks(self, rows: list[Row], earlier: EarlierRecords) -> Iterator[Block]:
        """What becomes of all rows: entries, and their framed records."""
        fresh = self._pool.map(row for row in rows if row["key"] not in earlier)
        for is_known, run in itertools.groupby(rows, key=lambda row: row["key"] in earlier):
            own = list(run)
            made = (_reject_failure(row, next(fresh)) for row in own)
            blocks = self._known(own, earlier) if is_known else map(_block_of_one, made)
            for block in blocks:
                self._progress.advance(len(block[0]))
                yield block

    def _known(self, rows: list[Row], earlier: EarlierRecords) -> Iterator[Block]:
        """What an earlier ingest made of rows; where that is damaged it is made again."""
        left = iter(rows)
        for entries, records in earlier.take(row["key"] for row in rows):
            own = list(itertools.islice(left, len(entries)))
            if records is not None:
                yield entries, records
            else:
                for row, outcome in zip(own, self._mender.map(own), strict=True):
                    yield _block_of_one(_reject_failure(row, outcome))

    def _result(
        self, shard: Shard, rows: list[Row], entries: list[Entry], reused: int
    ) -> ShardResult:
        good = [row for row, entry in zip(rows, entries, strict=True) if not entry.is_reject]
        return ShardResult(
            shard=shard,
            clips=dict(Counter((self._group_of(row), row["speaker"]) for row in good)),
            seconds=sum(entry.seconds for entry in entries),
            reused=reused,
            truncated=sum(entry.is_truncated for entry in entries),
            rejects=[
                _reject(row, entry, self._settings)
                for row, entry in zip(rows, entries, strict=True)
                if entry.is_reject
            ],
        )

    def _group_of(self, row: Mapping[str, object]) -> str:
        return str(row[self._group]) if self._group else ""


class _AddResultsFn(beam.CombineFn):
    """`ShardResult`s -> their `Totals`."""

    def create_accumulator(self) -> Totals:
        return Totals()

    def add_input(self, totals: Totals, result: ShardResult) -> Totals:
        return totals.add(result)

    def merge_accumulators(self, accumulators: Iterable[Totals]) -> Totals:
        return functools.reduce(Totals.merged, accumulators, Totals())

    def extract_output(self, totals: Totals) -> Totals:
        return totals


class _WriteReportFn(beam.DoFn):
    def __init__(self, places: Places, audio: Audio, is_grouped: bool) -> None:
        super().__init__()
        self._places = places
        self._audio = audio
        self._is_grouped = is_grouped

    def process(
        self,
        totals: Totals,
        rejects: Iterable[str],
        certificate: SplitCertificate | None = None,
    ) -> Iterator[int]:
        folder = self._places.rejects
        with open_uncompressed(self._places.index) as lines:
            index = read_index(lines)
            with whole_file(folder, REJECTS_FILE, folder) as file:
                of_shards = map(Reject.model_validate_json, rejects)
                of_rows = read_rejects(lines, index)
                reasons = write_rejects(itertools.chain(of_rows, of_shards), file)
                report = _report(index, totals, reasons)
                examples = sum(split.clips for split in report.splits.values())
                if examples + reasons.total() != report.rows:
                    raise AuricleError(
                        f"{report.rows} rows, but wrote {examples} examples"
                        f" and {reasons.total()} rejects"
                    )
        folder = self._places.report
        with whole_file(folder, INGEST_REPORT_FILE, folder) as file:
            file.write(report.model_dump_json(indent=2).encode())
        settings = settings_digest(self._audio, index)
        store = ShardStore(self._places.store, settings)
        uris = self._places.index, self._places.store
        if certificate is None and self._is_grouped:
            certificate = certify_on_disk(index.shards, *uris, settings, index.rows)
        certificate = certificate or certify_shards(self._places.index, index, store)
        with whole_file(folder, CERTIFICATE_FILE, folder) as file:
            file.write(certificate.model_dump_json(indent=2).encode())
        store.keep_only(index.shards)
        yield examples


class _Progress:
    """Counts this worker's rows on top of the shards that any worker has finished."""

    def __init__(self, index: Index, examples_uri: str) -> None:
        self._total = index.rows
        self._examples = location_of(examples_uri)
        self._sizes = {
            (f"Split-{shard.split}", shard.file_name): shard.rows for shard in index.shards
        }
        self._done = 0
        self._next = 0.0

    def begin(self) -> None:
        """A new shard begins."""
        finished = [name.partition("/")[::2] for name, _ in self._examples.files()]
        self._done = sum(self._sizes.get(shard, 0) for shard in finished)

    def advance(self, rows: int = 1) -> None:
        """`rows` more are under way; says so once a second."""
        self._done += rows
        if (now := time.monotonic()) >= self._next or self._done == self._total:
            self._next = now + _PROGRESS_EVERY_S
            report_progress(self._done, self._total, "clips")


def _block_of_one(outcome: Outcome) -> Block:
    entry, record = outcome
    return [entry], record


def _reject_failure(row: Row, outcome: Outcome | Failure) -> Outcome:
    if isinstance(outcome, Failure):
        return Entry(row["key"], reason="unreadable", detail=outcome.detail), b""
    return outcome


def _reject(row: Row, entry: Entry, settings: str) -> Reject:
    return Reject(
        id=row["id"],
        uri=row["uri"],
        reason=entry.reason,
        detail=entry.detail,
        decoder=entry.decoder,
        settings=settings,
    )


def _report(index: Index, totals: Totals, reasons: Counter[str]) -> IngestReport:
    names = dict.fromkeys(shard.split for shard in index.shards)
    return IngestReport(
        rows=index.rows + index.bad_rows,
        generated=index.generated is not None,
        split_by=index.split_by,
        splits={name: totals.of(name) for name in names},
        rejects=dict(sorted(reasons.items())),
        truncated=totals.truncated,
    )
