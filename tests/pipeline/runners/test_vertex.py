"""Where a pipeline for Vertex AI registers what it pushes."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.runners.vertex import vertex_registry
from schemas.workflow.workflow import Workflow

DATAFLOW = {
    "runner": "DataflowRunner",
    "options": {
        "project": "of-beam",
        "region": "europe-west1",
        "temp_location": "gs://bucket/tmp",
        "sdk_container_image": "auricle/beam:1",
    },
}


def make_workflow(run: dict[str, Any], **blocks: Any) -> Workflow:
    return Workflow.model_validate(
        {"name": "digits", "data": {"generated": {}}, "run": run} | blocks
    )


@pytest.mark.parametrize(
    ("run", "place"),
    [
        (
            {"vertex": {"project": "my-project", "region": "europe-west4"}},
            ("my-project", "europe-west4"),
        ),
        ({"directory": "gs://bucket/run", "beam": DATAFLOW}, ("of-beam", "europe-west1")),
        (
            {"directory": "gs://bucket/run", "beam": DATAFLOW, "vertex": {"project": "my-project"}},
            ("my-project", "europe-west1"),
        ),
        ({"beam": {"options": {"project": "of-nobody", "region": "nowhere"}}}, None),
        ({}, None),
    ],
)
def test_project_and_region(run: dict[str, Any], place: tuple[str, str] | None) -> None:
    registry = vertex_registry(make_workflow(run))
    if place is None:
        assert registry is None
    else:
        assert registry == {"kind": "vertex", "project": place[0], "region": place[1]}


def test_no_registry_is_no_registry() -> None:
    assert (
        vertex_registry(
            make_workflow(
                {"directory": "gs://bucket/run", "beam": DATAFLOW}, registry={"kind": "none"}
            )
        )
        is None
    )


@pytest.mark.parametrize("missing", ["project", "region"])
def test_one_without_the_other_is_refused(missing: str) -> None:
    given = {"project": "my-project", "region": "europe-west4"}
    del given[missing]
    with pytest.raises(ValidationError, match=missing):
        make_workflow({"vertex": given})
