"""Jobs on Vertex AI: how they are started, watched, and what is said of one that ends badly."""

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import emulators
import pytest
from google.api_core import retry
from vertex_api import listening
from vertex_jobs_api import NUMBER, Json, VertexJobsApi, task

from components import vertex_rest
from components.storage.location import location_of
from components.vertex_rest import Place
from pipeline.runners import vertex_client
from pipeline.runners.vertex_client import VertexClient
from pipeline.runners.vertex_submit import Submitted, job_id, wait_for
from pipeline.workspace.project import Project
from schemas.errors import DataGateError, JobError
from schemas.reports.last_words import LAST_WORDS_FILE, LastWords
from schemas.workflow.workflow import Workflow

JOB: Json = {
    "displayName": "digits",
    "pipelineSpec": {"schemaVersion": "2.1.0", "pipelineInfo": {"name": "digits"}},
    "runtimeConfig": {"gcsOutputDirectory": "gs://bucket/runs/digits"},
    "labels": {"team": "voice"},
    "serviceAccount": "auricle@my-project.iam.gserviceaccount.com",
}


def patience(limit_s: float) -> retry.Retry:
    """What is asked again as ever, after shorter waits."""
    return retry.Retry(
        predicate=vertex_rest.PATIENCE._predicate, initial=0.01, maximum=0.02, timeout=limit_s
    )


@pytest.fixture
def api() -> VertexJobsApi:
    return VertexJobsApi()


@pytest.fixture
def place(api: VertexJobsApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(vertex_client, "PATIENCE", patience(60.0))
    with listening(api) as url:
        yield Place("my-project", "europe-west4", url)


def test_a_job_arrives_as_it_was_compiled(api: VertexJobsApi, place: Place) -> None:
    job = VertexClient(place).start("digits-1", JOB)
    assert job.name == f"projects/{NUMBER}/locations/europe-west4/pipelineJobs/digits-1"
    kept = api.jobs["digits-1"]
    assert {key: kept[key] for key in JOB} == JOB
    assert api.asked == [("POST", "/v1/projects/my-project/locations/europe-west4/pipelineJobs")]


def test_a_start_whose_answer_was_lost_is_one_job(api: VertexJobsApi, place: Place) -> None:
    api.lost = 1
    job = VertexClient(place).start("digits-1", JOB)
    assert job.name.endswith("digits-1")
    assert list(api.jobs) == ["digits-1"]


@pytest.mark.parametrize("status", [429, 503])
def test_what_passes_is_asked_again(api: VertexJobsApi, place: Place, status: int) -> None:
    api.refusals = [status, status]
    VertexClient(place).start("digits-1", JOB)
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "400"),
        (403, "roles/aiplatform.user"),
        (404, "run.vertex.region"),
        (429, "quota"),
        (503, "longer waits"),
    ],
)
def test_refusals_in_words(
    api: VertexJobsApi, place: Place, status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vertex_client, "PATIENCE", patience(0.5))
    api.refusals = [status] * 1000
    api.message = "Permission aiplatform.jobs.create denied"
    with pytest.raises(JobError, match=words) as refused:
        VertexClient(place).start("digits-1", JOB)
    assert api.message in str(refused.value)
    assert "my-project" in str(refused.value)
    assert "http" not in str(refused.value)
    assert refused.value.exit_code == 2
    assert (len(api.asked) > 3) is (status in (429, 503))


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vertex_client, "PATIENCE", patience(0.2))
    with pytest.raises(JobError, match="my-project"):
        VertexClient(Place("my-project", "europe-west4", "http://127.0.0.1:9")).start("one", JOB)


def test_nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    with pytest.raises(JobError, match="gcloud auth application-default login"):
        VertexClient(Place("my-project", "europe-west4"))


def test_ids_of_jobs() -> None:
    now = datetime.datetime.now().astimezone()
    for name in ("digits", "7_words-", "x" * 63):
        workflow = Workflow.model_validate({"name": name, "data": {"generated": {}}})
        assert re.fullmatch(r"[a-z][-a-z0-9]{0,127}", job_id(workflow, now)), name


# What becomes of a job.


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> str:
    return emulators.connect(monkeypatch).bucket("gs")


