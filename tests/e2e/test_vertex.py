"""A workflow compiled for Vertex AI, without the network."""

import json
from pathlib import Path

import pytest
from e2e.tiny import TINY, write_workflow

from pipeline.runners.vertex import compile_workflow
from pipeline.workspace.project import read_project
from schemas.errors import WorkflowError

pytestmark = pytest.mark.e2e


def test_vertex_pipeline(project: Path) -> None:
    file = write_workflow(project, run={"directory": "gs://bucket/runs/tones"})
    output = project / "pipeline.json"
    compile_workflow(read_project(file), output)
    job = json.loads(output.read_text())
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    assert {"AudioExampleGen", "Trainer", "Evaluator", "ModelGate", "Pusher"} <= set(tasks)
    assert {"ServingCheck", "Report"} <= set(tasks)
    assert job["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/runs/tones"
    assert str(project) not in output.read_text()  # nothing of this machine


def test_vertex_pipeline_registers_what_it_pushes(project: Path) -> None:
    vertex = {"project": "my-project", "region": "europe-west4"}
    run = {"directory": "gs://bucket/runs/tones", "vertex": vertex}
    file = write_workflow(project, run=run, registry={})
    output = project / "pipeline.json"
    compile_workflow(read_project(file), output)
    tasks = json.loads(output.read_text())["pipelineSpec"]["root"]["dag"]["tasks"]
    config = tasks["Pusher"]["inputs"]["parameters"]["custom_config"]
    assert json.loads(config["runtimeValue"]["constantValue"]["stringValue"]) == {
        "ledger": "gs://bucket/runs/tones/versions.json",
        "registry": {"kind": "vertex", **vertex},
    }


def test_vertex_needs_a_bucket(project: Path) -> None:
    with pytest.raises(WorkflowError, match="gs://"):
        compile_workflow(read_project(project / "workflow.yaml"), project / "pipeline.json")


def test_vertex_pipeline_with_a_warm_start(project: Path) -> None:
    file = write_workflow(
        project,
        train=TINY["train"] | {"start": "both"},
        run={"directory": "gs://bucket/runs/tones"},
    )
    output = project / "pipeline.json"
    compile_workflow(read_project(file), output)
    job = json.loads(output.read_text())
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    assert "base_model" in tasks["Trainer"]["inputs"]["artifacts"]
