"""The schedule of a workflow on Vertex AI: at its times a small job looks whether there is anything
new, and starts the pipeline where there is.

    python -m pipeline.scheduling.vertex_schedule gs://bucket/runs/digits/scheduled.json

is that job.
"""

import datetime
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from components.storage.location import location_of
from pipeline.runners.vertex import ENVIRONMENT, SMALL, check_vertex, image, run_root
from pipeline.runners.vertex_client import Job, VertexClient
from pipeline.runners.vertex_pending import Pending, read_pending, settle
from pipeline.runners.vertex_place import place_of
from pipeline.runners.vertex_spec import check_spec
from pipeline.runners.vertex_submit import as_account, ended_badly, pushed_model, submit
from pipeline.scheduling.scheduler import LONGEST_DETAIL, Decision, write_decision
from pipeline.scheduling.triggers import check_triggers
from pipeline.workspace.lock import adopt
from pipeline.workspace.project import Project
from schemas.errors import DataGateError, RunDirectoryError, WorkflowError
from schemas.outcomes import CheckOutcome
from schemas.workflow.workflow import Workflow

_FILE = "scheduled.json"  # the workflow that the job looks for
_COMMAND = ["python", "-m", "pipeline.scheduling.vertex_schedule"]
_STEP = "Look"


class Scheduled(BaseModel):
    """A schedule on Vertex AI: its name there, its times, and the next of them, in UTC."""

    schedule: str
    cron: str
    next_look: str | None


def keep_schedule(project: Project) -> Scheduled:
    """Makes the schedule, or changes the one there is to this workflow and its times.

    Raises:
        WorkflowError: `run` does not say what Vertex AI needs, or a path of this machine is named.
        RunDirectoryError: the run directory cannot be written.
        JobError: Vertex AI refuses it, or does not answer.
    """
    workflow = project.workflow
    check_vertex(workflow)
    _check_places(workflow)
    client = VertexClient(place_of(workflow))
    file = location_of(run_root(workflow)) / _FILE
    try:
        adopt(project)
        file.put(workflow.model_dump_json(exclude_unset=True).encode())
    except OSError as error:
        raise RunDirectoryError(f"{error.filename or file}: {error.strerror or error}") from error
    cron = f"TZ={workflow.schedule.timezone} {workflow.schedule.cron}"
    job = as_account(_look_job(workflow, str(file)), workflow)
    check_spec(job, run_root(workflow))
    kept = client.keep_schedule(_title(workflow), cron, job)
    return Scheduled(schedule=kept.name, cron=cron, next_look=kept.next_run)


def end_schedule(project: Project) -> bool:
    """Ends it; whether there was one. A run that is under way goes on.

    Raises:
        JobError: Vertex AI refuses, or does not answer.
    """
    return VertexClient(place_of(project.workflow)).end_schedule(_title(project.workflow))


def look(project: Project, now: datetime.datetime | None = None) -> Decision:
    """Looks once, starts the pipeline where there is reason to, and writes the decision down. First
    it writes down what became of the job that was started before.

    Raises what `submit` raises, after it was written down.
    """
    now = now or datetime.datetime.now().astimezone()
    directory = project.run_directory
    adopt(project)
    reasons: list[str] = []
    try:
        pending = read_pending(directory)
        if pending is not None:
            job = VertexClient(place_of(project.workflow)).job(pending.job)
            if not job.has_ended:
                detail = f"{job.name} is under way"
                decision = Decision(time=now, outcome="busy", reasons=[], detail=detail)
                return write_decision(decision, directory)
            _write_end(pending, job, project)
        news = check_triggers(project, now)
        reasons = news.reasons
        if not news.train:
            decision = Decision(time=now, outcome="nothing new", reasons=reasons)
            return write_decision(decision, directory)
        submitted = submit(project, now)
        decision = Decision(time=now, outcome="submitted", reasons=reasons, detail=submitted.job)
        return write_decision(decision, directory)
    except Exception as error:
        detail = " ".join(str(error).split())[:LONGEST_DETAIL]
        write_decision(
            Decision(time=now, outcome="failed", reasons=reasons, detail=detail), directory
        )
        raise


def _write_end(pending: Pending, job: Job, project: Project) -> None:
    """What became of a job, in the place of the decision that started it."""
    outcome: CheckOutcome
    version, detail = None, job.name
    error = ended_badly(job, project.workflow)
    settle(pending, error, project.run_directory)
    if error is not None:
        outcome = "stopped" if isinstance(error, DataGateError) else "failed"
        detail = " ".join(str(error).split())[:LONGEST_DETAIL]
    elif pushed := pushed_model(job):
        outcome, version = "pushed", int(pushed["pushed_version"])
    else:
        outcome = "refused"
    decision = Decision(
        time=pending.time, outcome=outcome, reasons=[], version=version, detail=detail
    )
    write_decision(decision, project.run_directory)


def _check_places(workflow: Workflow) -> None:
    """Refuses what the job could not read, which has nothing of this machine."""
    keys = ("manifests", "folder", "root", "background")
    places = {f"data.{key}": getattr(workflow.data, key) for key in keys}
    places["augment.noise.recordings"] = workflow.augment.noise.recordings
    for key, value in places.items():
        named = [value] if isinstance(value, str) else value or []
        here = [name for name in named if "://" not in name]
        if here:
            raise WorkflowError(
                f"{key}: got {here[0]}, expected a URI such as gs://bucket/folder, since the"
                " schedule looks at it on Vertex AI"
            )


def _title(workflow: Workflow) -> str:
    return f"auricle-{workflow.name}"


def _look_job(workflow: Workflow, file: str) -> dict[str, Any]:
    container = {
        "image": image(workflow),
        "command": _COMMAND,
        "args": [file],
        "env": [{"name": key, "value": value} for key, value in ENVIRONMENT.items()],
        "resources": {"cpuLimit": SMALL["cpu_limit"], "memoryLimit": SMALL["memory_limit"]},
    }
    name = f"{_title(workflow)}-look"
    task = {"taskInfo": {"name": _STEP}, "componentRef": {"name": _STEP}, "cachingOptions": {}}
    return {
        "displayName": name,
        "labels": dict(workflow.run.vertex.labels),
        "runtimeConfig": {"gcsOutputDirectory": run_root(workflow)},
        "pipelineSpec": {
            "schemaVersion": "2.1.0",
            "sdkVersion": "auricle",
            "pipelineInfo": {"name": name.replace("_", "-")},
            "root": {"dag": {"tasks": {_STEP: task}}},
            "components": {_STEP: {"executorLabel": _STEP}},
            "deploymentSpec": {"executors": {_STEP: {"container": container}}},
        },
    }


def main(file: str) -> None:
    """Looks once, for the workflow that `keep_schedule` left in `file`; what needs a disk lies in
    the working directory, which is the container's own.
    """
    workflow = Workflow.model_validate_json(location_of(file).read())
    print(look(Project(workflow, Path.cwd())), flush=True)  # noqa: T201 - the job's log


if __name__ == "__main__":
    main(sys.argv[1])