def ended(
    api: VertexJobsApi, place: Place, bucket: str, state: str, *tasks: Json, error: str = ""
) -> tuple[Submitted, list[str]]:
    """What `wait_for` says of a job that runs at first, and at last is in this state."""
    vertex: dict[str, Any] = {
        "project": place.project,
        "region": place.region,
        "endpoint": place.endpoint,
        "image": "europe-docker.pkg.dev/my-project/auricle/auricle:1",
    }
    run = {"directory": f"{bucket}/run", "vertex": vertex}
    workflow = Workflow.model_validate({"name": "d", "data": {"generated": {}}, "run": run})
    name = VertexClient(place).start("d-1", JOB).name
    states = iter(["PIPELINE_STATE_RUNNING", f"PIPELINE_STATE_{state}"])

    def on_poll(job: Json) -> None:
        job["state"] = next(states)
        is_over = job["state"] != "PIPELINE_STATE_RUNNING"
        first = [task("AudioExampleGen", "RUNNING")]
        job["jobDetail"] = {"taskDetails": list(tasks) if is_over else first}
        if is_over and error:
            job["error"] = {"code": 9, "message": error}

    api.on_poll = on_poll
    lines: list[str] = []
    submitted = Submitted(job=name, page="", outcome="running")
    return wait_for(Project(workflow, Path("/")), submitted, lines.append, 0.0), lines


def leave(bucket: str, step: str, words: LastWords, number: str = "1") -> None:
    """What a container leaves that dies."""
    folder = f"{bucket}/run/{NUMBER}/d-1/{step}_{number}"
    location_of(f"{folder}/{LAST_WORDS_FILE}").put(words.model_dump_json().encode())


def test_a_published_version(api: VertexJobsApi, place: Place, bucket: str) -> None:
    pushed = {"pushed": 1, "pushed_version": "3", "pushed_destination": f"{bucket}/serving/3"}
    tasks = (task("AudioExampleGen", "SUCCEEDED"), task("Pusher", "SUCCEEDED", pushed_model=pushed))
    found, lines = ended(api, place, bucket, "SUCCEEDED", *tasks)
    assert (found.outcome, found.version, found.pushed_to) == (
        "published",
        "3",
        f"{bucket}/serving/3",
    )
    assert lines == [
        "AudioExampleGen: running",
        "AudioExampleGen: succeeded",
        "Pusher: succeeded",
    ]


def test_a_model_that_the_gate_refused(api: VertexJobsApi, place: Place, bucket: str) -> None:
    pusher = task("Pusher", "SUCCEEDED", pushed_model={"pushed": 0})
    found, _ = ended(api, place, bucket, "SUCCEEDED", pusher)
    assert (found.outcome, found.version) == ("not published", "")


def test_a_step_that_died_says_its_last_words(
    api: VertexJobsApi, place: Place, bucket: str
) -> None:
    leave(bucket, "Trainer", LastWords(exit_code=2, words="no clip is long enough"), "-77")
    leave(bucket, "Evaluator", LastWords(exit_code=1, words="of another step"))
    with pytest.raises(JobError, match="at Trainer: no clip is long enough"):
        ended(api, place, bucket, "FAILED", task("Trainer", "FAILED", "exit code 2"))


def test_the_data_gate_stops_a_job(api: VertexJobsApi, place: Place, bucket: str) -> None:
    leave(bucket, "DataGate", LastWords(exit_code=3, words="too many rejects"))
    with pytest.raises(DataGateError, match="too many rejects"):
        ended(api, place, bucket, "FAILED", task("DataGate", "FAILED", "exit code 3"))


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        ("Failed to pull image: manifest unknown", "auricle/auricle:1"),
        ("The machine of workerpool0-0 was preempted", "submit it again"),
        ("The replica workerpool0-0 exited with a non-zero status of 1", "status of 1"),
    ],
)
def test_a_step_that_died_without_words(
    api: VertexJobsApi, place: Place, bucket: str, error: str, cure: str
) -> None:
    with pytest.raises(JobError, match=cure) as died:
        ended(api, place, bucket, "FAILED", task("Trainer", "FAILED", error))
    assert error in str(died.value)


def test_a_job_that_failed_before_its_steps(api: VertexJobsApi, place: Place, bucket: str) -> None:
    with pytest.raises(JobError, match="service account"):
        ended(api, place, bucket, "FAILED", error="no such service account")


def test_a_job_that_was_cancelled(api: VertexJobsApi, place: Place, bucket: str) -> None:
    with pytest.raises(JobError, match="cancelled"):
        ended(api, place, bucket, "CANCELLED", task("Trainer", "CANCELLED"))
