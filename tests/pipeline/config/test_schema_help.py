"""What is said of a key is what pydantic accepts there."""

import pytest
from pydantic import ValidationError

from pipeline.config.schema_help import (
    allowed_names,
    block_example,
    describe,
    expected_at,
    keys_at,
    leaves,
    nearest_key,
    required_keys,
    root_schema,
    schema_at,
)
from schemas.workflow.workflow import Workflow


def test_keys_are_the_fields_of_the_types() -> None:
    assert keys_at(()) == list(Workflow.model_fields)
    assert keys_at(("train",)) == list(Workflow.model_fields["train"].annotation.model_fields)
    assert keys_at(("train", "epochs")) == []
    assert keys_at(("no", "such")) == []
    assert set(required_keys(root_schema())) == {
        name for name, field in Workflow.model_fields.items() if field.is_required()
    }


def test_the_example_of_a_block_is_accepted_there() -> None:
    blocks = [key for key in keys_at(()) if keys_at((key,))]
    for block in blocks:
        example = block_example((block,))
        assert example is not None
        read = Workflow.model_validate(
            {"name": "words", "data": {"folder": "clips"}, block: example}
        )
        assert block in read.model_fields_set
    assert block_example(("data",)) == {"folder": "../mywords"}
    assert block_example(("model",)) == {"architecture": "cnn_lstm"}
    assert block_example(("gate",), "spot") == {"accuracy": {"at_least": 0.9}}
    assert block_example(("name",)) is None
    assert block_example(("train", "epochs")) is None
    assert block_example(("gate", "false_rejects"), "spot") is None


def test_every_leaf_is_a_key_that_can_be_described() -> None:
    paths = [path for path, _ in leaves()]
    assert len(paths) == len(set(paths)) > 60
    for path, schema in leaves():
        assert describe(schema) == expected_at(path) != "no such key"
        assert nearest_key(path) == ".".join(map(str, path))


def test_the_bounds_that_are_said_are_those_that_are_kept() -> None:
    """For each whole number and each number with both bounds: the bounds pass, beyond them none."""
    tried = 0
    for path, schema in leaves():
        low, high = schema.get("minimum"), schema.get("maximum")
        if schema.get("type") != "integer" or low is None or high is None:
            continue
        assert expected_at(path) == f"a whole number from {low:g} to {high:g}"
        for value, is_allowed in ((low, True), (high, True), (low - 1, False), (high + 1, False)):
            assert is_accepted(path, value) == is_allowed, (path, value)
            tried += 1
    assert tried > 20


def is_accepted(path: tuple[str | int, ...], value: object) -> bool:
    """Whether pydantic has nothing to say about the value at `path`."""
    nested: object = value
    for step in reversed(path):
        nested = {step: nested}
    try:
        Workflow.model_validate({"name": "a", **nested})
    except ValidationError as error:
        return not any(
            [step for step in found["loc"] if step in path][-1:] == [path[-1]]
            and found["type"] in ("greater_than_equal", "less_than_equal")
            for found in error.errors()
        )
    return True


def test_closed_lists_are_those_of_the_types() -> None:
    names = allowed_names(("model", "architecture"))
    assert "cnn_lstm" in names
    assert expected_at(("model", "architecture")) == f"one of {', '.join(names)}"
    assert allowed_names(("name",)) == []
    assert all(is_accepted(("model", "architecture"), name) for name in names)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (("modle",), "model"),
        (("train", "epoch"), "train.epochs"),
        (("push", "num_mel_bins"), "frontend.num_mel_bins"),
        (("epochs",), "train.epochs"),
        (("qqqqqqqq",), None),
    ],
)
def test_the_nearest_key(path: tuple[str, ...], key: str | None) -> None:
    assert nearest_key(path) == key


def test_inside_a_list_and_a_union() -> None:
    assert schema_at(("data", "labels", 0)) is not None
    assert expected_at(("data", "nothing")) == "no such key"
