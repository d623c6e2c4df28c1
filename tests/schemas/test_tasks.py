"""The task that a workflow names, or means where it was written before tasks had names."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.tasks import bring_up_to_date
from schemas.workflow.workflow import Workflow

GENERATED: dict[str, Any] = {"generated": {"speakers": 9}}
LISTENING = GENERATED | {"background": "noise/*.wav"}


@pytest.mark.parametrize(
    ("document", "task"),
    [
        ({"data": GENERATED}, "classify"),
        ({"data": LISTENING}, "spot"),
        ({"data": LISTENING, "task": "classify"}, "spot"),  # as runs wrote it down before
        ({"data": LISTENING, "task": "spot"}, "spot"),
    ],
)
def test_a_workflow_is_of_the_task_that_it_means(document: dict[str, Any], task: str) -> None:
    workflow = Workflow.model_validate({"name": "x", **document})
    assert workflow.task == task
    assert Workflow.model_validate_json(workflow.model_dump_json()) == workflow


def test_keys_that_a_task_needs_are_asked_for() -> None:
    with pytest.raises(ValidationError) as refused:
        Workflow.model_validate({"name": "x", "data": GENERATED, "task": "spot"})
    [error] = refused.value.errors()
    assert [conflict.keys for conflict in error["ctx"]["conflicts"]] == [
        ("task", "data.background")
    ]


def test_a_rule_of_another_tasks_gate_is_refused() -> None:
    rule = {"false_rejects": {"at_most": 0.1}}
    with pytest.raises(ValidationError) as refused:
        Workflow.model_validate({"name": "x", "data": GENERATED, "gate": rule})
    assert [error["loc"] for error in refused.value.errors()] == [("gate", "false_rejects")]


def test_a_stored_workflow_loses_rules_that_its_gate_no_longer_has() -> None:
    gate = {"confidence": 0.9, "false_rejects": {"at_most": None}, "false_alarms_per_hour": 1.0}
    stored = {"name": "x", "data": GENERATED, "task": "classify", "gate": gate}
    assert bring_up_to_date(stored)["gate"] == {"confidence": 0.9}
    spotting = stored | {"data": LISTENING}
    assert bring_up_to_date(spotting) == spotting | {"task": "spot"}
