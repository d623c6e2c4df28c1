"""The dry run: what a workflow would read, split, reject, store and do.

Nothing is decoded or written. Looks at manifests, file names, first bytes and, where no manifest
states durations, the headers of a sample of files. Knows nothing of TFX and TensorFlow.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
from pydantic import BaseModel

from components.audio.formats import HEAD_BYTES, is_supported
from components.audio.probe import Header, probe
from components.evaluation.outlook import Outlook
from components.example_gen.row_file import picked
from components.example_gen.splits import numbers_by_split, split_by
from components.storage.location import location_of
from components.tasks import feeding
from pipeline.dag.steps import STEPS
from pipeline.datasets.at_scale import AtScale
from pipeline.datasets.checks import outlooks, recordings_of
from pipeline.datasets.refusals import why_refused
from pipeline.datasets.rows import list_rows
from pipeline.workspace.disk import free_bytes, needed_bytes
from pipeline.workspace.project import Project
from schemas.errors import DataError
from schemas.reports.ingest import SplitBy, SplitCounts
from schemas.reports.rejects import Reject
from schemas.splits import folds_of, teaching
from schemas.utterance import Utterance
from schemas.workflow.workflow import Workflow

_MOST_HEADERS = 2000  # files whose header is read for its duration
_MAGIC_BYTES = 64
_NO_RULES = "no thresholds: every model is blessed"
_STARTS = {
    "scratch": "",
    "champion": ", from the last blessed model",
    "both": ", from scratch and from the last blessed model",
}


class PlannedStep(BaseModel):
    """One step of the run, and what it does."""

    name: str
    does: str


class Background(BaseModel):
    """A recording without keywords, and its hours by its header."""

    name: str
    hours: float


class Plan(BaseModel):
    """What a run would do. `refused` says why it would stop, and `exit_code` with which code; None
    and 0 where nothing is known that would stop it.

    `feedback` of the `rows` are clips from the field. `forgotten` rows are left out of all counts,
    and so are those that `data.labels` leaves out, by label, and files that are no recordings.
    `notes` say what to know of how the data was read.
    `outlooks` say what the rules of the gate could say of the clips that will test the model.
    `at_scale` is what more hours of such recordings would take, where that was asked for.
    """

    name: str
    generated: bool
    rows: int
    feedback: int
    forgotten: int
    hours: float
    hours_are_estimated: bool
    split_by: SplitBy
    splits: dict[str, SplitCounts]
    rejects: list[Reject]
    background: list[Background]
    left_out: dict[str, int]
    ignored: list[str]
    notes: list[str]
    outlooks: list[Outlook]
    refused: str | None
    exit_code: int
    run_directory: str
    needed_bytes: int
    free_bytes: int | None
    steps: list[PlannedStep]
    at_scale: AtScale | None = None

    @property
    def clips(self) -> int:
        """Clips of all splits."""
        return sum(counts.clips for counts in self.splits.values())


def make_plan(project: Project) -> Plan:
    """What a run of `project` would do.

    Raises DataError where there is nothing to read at all.
    """
    workflow, listing = project.workflow, list_rows(project)
    rejects = [*listing.rejects, *look_at_files(listing.utterances)]
    usable = without(listing.utterances, {reject.id for reject in rejects})
    durations_s, are_estimated = _durations_s(usable, workflow.audio.clip_s)
    splits = _count_splits(usable, durations_s, workflow)
    background = recordings_of(project, listing.utterances).background
    run_directory, free = _look_at_run_directory(project)
    error = why_refused(project, usable, rejects, splits)
    return Plan(
        name=workflow.name,
        generated=listing.generated is not None,
        rows=len(listing.utterances) + len(listing.rejects),
        feedback=listing.feedback,
        forgotten=listing.forgotten,
        hours=float(durations_s.sum()) / 3600,
        hours_are_estimated=are_estimated,
        split_by=split_by(usable, workflow.data.split),
        splits=splits,
        rejects=rejects,
        background=[Background(name=r.name, hours=r.length_s / 3600) for r in background],
        refused=None if error is None else str(error),
        exit_code=0 if error is None else error.exit_code,
        outlooks=[] if isinstance(error, DataError) else outlooks(workflow, usable),
        left_out=dict(listing.left_out),
        ignored=list(listing.ignored),
        notes=list(listing.notes),
        run_directory=run_directory,
        needed_bytes=needed_bytes(workflow, len(usable)),
        free_bytes=free,
        steps=_steps(workflow, splits),
    )


def look_at_files(utterances: Iterable[Utterance]) -> Iterator[Reject]:
    """Rejects for files that are empty, cannot be opened or start as no audio format does."""
    seen: dict[str, tuple[str, str] | None] = {}
    for row in utterances:
        if not row.path:
            continue  # generated speech has no file
        if row.path not in seen:
            seen[row.path] = _look_at_file(row.path)
        fault = seen[row.path]
        if fault is not None:
            yield Reject(id=row.id, uri=row.uri, reason=fault[0], detail=fault[1])


def _look_at_file(path: str) -> tuple[str, str] | None:
    try:
        with location_of(path).open() as file:
            first = file.read(_MAGIC_BYTES)
            if first and not is_supported(first):  # an MP3's first frame may be far behind
                first += file.read(HEAD_BYTES - len(first))
    except OSError as error:
        return "unreadable", str(error.strerror)
    if not first:
        return "empty", "the file has no bytes"
    if not is_supported(first):
        return "unsupported", f"no audio format starts with the bytes {first[:12]!r}"
    return None


def without(rows: Sequence[Utterance], ids: Collection[str]) -> Sequence[Utterance]:
    """The rows with other ids."""
    if not ids:
        return rows
    return picked(rows, np.array([n for n, row in enumerate(rows) if row.id not in ids], np.int64))


def _durations_s(rows: Sequence[Utterance], clip_s: float) -> tuple[np.ndarray, bool]:
    """Seconds of every row, float64 [rows], and whether some are estimated.

    Stated durations are taken as they are; of the other files a sample spread evenly over the list
    is asked for its header, and the rest get the sample's mean (`clip_s` for generated speech).
    """
    stated = (np.nan if row.duration_s is None else row.duration_s for row in rows)
    durations_s = np.fromiter(stated, np.float64)
    unknown = np.flatnonzero(np.isnan(durations_s))
    every = max(1, -(-len(unknown) // _MOST_HEADERS))
    sample = [n for n in unknown[::every].tolist() if rows[n].path]
    # What a damaged header is called is ingest's decision.
    sample_s = {
        number: max(0.0, header.duration_s - rows[number].offset_s)
        for number, header in zip(sample, probe(rows[n].path for n in sample), strict=True)
        if isinstance(header, Header)
    }
    durations_s[unknown] = sum(sample_s.values()) / len(sample_s) if sample_s else clip_s
    for number, duration_s in sample_s.items():
        durations_s[number] = duration_s
    return durations_s, len(sample_s) < len(unknown)


def _count_splits(
    rows: Sequence[Utterance], durations_s: np.ndarray, workflow: Workflow
) -> dict[str, SplitCounts]:
    is_grouped = feeding.features(workflow.task).GROUPED_BY is not None
    return {
        name: SplitCounts.of(
            Counter(
                (row.target if is_grouped else "", row.speaker) for row in picked(rows, numbers)
            ),
            float(durations_s[numbers].sum()),
        )
        for name, numbers in numbers_by_split(rows, workflow.data.split).items()
    }


def _look_at_run_directory(project: Project) -> tuple[str, int | None]:
    """Where the run writes, and how much is free there; None where it is not on this machine."""
    root = project.run_directory.root
    return str(root), free_bytes(root.path) if root.is_local else None


def _trainings(workflow: Workflow, splits: dict[str, SplitCounts]) -> str:
    """How much training there is, in words."""
    train, taught = workflow.train, sum(splits[name].clips for name in teaching(splits))
    if not (folds := folds_of(splits)):
        steps_per_epoch = -(-taught // train.batch_size)
        return f"at most {train.epochs} epochs of {steps_per_epoch:,} steps{_STARTS[train.start]}"
    trainings = [taught, *(taught - splits[name].clips for name in folds)]
    steps = train.epochs * sum(-(-clips // train.batch_size) for clips in trainings)
    return (
        f"{len(trainings)} trainings of {train.epochs} epochs, one without each fold and one on all"
        f" clips: {steps:,} steps in all"
    )


def _steps(workflow: Workflow, splits: dict[str, SplitCounts]) -> list[PlannedStep]:
    more = {
        "AudioExampleGen": f"Beam: {workflow.run.beam.runner}",
        "Trainer": (
            f"{workflow.model.architecture} on {workflow.frontend.kind},"
            f" {_trainings(workflow, splits)}"
        ),
        "ModelGate": "; ".join(workflow.gate.in_words()) or _NO_RULES,
    }
    return [
        PlannedStep(name=name, does=f"{does} ({more[name]})" if name in more else does)
        for name, does in STEPS.items()
    ]
