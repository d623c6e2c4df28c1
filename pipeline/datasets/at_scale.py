"""What a workflow would take with many more hours of such recordings: storage, work, time, money.

A sample is measured (`sample_run`); everything else is assumed here or in the table of prices, and
an estimate names both apart.
"""

import math
import re

from pydantic import BaseModel

from components.example_gen.index_writer import shard_count
from pipeline.datasets import prices
from pipeline.datasets.prices import Price
from pipeline.datasets.sample_run import Sample, run_sample
from pipeline.workspace.project import Project
from schemas.errors import InputError
from schemas.reports.ingest import SplitCounts
from schemas.splits import folds_of, teaching
from schemas.workflow.workflow import Workflow

_WORKERS = (1, 10, 100, 1000)
_MOST_HOURS = 1e9
_HOURS = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?)\s*h(?:ours)?")


class Assumed(BaseModel):
    """What nobody measured.

    A worker has one vCPU, which does what a core of this machine does; a shard is one worker's, so
    that no more workers are busy than there are shards. In an object store a clip is read once, and
    a shard, its list of clips and its copy beside the examples are written.
    """

    worker_gb: float = 3.75  # an n1-standard-1
    worker_start_s: float = 180.0  # until a virtual machine has its image and works
    names_in_page: int = 1000  # of a listing
    writes_per_shard: int = 4
    copies: int = 2  # of examples: a store has no links


class Wall(BaseModel):
    """How long ingest takes with `workers`, which work `efficiency` of that time."""

    workers: int
    hours: float
    efficiency: float


class Cost(BaseModel):
    """One part of the bill; `amount` of the price's unit."""

    what: str
    amount: float
    price: Price
    dollars: float


class AtScale(BaseModel):
    """An estimate for `hours` of recordings; bytes and hours of work as they would be.

    Storage is for a month. `training_hours` are of one machine such as this one, at most, since
    training ends early where it no longer gains.
    """

    hours: float
    measured: Sample
    assumed: Assumed
    prices_as_of: str
    clips: int
    files: int
    shards: int
    source_bytes: int | None
    example_bytes: int
    index_bytes: int
    ingest_worker_hours: float
    walls: list[Wall]
    training_hours: float
    costs: list[Cost]

    @property
    def dollars(self) -> float:
        """Of all parts."""
        return sum(cost.dollars for cost in self.costs)


def parse_hours(text: str) -> float:
    """Hours of audio, as in `1000h`.

    >>> parse_hours("1,000h"), parse_hours("0.5 hours")
    (1000.0, 0.5)

    Raises:
        InputError: not such a number.
    """
    match = _HOURS.fullmatch(text.strip())
    hours = float(match[1].replace(",", "").replace("_", "")) if match else 0.0
    if not 0 < hours <= _MOST_HOURS:
        raise InputError(f"--scale: got {text!r}, expected hours of audio such as 1000h")
    return hours


def estimate(project: Project, splits: dict[str, SplitCounts], hours: float) -> AtScale:
    """What the project's run would take with `hours` of recordings divided as `splits` are.

    Raises:
        DataError: no sample of the data can be used.
    """
    return extrapolate(run_sample(project), project.workflow, splits, hours)


def extrapolate(
    sample: Sample, workflow: Workflow, splits: dict[str, SplitCounts], hours: float
) -> AtScale:
    """The estimate, from what was measured of a sample."""
    assumed = Assumed()
    rows = round(hours * 3600 / sample.clip_s)
    clips = round(rows * sample.clips / sample.rows)
    files = math.ceil(rows / sample.rows_per_file) if sample.rows_per_file else 0
    known = sum(counts.clips for counts in splits.values())
    shards = sum(shard_count(round(clips * counts.clips / known)) for counts in splits.values())
    source = sample.source_bytes_per_s
    made = AtScale(
        hours=hours,
        measured=sample,
        assumed=assumed,
        prices_as_of=prices.AS_OF,
        clips=clips,
        files=files,
        shards=shards,
        source_bytes=None if source is None else round(source * hours * 3600),
        example_bytes=round(sample.example_bytes * clips * assumed.copies),
        index_bytes=round(sample.index_bytes * rows),
        ingest_worker_hours=sample.ingest_cpu_s * rows / 3600,
        walls=[_wall(sample, assumed, rows, shards, workers) for workers in _WORKERS],
        training_hours=sample.train_s * _taught(workflow, splits, clips) / 3600,
        costs=[],
    )
    return made.model_copy(update={"costs": _costs(made, workflow)})


def _wall(sample: Sample, assumed: Assumed, rows: int, shards: int, workers: int) -> Wall:
    work_s = sample.ingest_cpu_s * rows
    alone_s = sample.list_s * rows + sample.ingest_start_s + assumed.worker_start_s
    wall_s = alone_s + work_s * math.ceil(shards / workers) / shards
    return Wall(workers=workers, hours=wall_s / 3600, efficiency=work_s / (workers * wall_s))


def _taught(workflow: Workflow, splits: dict[str, SplitCounts], clips: int) -> float:
    """Clips that all trainings see, each as often as it is seen."""
    known = sum(counts.clips for counts in splits.values())
    taught = sum(splits[name].clips for name in teaching(splits)) / known
    folds = folds_of(splits)
    trainings = taught + sum(taught - splits[name].clips / known for name in folds)
    return workflow.train.epochs * clips * trainings


def _costs(made: AtScale, workflow: Workflow) -> list[Cost]:
    scheme = (workflow.run.directory or "").partition("://")[0]
    storage = prices.STORAGE.get(scheme, prices.STORAGE["gs"])
    stored_gb = ((made.source_bytes or 0) + made.example_bytes + made.index_bytes) / 1e9
    writes = made.shards * made.assumed.writes_per_shard + made.files / made.assumed.names_in_page
    reads = made.shards + (made.clips if made.files else 0)
    worker_hours = made.ingest_worker_hours
    return [
        _cost("ingest", worker_hours, prices.DATAFLOW_VCPU),
        _cost("ingest", worker_hours * made.assumed.worker_gb, prices.DATAFLOW_MEMORY),
        _cost("training", made.training_hours * made.measured.cores, prices.TRAINING_VCPU),
        _cost("storage", stored_gb, storage),
        _cost("storage", writes / 1000, prices.WRITES),
        _cost("storage", reads / 1000, prices.READS),
    ]


def _cost(what: str, amount: float, price: Price) -> Cost:
    return Cost(what=what, amount=amount, price=price, dollars=amount * price.dollars)
