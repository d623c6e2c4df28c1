"""Auricle from Python: what a notebook needs. What is named here is meant to stay; the packages
`pipeline`, `components` and `schemas` behind it may be rearranged.

    import auricle

    plan = auricle.plan("workflow.yaml")         # what a run would do
    result = auricle.run("workflow.yaml")        # train, evaluate and publish
    model = auricle.load_model("workflow.yaml")  # the version that is served
    found = model.predict(["clip.wav"], top=3)

Each function takes a workflow file or a `Project`, and returns an object, of which
`model_dump()` makes plain values where it is a pydantic model. What a person can mend is raised
as an `InputError`, anything else as another `AuricleError`. Importing this costs milliseconds:
each function imports what it needs.
"""

import importlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Union

from schemas.errors import (
    AuricleError,
    DataError,
    DataGateError,
    InputError,
    RunDirectoryError,
    VersionError,
    WorkflowError,
)

if TYPE_CHECKING:
    from pipeline.config.loader import read_workflow
    from pipeline.datasets.dry_run import Plan
    from pipeline.inference.batch import Inference
    from pipeline.inference.predict import Answer, FilePrediction, Predictions, TrainedModel
    from pipeline.runs.compare import Comparison, compare_runs
    from pipeline.runs.records import RunRecord
    from pipeline.runs.result import RunResult
    from pipeline.workspace.project import Project, read_project
    from schemas.workflow.workflow import Workflow

__all__ = [
    "Answer",
    "AuricleError",
    "Comparison",
    "DataError",
    "DataGateError",
    "FilePrediction",
    "Inference",
    "InputError",
    "Plan",
    "Predictions",
    "Project",
    "RunDirectoryError",
    "RunRecord",
    "RunResult",
    "TrainedModel",
    "VersionError",
    "Workflow",
    "WorkflowError",
    "compare_runs",
    "infer",
    "load_model",
    "plan",
    "read_project",
    "read_workflow",
    "run",
    "runs",
]

Source = Union[str, "os.PathLike[str]", "Project"]
"""A workflow file, or a project that was read from one or put together."""

_HOMES = {
    "Answer": "pipeline.inference.predict",
    "Comparison": "pipeline.runs.compare",
    "FilePrediction": "pipeline.inference.predict",
    "Inference": "pipeline.inference.batch",
    "Plan": "pipeline.datasets.dry_run",
    "Predictions": "pipeline.inference.predict",
    "Project": "pipeline.workspace.project",
    "TrainedModel": "pipeline.inference.predict",
    "RunRecord": "pipeline.runs.records",
    "RunResult": "pipeline.runs.result",
    "Workflow": "schemas.workflow.workflow",
    "compare_runs": "pipeline.runs.compare",
    "read_project": "pipeline.workspace.project",
    "read_workflow": "pipeline.config.loader",
}
# A step in a container of TFX finds the class of an artifact by its type's name, `auricle.Rejects`.
_ARTIFACTS = ("ClipScores", "DataVerdict", "IngestReport", "Rejects", "RunReport")
_HOMES |= dict.fromkeys(_ARTIFACTS, "components.artifacts")


def plan(source: Source) -> "Plan":
    """What a run would read, split, store and do; nothing is decoded or written. Where a run would
    be refused, `refused` says why.

    Raises:
        WorkflowError: the file, with a line for every problem in it.
        DataError: there is nothing to read at all.
    """
    from pipeline.datasets.dry_run import make_plan

    return make_plan(_project(source))


def run(source: Source) -> "RunResult":
    """Trains, evaluates, and publishes what the gate lets pass; steps whose inputs did not change
    are reused. Progress is drawn on the process's standard output, all else goes to a log file.

    A model that is not published is no error: then `pushed_to` is None, and `record.reasons` says
    why.

    Raises:
        InputError: the workflow, the recordings or the run directory cannot be used.
        DataGateError: the recordings may not train a model.
    """
    from pipeline.runners.local import run_workflow

    return run_workflow(_project(source))


def runs(source: Source) -> "list[RunRecord]":
    """The judged runs, the first one first; `compare_runs` compares two of them.

    Raises:
        InputError: no run was judged yet.
    """
    from pipeline.runs.records import list_records

    return list_records(_project(source))


def load_model(
    source: Source, version: int | None = None, *, run: int | None = None
) -> "TrainedModel":
    """The version that is served, or another published one, every file of which is verified; or the
    model that a run trained, published or not. TensorFlow is imported once the model is asked.

    Raises:
        InputError: nothing was published yet, or there is no such run.
        VersionError: no such version is there, or it is not what was published.
    """
    if run is not None:
        from pipeline.runs.trained_models import load_candidate

        return load_candidate(_project(source), run)
    from pipeline.inference import predict

    return predict.load_model(_project(source), version)


def infer(
    source: Source,
    inputs: str | Sequence[str],
    output: str,
    *,
    version: int | None = None,
    form: Literal["jsonl", "parquet"] | None = None,
) -> "Inference":
    """Has the workers of the workflow's `run.beam` ask the version that is served, or another
    published one, about all clips of `inputs`: files, folders, patterns or manifests, as paths,
    `gs://` or `s3://`. Writes the answers to the folder `output`, or to one file, `.jsonl` or
    `.parquet`; rejects lie beside. One that was stopped goes on when it is called again.

    Raises:
        InputError: nothing was published yet, no clip is there, or the output is another's.
        VersionError: no such version is there, or it is not what was published.
    """
    from pipeline.runners.inference import infer_with

    inputs = [inputs] if isinstance(inputs, str) else inputs
    return infer_with(_project(source), inputs, output, version=version, form=form)


def _project(source: Source) -> "Project":
    from pipeline.workspace.project import Project, read_project

    return source if isinstance(source, Project) else read_project(os.fspath(source))


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
