"""The task that a workflow names, or means where it was written before tasks had names."""

from typing import Any

import pytest
from pydantic import ValidationError

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


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        ({"data": GENERATED, "task": "spot"}, ("task", "data.background")),
        (
            {"data": GENERATED, "gate": {"false_rejects": {"at_most": 0.1}}},
            ("gate.false_rejects.at_most", "data.background"),
        ),
    ],
)
def test_keys_that_a_task_needs_are_asked_for(
    document: dict[str, Any], keys: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as refused:
        Workflow.model_validate({"name": "x", **document})
    [error] = refused.value.errors()
    assert [conflict.keys for conflict in error["ctx"]["conflicts"]] == [keys]
