"""A workflow compiled for Vertex AI, without the network."""

import json
from pathlib import Path
from typing import Any

import emulators
import pytest
from e2e.on_vertex import GENERATED, IMAGE, ROOT, VERTEX, compiled, container, parameter, tasks
from e2e.tiny import TINY, write_workflow
from typer.testing import CliRunner
from vertex_api import listening
from vertex_jobs_api import VertexJobsApi

from components.storage.location import location_of
from pipeline.cli import app
from pipeline.runners.vertex import COMMAND, TRAINER_COMMAND
from pipeline.runners.vertex_submit import submit
from pipeline.workspace.project import read_project
from schemas.errors import DataError, RunDirectoryError, WorkflowError

pytestmark = pytest.mark.e2e


def test_the_graph_needs_nothing_of_this_machine(tmp_path: Path) -> None:
    job = compiled(tmp_path)
    assert {"AudioExampleGen", "Trainer", "Evaluator", "ModelGate", "Pusher"} <= set(tasks(job))
    assert {"ServingCheck", "Report"} <= set(tasks(job))
    assert job["runtimeConfig"]["gcsOutputDirectory"] == ROOT
    assert str(tmp_path) not in json.dumps(job)
    for step in tasks(job):
        assert container(job, step)["image"] == IMAGE
        assert container(job, step)["command"] == COMMAND
    files = {path.name for path in (tmp_path / "pipeline-files").rglob("*") if path.is_file()}
    index = parameter(job, "AudioExampleGen", "index_uri")
    assert index.startswith(f"{ROOT}/index/")
    assert files == {index.rpartition("/")[2], "utterance.pbtxt"}


def test_small_steps_get_small_machines(tmp_path: Path) -> None:
    job = compiled(tmp_path)
    assert container(job, "Report")["resources"] == {"cpuLimit": 2.0, "memoryLimit": 8.0}
    for step in ("Trainer", "AudioExampleGen"):  # Beam runs in the step's container
        assert "resources" not in container(job, step)


def test_beam_runs_on_dataflow_with_what_vertex_knows(tmp_path: Path) -> None:
    vertex = VERTEX["vertex"] | {
        "service_account": "auricle@my-project.iam.gserviceaccount.com",
        "labels": {"team": "voice"},
    }
    options = {
        "project": "of-beam",
        "region": "europe-west4",
        "temp_location": "gs://bucket/tmp",
        "sdk_container_image": "europe-docker.pkg.dev/my-project/auricle-beam:1",
    }
    beam = {"runner": "DataflowRunner", "options": options}
    job = compiled(tmp_path, run=VERTEX | {"vertex": vertex, "beam": beam})
    arguments = container(job, "AudioExampleGen")["args"]
    assert {
        "--runner=DataflowRunner",
        "--project=of-beam",
        "--temp_location=gs://bucket/tmp",
        "--sdk_container_image=europe-docker.pkg.dev/my-project/auricle-beam:1",
        "--service_account_email=auricle@my-project.iam.gserviceaccount.com",
        "--labels=team=voice",
    } <= set(arguments)
    assert container(job, "AudioExampleGen")["resources"]["cpuLimit"] == 2.0
    assert job["labels"]["team"] == "voice"


def test_trainer_waits_for_its_machines(tmp_path: Path) -> None:
    pool = {"machine": "g2-standard-24", "accelerator": "NVIDIA_L4", "count": 2, "replicas": 3}
    alone = container(compiled(tmp_path), "Trainer")
    job = compiled(tmp_path, run=VERTEX | {"vertex": VERTEX["vertex"] | {"trainer": pool}})
    waiting = container(job, "Trainer")
    assert waiting["command"] == TRAINER_COMMAND
    key, machines, *arguments = waiting["args"]
    assert (key, arguments) == ("--custom_job", alone["args"])
    asked = json.loads(machines)
    assert {name: asked[name] for name in pool} == pool
    assert (asked["project"], asked["region"], asked["image"]) == (
        "my-project",
        "europe-west4",
        IMAGE,
    )
    assert waiting["resources"] == {"cpuLimit": 2.0, "memoryLimit": 8.0}
    assert container(job, "Evaluator")["command"] == COMMAND


def test_submit_leaves_what_the_steps_read_in_the_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = emulators.connect(monkeypatch).bucket("gs")
    api = VertexJobsApi()
    account = "auricle@my-project.iam.gserviceaccount.com"
    with listening(api) as url:
        vertex = VERTEX["vertex"] | {"endpoint": url, "service_account": account}
        run = VERTEX | {"directory": f"{bucket}/run", "vertex": vertex}
        file = write_workflow(tmp_path, data=GENERATED, run=run)
        done = CliRunner().invoke(app, ["submit", str(file), "--target", "vertex", "--json"])
    assert done.exit_code == 0, done.output
    [(job_id, job)] = api.jobs.items()
    found = json.loads(done.stdout)
    assert (found["job"], found["outcome"]) == (job["name"], "running")
    assert job_id in found["page"]
    assert job["serviceAccount"] == account
    assert job["runtimeConfig"]["gcsOutputDirectory"] == f"{bucket}/run"
    for step, name in (("AudioExampleGen", "index_uri"), ("ImportSchemaGen", "schema_file")):
        assert location_of(parameter(job, step, name)).is_present()
    assert [path.name for path in tmp_path.iterdir()] == ["workflow.yaml"]


def test_a_bucket_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulators.connect(monkeypatch)
    api = VertexJobsApi()
    with listening(api) as url:
        vertex = VERTEX["vertex"] | {"endpoint": url}
        run = VERTEX | {"directory": "gs://auricle-nowhere/run", "vertex": vertex}
        project = read_project(write_workflow(tmp_path, data=GENERATED, run=run))
        with pytest.raises(RunDirectoryError, match="auricle-nowhere"):
            submit(project)
    assert api.jobs == {}


def test_a_push_is_registered(tmp_path: Path) -> None:
    job = compiled(tmp_path, registry={})
    assert json.loads(parameter(job, "Pusher", "custom_config")) == {
        "ledger": f"{ROOT}/versions.json",
        "registry": {"kind": "vertex", "project": "my-project", "region": "europe-west4"},
    }


def test_a_warm_start_is_looked_up_by_the_step(tmp_path: Path) -> None:
    job = compiled(tmp_path, train=TINY["train"] | {"start": "both"})
    config = json.loads(parameter(job, "Trainer", "custom_config"))
    assert config["earlier"]["judgements"] == f"{ROOT}/judgements.jsonl"
    assert not any("esolver" in name for name in tasks(job))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"directory": "runs/tones"}, "run.directory"),
        ({"directory": "s3://bucket/runs"}, "run.directory"),
        ({"vertex": {"project": "my-project", "region": "europe-west4"}}, "run.vertex.image"),
    ],
)
def test_what_vertex_needs(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    with pytest.raises(WorkflowError, match=key):
        compiled(tmp_path, run=VERTEX | changes)


def test_recordings_of_this_machine_are_refused(project: Path) -> None:
    with pytest.raises(DataError, match="72 recordings"):
        compiled(project, data=TINY["data"])
