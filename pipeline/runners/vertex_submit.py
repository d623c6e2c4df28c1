"""Starts a workflow's pipeline on Vertex AI, and waits for it."""

import datetime
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ValidationError

from components.storage.location import location_of
from components.vertex_rest import Place
from pipeline.runners.vertex import check_vertex, image, make_job, run_root
from pipeline.runners.vertex_pending import Pending, keep, read_pending, settle
from pipeline.runners.vertex_place import place_of
from pipeline.runs.snapshot import observe
from pipeline.workspace.project import Project
from schemas.errors import DataGateError, JobError, RunDirectoryError
from schemas.reports.last_words import LAST_WORDS_FILE, LastWords
from schemas.workflow.workflow import Workflow

if TYPE_CHECKING:
    from pipeline.runners.vertex_client import Job, VertexClient

POLL_S = 20.0
_NO_IMAGE = re.compile(r"image", re.IGNORECASE)
_NOT_THERE = re.compile(r"not found|pull|manifest unknown|does not exist", re.IGNORECASE)
_PREEMPTED = re.compile(r"preempt|spot|evict", re.IGNORECASE)


class Submitted(BaseModel):
    """A pipeline job as it is now: its name on Vertex AI, and a page to watch it on.

    `outcome` is `running` until it is waited for; then `published` or `not published`, and
    `version` and `pushed_to` say what was.
    """

    job: str
    page: str
    outcome: Literal["running", "published", "not published"]
    version: str = ""
    pushed_to: str = ""


def submit(project: Project, now: datetime.datetime | None = None) -> Submitted:
    """Compiles the workflow, writes what its steps read to the run directory, and starts it.

    Raises:
        WorkflowError: `run` does not say what Vertex AI needs.
        DataError: the recordings cannot be used, or lie on this machine.
        RunDirectoryError: the run directory cannot be written.
        JobError: Vertex AI refuses the job, or does not answer.
    """
    from pipeline.runners.vertex_client import VertexClient

    workflow = project.workflow
    check_vertex(workflow)
    place = place_of(workflow)
    client = VertexClient(place)
    root = location_of(run_root(workflow))
    now = now or datetime.datetime.now().astimezone()
    try:
        made = make_job(project, root)
        observed, stamps = observe(project, made.listing)
        started = client.start(job_id(workflow, now), as_account(made.job, workflow))
        pending = Pending(job=started.name, time=now, data=made.data, observed=observed)
        keep(pending, stamps, project.run_directory)
    except OSError as error:
        raise RunDirectoryError(f"{error.filename or root}: {error.strerror or error}") from error
    return _running(started, place)


def job_id(workflow: Workflow, now: datetime.datetime) -> str:
    """A name of a job that no other has: of the workflow, and of the time to a thousandth."""
    name = workflow.name.replace("_", "-")
    name = name if name[0].isalpha() else f"auricle-{name}"
    time_ = f"{now.astimezone(datetime.timezone.utc):%Y%m%d-%H%M%S-%f}"
    return f"{name}-{time_[:-3]}"


def as_account(job: dict[str, Any], workflow: Workflow) -> dict[str, Any]:
    """The job with the account and the network that the workflow names."""
    vertex = workflow.run.vertex
    named = {"serviceAccount": vertex.service_account, "network": vertex.network}
    return job | {key: value for key, value in named.items() if value is not None}


def wait_for(
    project: Project, submitted: Submitted, say: Callable[[str], None], poll_s: float = POLL_S
) -> Submitted:
    """Waits for the job; `say` gets a line when a step begins or ends.

    Raises:
        DataGateError: the data gate stopped it.
        JobError: it failed or was cancelled; says at which step, and that step's last words.
    """
    from pipeline.runners.vertex_client import VertexClient

    client = VertexClient(place_of(project.workflow))
    job = _watch(client, submitted.job, say, poll_s)
    directory = project.run_directory
    error = ended_badly(job, project.workflow)
    pending = read_pending(directory)
    if pending is not None and pending.job == job.name:
        settle(pending, error, directory)
    if error is not None:
        raise error
    pushed = pushed_model(job)
    return submitted.model_copy(
        update={
            "outcome": "published" if pushed else "not published",
            "version": str(pushed.get("pushed_version", "")),
            "pushed_to": str(pushed.get("pushed_destination", "")),
        }
    )


def pushed_model(job: "Job") -> dict[str, Any]:
    """What Pusher says of the version; empty where it published none."""
    pusher = job.steps.get("Pusher")
    pushed = pusher.outputs.get("pushed_model", {}) if pusher else {}
    return pushed if pushed.get("pushed") else {}


def _watch(client: "VertexClient", name: str, say: Callable[[str], None], poll_s: float) -> "Job":
    seen: dict[str, str] = {}
    while True:
        job = client.job(name)
        for step, found in job.steps.items():
            if seen.get(step) != found.state:
                seen[step] = found.state
                say(f"{step}: {found.state.lower().replace('_', ' ')}")
        if job.has_ended:
            return job
        time.sleep(poll_s)


def ended_badly(job: "Job", workflow: Workflow) -> JobError | DataGateError | None:
    """Which step died and why, and what to do about it; None of a job that succeeded."""
    if job.state == "SUCCEEDED":
        return None
    if job.state == "CANCELLED":
        return JobError(f"{job.name} was cancelled; submitted again, it goes on: {_REUSED}")
    failed = {name: step for name, step in job.steps.items() if step.state == "FAILED"}
    if not failed:
        return JobError(f"{job.name} failed: {job.error or 'Vertex AI does not say why'}")
    name, step = next(iter(failed.items()))
    words = _last_words(job.name, name, workflow)
    if words is not None and words.exit_code == DataGateError.exit_code:
        return DataGateError(words.words)
    said = words.words if words is not None else step.error or job.error
    return JobError(f"{job.name} failed at {name}: {said}{_cure(said, workflow)}")


_REUSED = "what its steps have made is used again"


def _cure(said: str, workflow: Workflow) -> str:
    if _NO_IMAGE.search(said) and _NOT_THERE.search(said):
        return (
            f"\nPush the image {image(workflow)} to where the account of the steps may read it:"
            " docs/deploy/README.md says how"
        )
    if _PREEMPTED.search(said):
        return f"\nIts machine was taken back: submit it again, {_REUSED}"
    return ""


def _last_words(job: str, step: str, workflow: Workflow) -> LastWords | None:
    """What a step left in the run directory; None where it left nothing that can be read.

    Vertex AI gives each task of a job a folder: <root>/<project number>/<job>/<task>_<number>.
    """
    parts = job.split("/")
    folder = location_of(run_root(workflow)) / parts[1] / parts[-1]
    try:
        for name in reversed(folder.children()[1]):
            file = folder / name / LAST_WORDS_FILE
            if name.rpartition("_")[0] == step and file.is_present():
                return LastWords.model_validate_json(file.read())
    except (OSError, ValidationError):
        return None
    return None


def _running(job: "Job", place: Place) -> Submitted:
    page = (
        f"https://console.cloud.google.com/vertex-ai/locations/{place.region}/pipelines/runs/"
        f"{job.name.rpartition('/')[2]}?project={place.project}"
    )
    return Submitted(job=job.name, page=page, outcome="running")
