"""Trainer's container on Vertex AI: which job it starts, and how it ends."""

import os
import signal
import sys
from typing import Any

import pytest
from vertex_api import listening
from vertex_jobs_api import Json, VertexJobsApi

from components.custom_job import COMMAND, custom_job, main, train
from schemas.errors import JobError
from schemas.training_machines import TrainingMachines

ARGUMENTS = ["--executor_class_path", "a.B", "--json_serialized_invocation_args", "{}"]
MACHINES: dict[str, Any] = {
    "name": "digits-trainer",
    "project": "my-project",
    "region": "europe-west4",
    "image": "europe-docker.pkg.dev/my-project/auricle/auricle:1",
    "machine": "g2-standard-24",
    "accelerator": "NVIDIA_L4",
    "count": 2,
    "labels": {"team": "voice"},
    "environment": {"TF_CPP_MIN_LOG_LEVEL": "2"},
    "poll_s": 0.01,
}


def machines(**changes: Any) -> TrainingMachines:
    return TrainingMachines(**MACHINES | changes)


def test_one_machine_is_one_pool() -> None:
    account = "auricle@my-project.iam.gserviceaccount.com"
    job = custom_job(machines(service_account=account), ARGUMENTS)
    machine = {
        "machineType": "g2-standard-24",
        "acceleratorType": "NVIDIA_L4",
        "acceleratorCount": 2,
    }
    container = {
        "imageUri": MACHINES["image"],
        "command": COMMAND,
        "args": ARGUMENTS,
        "env": [{"name": "TF_CPP_MIN_LOG_LEVEL", "value": "2"}],
    }
    pool = {"machineSpec": machine, "containerSpec": container, "replicaCount": "1"}
    assert job == {
        "displayName": "digits-trainer",
        "jobSpec": {"workerPoolSpecs": [pool], "serviceAccount": account},
        "labels": {"team": "voice"},
    }


def test_several_machines_are_a_chief_and_workers_who_begin_anew_together() -> None:
    spec = custom_job(machines(replicas=4, accelerator=None), ARGUMENTS)["jobSpec"]
    assert [pool["replicaCount"] for pool in spec["workerPoolSpecs"]] == ["1", "3"]
    assert (
        spec["workerPoolSpecs"][1]["containerSpec"] == spec["workerPoolSpecs"][0]["containerSpec"]
    )
    assert spec["workerPoolSpecs"][0]["machineSpec"] == {"machineType": "g2-standard-24"}
    assert spec["scheduling"] == {"restartJobOnWorkerRestart": True}


def test_it_waits_for_the_end() -> None:
    api = VertexJobsApi()
    states = iter(["RUNNING", "RUNNING", "SUCCEEDED"])
    api.on_poll = lambda job: job.update(state=f"JOB_STATE_{next(states)}")
    with listening(api) as url:
        train(machines(endpoint=url), ARGUMENTS)
    [kept] = api.trainings.values()
    assert kept["state"] == "JOB_STATE_SUCCEEDED"
    [pool] = kept["jobSpec"]["workerPoolSpecs"]
    [wanted] = custom_job(machines(), ARGUMENTS)["jobSpec"]["workerPoolSpecs"]
    assert pool["containerSpec"] == wanted["containerSpec"]


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "EXPIRED"])
def test_what_did_not_succeed_is_an_error(state: str) -> None:
    api = VertexJobsApi()

    def on_poll(job: Json) -> None:
        job |= {"state": f"JOB_STATE_{state}", "error": {"code": 8, "message": "out of memory"}}

    api.on_poll = on_poll
    with listening(api) as url, pytest.raises(JobError, match="out of memory") as failed:
        train(machines(endpoint=url), ARGUMENTS)
    assert state.lower() in str(failed.value)


def test_refused_it_starts_nothing() -> None:
    api = VertexJobsApi()
    api.refusals = [403]
    with listening(api) as url, pytest.raises(JobError, match="403"):
        train(machines(endpoint=url), ARGUMENTS)
    assert api.trainings == {}


def test_told_to_end_it_cancels_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    api = VertexJobsApi()
    api.on_poll = lambda job: os.kill(os.getpid(), signal.SIGTERM)
    before = signal.getsignal(signal.SIGTERM)
    with listening(api) as url:
        text = machines(endpoint=url).model_dump_json()
        monkeypatch.setattr(sys, "argv", ["custom_job", "--custom_job", text, *ARGUMENTS])
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 128 + signal.SIGTERM
    assert api.trainings["1"]["state"] == "JOB_STATE_CANCELLED"
