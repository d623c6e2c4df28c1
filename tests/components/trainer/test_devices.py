"""Which devices a training asks for, and what is said of those that are not there."""

import json
import socket

import pytest

from components.trainer import devices as found_by
from components.trainer.devices import find_devices, find_precision
from schemas.errors import WorkflowError
from schemas.workflow.train import Train

ALONE = {"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}
TWO = {"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": json.dumps(ALONE)},
        {"CLUSTER_SPEC": json.dumps({"cluster": {"workerpool0": ["a:1"]}})},
    ],
)
def test_one_machine_trains_alone(environment: dict[str, str]) -> None:
    devices = find_devices(Train(), environment)
    assert (devices.replicas, devices.workers, devices.is_chief) == (1, 1, True)
    assert devices.add_up(3, 4) == [3, 4]


@pytest.mark.parametrize("asked", [1, 2])
def test_gpus_that_are_not_there(asked: int) -> None:
    with pytest.raises(WorkflowError, match=rf"train\.devices: got {asked} GPU.*none on this"):
        find_devices(Train(devices=asked), {})


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        "7",
        '{"cluster": 3}',
        json.dumps(TWO | {"task": {"type": "worker", "index": 1}}),
        json.dumps(TWO | {"task": {"type": "worker", "index": -1}}),
        json.dumps(TWO | {"task": {"type": "worker", "index": "first"}}),
        json.dumps(TWO | {"task": {"type": "ps", "index": 0}}),
        json.dumps({"cluster": TWO["cluster"] | {"ps": ["c:1"]}, "task": TWO["task"]}),
        json.dumps(TWO | {"cluster": {"chief": ["a"], "worker": ["b:1"]}}),
        json.dumps(TWO | {"cluster": {"chief": ["a:1"], "worker": [7]}}),
        json.dumps(TWO | {"cluster": {"chief": ["a:1"], "worker": ["a:1"]}}),
        json.dumps(TWO | {"cluster": {"chief": ["a:1", "c:1"], "worker": ["b:1"]}}),
    ],
)
def test_a_cluster_that_cannot_be_used(config: str) -> None:
    with pytest.raises(WorkflowError, match="TF_CONFIG: cannot be used"):
        find_devices(Train(), {"TF_CONFIG": config})


def test_workers_without_a_cluster() -> None:
    with pytest.raises(WorkflowError, match="no TF_CONFIG with several machines"):
        find_devices(Train(devices="workers"), {"TF_CONFIG": json.dumps(ALONE)})


def test_one_of_several_machines_does_not_train_alone() -> None:
    with pytest.raises(WorkflowError, match="one of 2 that TF_CONFIG names"):
        find_devices(Train(devices="cpu"), {"TF_CONFIG": json.dumps(TWO)})


def test_precision_without_a_gpu() -> None:
    alone = find_devices(Train(), {})
    assert find_precision(Train(), alone) == "float32"
    assert find_precision(Train(precision="mixed_bfloat16"), alone) == "mixed_bfloat16"
    with pytest.raises(WorkflowError, match=r"train\.precision: got mixed_float16 without a GPU"):
        find_precision(Train(precision="mixed_float16"), alone)


def test_the_first_machine_waits_for_the_others_with_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(found_by, "_JOIN_WAIT_S", 0.3)
    with (
        socket.create_server(("127.0.0.1", 0)) as there,
        socket.create_server(("127.0.0.1", 0)) as gone,
    ):
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in (there, gone)]
        gone.close()
        config = {"cluster": {"chief": ["127.0.0.1:1"], "worker": addresses}}
        with pytest.raises(WorkflowError, match="not all of 3 machines came within 0 s") as said:
            find_devices(Train(), {"TF_CONFIG": json.dumps(config)})
    assert addresses[1] in str(said.value)
