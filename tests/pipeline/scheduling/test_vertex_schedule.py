"""A schedule that Vertex AI keeps: what it is made of, and what its job decides."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import emulators
import pytest
from vertex_api import listening
from vertex_jobs_api import Json, VertexJobsApi, task

from components.storage.location import location_of
from pipeline.scheduling.scheduler import Decision, read_decisions
from pipeline.scheduling.vertex_schedule import end_schedule, keep_schedule, look, main
from pipeline.workspace.project import Project
from schemas.errors import InputError, WorkflowError
from schemas.workflow.workflow import Workflow

NOW = datetime.datetime(2026, 12, 1, 3, tzinfo=datetime.timezone.utc)
PUSHED = {"pushed": 1, "pushed_version": "1", "pushed_destination": "gs://bucket/serving/1"}


class Cloud:
    """A stub of Vertex AI, and a bucket; `state` is what jobs are in when they are asked for."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.api = VertexJobsApi()
        self.api.on_poll = self._tell
        self.url = ""
        self.state = "RUNNING"

    def _tell(self, job: Json) -> None:
        job["state"] = f"PIPELINE_STATE_{self.state}"
        job["jobDetail"] = {"taskDetails": [task("Pusher", self.state, pushed_model=PUSHED)]}

    def project(self, folder: Path, **blocks: Any) -> Project:
        image = "europe-docker.pkg.dev/my-project/auricle/auricle:1"
        vertex = {
            "project": "my-project",
            "region": "europe-west4",
            "image": image,
            "endpoint": self.url,
            "labels": {"team": "voice"},
        }
        run = {"orchestrator": "vertex", "directory": f"{self.bucket}/run", "vertex": vertex}
        given = {"name": "digits", "data": {"generated": {"speakers": 12, "takes": 1}}, "run": run}
        return Project(Workflow.model_validate(given | blocks), folder)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    found = Cloud(emulators.connect(monkeypatch).bucket("gs"))
    with listening(found.api) as found.url:
        yield found


def later(hours: int) -> datetime.datetime:
    return NOW + datetime.timedelta(hours=hours)


def outcomes(decisions: list[Decision]) -> list[str]:
    return [decision.outcome for decision in decisions]


def test_a_schedule_is_made_changed_and_ended(cloud: Cloud, tmp_path: Path) -> None:
    times = {"cron": "0 3 * * 1", "timezone": "Europe/Berlin"}
    scheduled = keep_schedule(cloud.project(tmp_path, schedule=times))
    [kept] = cloud.api.schedules.values()
    assert (kept["name"], kept["cron"]) == (scheduled.schedule, "TZ=Europe/Berlin 0 3 * * 1")
    assert kept["maxConcurrentRunCount"] == "1"
    assert scheduled.next_look == "2026-12-07 03:00"
    again = keep_schedule(cloud.project(tmp_path, schedule=times | {"cron": "0 4 * * *"}))
    [kept] = cloud.api.schedules.values()
    assert (again.schedule, kept["cron"]) == (scheduled.schedule, "TZ=Europe/Berlin 0 4 * * *")
    assert end_schedule(cloud.project(tmp_path))
    assert cloud.api.schedules == {}
    assert not end_schedule(cloud.project(tmp_path))


def test_a_path_of_this_machine_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"data\.manifests"):
        keep_schedule(cloud.project(tmp_path, data={"manifests": "manifest.jsonl"}))
    with pytest.raises(WorkflowError, match=r"augment\.noise\.recordings"):
        keep_schedule(cloud.project(tmp_path, augment={"noise": "noise"}))
    assert cloud.api.schedules == {}


def test_what_its_job_decides(
    cloud: Cloud,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    project = cloud.project(tmp_path)
    keep_schedule(project)
    [kept] = cloud.api.schedules.values()
    spec = kept["createPipelineJobRequest"]["pipelineJob"]["pipelineSpec"]
    [executor] = spec["deploymentSpec"]["executors"].values()
    [file] = executor["container"]["args"]
    main(file)  # as its container does
    assert capsys.readouterr().out.startswith("submitted: no run has finished yet")
    assert len(cloud.api.jobs) == 1
    assert look(project, later(1)).outcome == "busy"
    cloud.state = "SUCCEEDED"
    assert look(project, later(2)).outcome == "nothing new"
    changed = cloud.project(tmp_path, train={"epochs": 1})
    assert look(changed, later(3)).outcome == "submitted"
    cloud.state = "FAILED"
    assert look(changed, later(4)).outcome == "submitted"  # again, as on this machine
    assert len(cloud.api.jobs) == 3
    decisions = read_decisions(changed)
    assert outcomes(decisions) == ["pushed", "busy", "nothing new", "failed", "submitted"]
    assert decisions[0].version == 1
    assert "Pusher" in decisions[3].detail


def test_a_refused_job_is_written_down(cloud: Cloud, tmp_path: Path) -> None:
    cloud.api.refusals = [403]
    project = cloud.project(tmp_path)
    with pytest.raises(InputError, match="403"):
        look(project, NOW)
    [decision] = read_decisions(project)
    assert (decision.outcome, decision.time) == ("failed", NOW)
    assert not (location_of(f"{cloud.bucket}/run") / "submitted.json").is_present()
