"""What has to hold of a data set before anything runs on it, wherever it is to run."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from components.evaluation.outlook import Outlook, Unanswered
from components.evaluation.slices import check_slices
from components.example_gen.background import list_background, list_noise
from components.example_gen.splits import check_data_set, divide
from components.tasks import feeding, parts
from pipeline.dag.beam import check_reach
from pipeline.workspace.project import Project
from schemas.background import BackgroundRecording
from schemas.errors import DataError
from schemas.splits import judging
from schemas.tasks import FIRST_TASK
from schemas.text import nearest, some
from schemas.utterance import Utterance
from schemas.workflow.data import Split
from schemas.workflow.workflow import Workflow

_NAMED = 8


class Recordings(NamedTuple):
    """Recordings without labels: those without keywords, and noise to mix in."""

    background: list[BackgroundRecording]
    noise: list[BackgroundRecording]


def check_inputs(project: Project, rows: Sequence[Utterance]) -> Recordings:
    """The recordings without labels that go with `rows`, once all were found usable.

    Raises:
        DataError: no model can be made, or judged, from them.
    """
    check_reach(project.workflow.run.beam, rows)
    check_rows(project.workflow, rows)
    return recordings_of(project, rows)


def check_rows(workflow: Workflow, rows: Sequence[Utterance]) -> None:
    """Refuses rows that no model can be made, or judged, from.

    Raises:
        DataError: says what is missing.
    """
    _check_labels(workflow, rows)
    check_data_set(rows, workflow.data.split, workflow.task)
    for key, names in workflow.gate.slices().items():
        check_slices(key, names, rows, feeding.features(workflow.task).GROUPED_BY)
    if workflow.gate.when_undecided == "keep":
        _check_gate(workflow, rows)


def outlooks(workflow: Workflow, rows: Sequence[Utterance]) -> list[Outlook]:
    """What the gate could say of the clips of `rows` that are going to judge a model."""
    slices = {name for names in workflow.gate.slices().values() for name in names}
    clips = unanswered(rows, workflow.data.split, workflow.task, slices)
    return parts.gate(workflow.task).foresee(clips, workflow.gate.model_dump_json())


def unanswered(
    rows: Sequence[Utterance],
    split: Split,
    task: str = FIRST_TASK,
    slices: Iterable[str] = (),
) -> Unanswered:
    """The clips of `rows` that are going to judge a model; of their metadata what `slices` name."""
    divided = divide(rows, split)
    clips = [row for name in judging(divided) for row in divided[name] if not row.is_must_pass]
    known = {name for name in slices if any(name in row.metadata for row in clips)}
    features = {name: _texts(str(row.metadata.get(name, "")) for row in clips) for name in known}
    features["speaker"] = _texts(row.speaker for row in clips)
    targets = _texts(row.target for row in clips)
    if (grouped_by := feeding.features(task).GROUPED_BY) is not None:
        features[grouped_by] = targets
    return Unanswered(targets, features["speaker"], features, is_clustered=split.folds is not None)


def recordings_of(project: Project, rows: Sequence[Utterance]) -> Recordings:
    """The recordings without labels.

    Raises:
        DataError: they cannot be used, or are among `rows`.
    """
    workflow = project.workflow
    return Recordings(
        list_background(workflow.data, workflow.audio.clip_s, project.folder, rows),
        list_noise(workflow.augment.noise, project.folder, rows),
    )


def _check_labels(workflow: Workflow, rows: Sequence[Utterance]) -> None:
    """Refuses labels that the workflow names and no row has."""
    found = {row.target for row in rows}
    lacking = [label for label in workflow.data.labels or [] if label not in found]
    if lacking:
        near = nearest(lacking[0], sorted(found))
        raise DataError(
            f"data.labels: no clip of {some([repr(label) for label in lacking], _NAMED)}"
            f"; the label nearest to {lacking[0]!r} that has clips: {near!r}. Record some, or take"
            " the label out"
        )


def _check_gate(workflow: Workflow, rows: Sequence[Utterance]) -> None:
    """Refuses a gate that no result on these clips can meet."""
    for outlook in outlooks(workflow, rows):
        if outlook.enough is None:
            raise DataError(f"{outlook.message}. You can {_cures(outlook, workflow, rows)}")


def _cures(outlook: Outlook, workflow: Workflow, rows: Sequence[Utterance]) -> str:
    """What would make the rule one that a model can meet."""
    needed = outlook.would_do
    if needed is None:
        return f"set {outlook.rule} below 1, which no number of clips can show"
    cures = []
    if workflow.data.split.folds is None and len(rows) >= needed:
        cures.append(f"set data.split to {{folds: 5}}, with which all {len(rows):,} clips test")
    cures.append(f"record more: {needed:,} test clips would do, all of them right")
    cures.append("ask for less, or set gate.when_undecided to push")
    return "; or ".join(cures)


def _texts(values: Iterable[str]) -> np.ndarray:
    return np.array(list(values), np.str_)
