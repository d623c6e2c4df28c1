"""What a run would stop at, as far as it can be told without decoding anything."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from components.data_gate.rules import Findings, foresee, stopped_because
from components.example_gen.leakage import StoredClip, certify
from components.example_gen.row_file import picked
from components.example_gen.splits import numbers_by_split, split_by
from pipeline.dag.beam import beam_pipeline_args, check_reach
from pipeline.datasets.checks import check_rows
from pipeline.workspace.disk import check_writable, needed_bytes, require_space
from pipeline.workspace.lock import check_owner
from pipeline.workspace.project import Project
from schemas.errors import AuricleError, DataGateError, InputError
from schemas.reports.ingest import IngestReport, SplitCounts
from schemas.reports.leakage import SplitCertificate
from schemas.reports.rejects import Reject
from schemas.utterance import Utterance
from schemas.workflow.workflow import Workflow


def why_refused(
    project: Project,
    rows: Sequence[Utterance],
    rejects: Sequence[Reject],
    splits: dict[str, SplitCounts],
) -> AuricleError | None:
    """The error that a run on these rows would end with, whose exit code is the run's; None where
    nothing is known that would stop it. `splits` counts the rows, `rejects` are no part of them.
    """
    try:
        beam_pipeline_args(project.workflow.run.beam)
        if project.runs_here:
            check_run_directory(project)
        check_reach(project.workflow.run.beam, rows)
        check_rows(project.workflow, rows)
        if project.runs_here:
            needed = needed_bytes(project.workflow, len(rows))
            require_space(project.run_directory.local, needed)
        _check_data_gate(project.workflow, rows, rejects, splits)
    except (InputError, DataGateError) as error:
        return error
    return None


def check_run_directory(project: Project) -> None:
    """Refuses a run directory that a run could not write or that is another's, and leaves it as it
    is.

    Raises:
        RunDirectoryError: says why.
    """
    directory = project.run_directory
    check_owner(project)
    for place in (directory.root, directory.serving):
        if place.is_local:
            check_writable(place.path)


def _check_data_gate(
    workflow: Workflow,
    rows: Sequence[Utterance],
    rejects: Sequence[Reject],
    splits: dict[str, SplitCounts],
) -> None:
    """Refuses what DataGate would stop at, of the rules that need no decoded audio."""
    report = IngestReport(
        rows=len(rows) + len(rejects),
        generated=workflow.data.generated is not None,
        split_by=split_by(rows, workflow.data.split),
        splits={name: counts for name, counts in splits.items() if counts.clips},
        rejects=dict(Counter(reject.reason for reject in rejects)),
    )
    findings = Findings(
        report=report,
        certificate=_certify(workflow, rows),
        rejects=list(rejects),
        max_reject_fraction=workflow.data.max_reject_fraction,
        anomalies=[],
        drifts=None,
    )
    if reason := stopped_because(foresee(workflow.data_gate, findings, workflow.task)):
        raise DataGateError(reason)


def _certify(workflow: Workflow, rows: Sequence[Utterance]) -> SplitCertificate:
    """What leaks by speakers and by parts of files, of which the same are the same audio.

    Only rows that could say something are kept: those of an audio that others have, too, and one
    of each speaker in each split.
    """
    repeated = _repeated(rows)
    clips: list[StoredClip] = []
    spoke: set[tuple[str, str]] = set()
    for split, numbers in numbers_by_split(rows, workflow.data.split).items():
        for number, row in zip(numbers.tolist(), picked(rows, numbers), strict=True):
            speaker = "" if row.is_must_pass else row.speaker
            if repeated[number] or (speaker and (speaker, split) not in spoke):
                spoke.add((speaker, split))
                audio, no_print = repr(row.audio), np.empty(0, np.uint16)
                clips.append(StoredClip(row.id, split, speaker, audio, no_print, row.target))
    return certify(clips, _unread).model_copy(update={"clips": len(rows)})


def _repeated(rows: Sequence[Utterance]) -> np.ndarray:
    """Whether a row has the audio of another one: bool [rows]. Hardly ever wrong, and then True."""
    hashes = np.fromiter((hash(row.audio) for row in rows), np.int64)
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    found: np.ndarray = counts[inverse] > 1
    return found


def _unread(number: int) -> np.ndarray:
    raise AssertionError("clips without fingerprints are never compared")
