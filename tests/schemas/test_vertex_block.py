"""Machines and names for Google Cloud: what does not exist is refused before it costs a start."""

import re
import typing
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.workflow.vertex import Accelerator
from schemas.workflow.workflow import Workflow

PLACE = {"project": "my-project", "region": "europe-west4"}


def conflicts(**vertex: Any) -> str:
    """What is said of a `run.vertex`; empty where nothing is wrong."""
    run = {"vertex": PLACE | vertex}
    try:
        Workflow.model_validate({"name": "d", "data": {"generated": {}}, "run": run})
    except ValidationError as error:
        return str(error)
    return ""


def test_every_accelerator_is_one_of_vertex() -> None:
    from google.cloud.aiplatform_v1 import AcceleratorType

    assert set(typing.get_args(Accelerator)) <= {each.name for each in AcceleratorType}


@pytest.mark.parametrize(
    ("machine", "accelerator", "count"),
    [
        ("n1-standard-8", "NVIDIA_TESLA_T4", 1),
        ("n1-highmem-16", "NVIDIA_TESLA_V100", 8),
        ("g2-standard-12", "NVIDIA_L4", 1),
        ("g2-standard-96", "NVIDIA_L4", 8),
        ("a2-highgpu-4g", "NVIDIA_TESLA_A100", 4),
        ("a2-ultragpu-1g", "NVIDIA_A100_80GB", 1),
        ("a3-highgpu-8g", "NVIDIA_H100_80GB", 8),
    ],
)
def test_machines_that_exist(machine: str, accelerator: str, count: int) -> None:
    trainer = {"machine": machine, "accelerator": accelerator, "count": count}
    assert conflicts(trainer=trainer) == ""


@pytest.mark.parametrize(
    ("trainer", "key"),
    [
        ({"machine": "n2-standard-8", "accelerator": "NVIDIA_TESLA_T4"}, "trainer.accelerator"),
        (
            {"machine": "n1-standard-8", "accelerator": "NVIDIA_TESLA_T4", "count": 3},
            "trainer.count",
        ),
        ({"machine": "n1-standard-8", "accelerator": "NVIDIA_L4"}, "trainer.accelerator"),
        ({"machine": "g2-standard-24", "accelerator": "NVIDIA_L4"}, "trainer.count"),
        ({"machine": "a2-highgpu-2g", "accelerator": "NVIDIA_TESLA_A100"}, "trainer.count"),
        ({"machine": "a2-highgpu-1g"}, "trainer.machine"),
        ({"machine": "n1-standard-8", "count": 2}, "trainer.count"),
        ({"machine": "n1-standard-8", "accelerator": "NVIDIA_T4"}, "trainer.accelerator"),
        ({"machine": "big", "replicas": 2}, "trainer.machine"),
        ({"machine": "n1-standard-8", "replicas": 0}, "trainer.replicas"),
    ],
)
def test_machines_that_do_not_exist(trainer: dict[str, Any], key: str) -> None:
    assert re.search(key, conflicts(trainer=trainer))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("region", "europe-west4-a"),
        ("region", "Europe"),
        ("project", "My Project"),
        ("image", "https://europe-docker.pkg.dev/p/auricle"),
        ("image", "two words"),
        ("service_account", "auricle"),
        ("network", "default"),
        ("labels", {"Team": "voice"}),
        ("labels", {"team": "Voice Lab"}),
        ("endpoint", "not a host"),
    ],
)
def test_names_that_google_does_not_take(key: str, value: object) -> None:
    assert f"vertex.{key}" in conflicts(**{key: value})
