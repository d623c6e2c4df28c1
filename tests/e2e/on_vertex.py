"""The tiny workflow for Vertex AI, and what lies where in its compiled job."""

import json
from pathlib import Path
from typing import Any

from e2e.tiny import TONES_HZ, write_workflow

from pipeline.runners.vertex import compile_workflow
from pipeline.workspace.project import read_project

ROOT = "gs://bucket/runs/tones"
IMAGE = "europe-docker.pkg.dev/my-project/auricle/auricle:1"
GENERATED = {"generated": {"words": list(TONES_HZ), "speakers": 12, "takes": 1}}
VERTEX: dict[str, Any] = {
    "orchestrator": "vertex",
    "directory": ROOT,
    "vertex": {"project": "my-project", "region": "europe-west4", "image": IMAGE},
}


def compiled(folder: Path, **changes: Any) -> dict[str, Any]:
    """The job of the tiny workflow with these blocks changed, its other files beside it."""
    blocks = {"data": GENERATED, "run": VERTEX} | changes
    compile_workflow(read_project(write_workflow(folder, **blocks)), folder / "pipeline.json")
    job: dict[str, Any] = json.loads((folder / "pipeline.json").read_text())
    return job


def tasks(job: dict[str, Any]) -> dict[str, Any]:
    return job["pipelineSpec"]["root"]["dag"]["tasks"]  # type: ignore[no-any-return]


def container(job: dict[str, Any], step: str) -> dict[str, Any]:
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    return executors[f"{step}_executor"]["container"]  # type: ignore[no-any-return]


def parameter(job: dict[str, Any], step: str, name: str) -> Any:
    return tasks(job)[step]["inputs"]["parameters"][name]["runtimeValue"]["constant"]
