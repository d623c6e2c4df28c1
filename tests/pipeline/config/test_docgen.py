"""What is generated from the workflow's types is what is committed."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.config import docgen as reference
from pipeline.dag.steps import STEPS
from schemas.workflow.workflow import Workflow

REGENERATE = "run `python -m pipeline.config.docgen`"
WORKFLOWS = sorted((reference.ROOT / "pipeline" / "workflows").glob("*.yaml"))


def test_schema_file_is_generated_from_the_types() -> None:
    assert reference.SCHEMA_FILE.read_text() == reference.render_schema(), REGENERATE


def test_page_is_generated_from_the_types() -> None:
    assert reference.PAGE_FILE.read_text() == reference.render_page(), REGENERATE


def test_page_has_every_key_with_its_default() -> None:
    page = reference.render_page()
    keys = set(re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE))

    def leaves(value: object, path: str) -> list[str]:
        if isinstance(value, dict) and value:
            return [key for name in value for key in leaves(value[name], f"{path}.{name}")]
        return [path.removeprefix(".")]

    data = {"generated": {}, "background": "x"}
    run = {"vertex": {"trainer": {"machine": "n1-standard-8"}}}
    given = {"name": "x", "data": data, "task": "spot", "run": run}
    said = Workflow.model_validate(given).model_dump()
    blocks = {"data.generated", "data.cut.window_s", "data.cut.step_s"}  # None in this workflow
    blocks |= {"run.vertex.trainer"}  # None in others
    assert keys == {*leaves(said, ""), *blocks}
    assert "| `train.epochs` | a whole number from 1 to 10000 | `" in page
    assert "| `name` | text that matches ^[a-z0-9][a-z0-9_-]{0,62}$ | *required* |" in page


def test_no_key_is_without_a_meaning() -> None:
    assert not re.findall(r"^\|.*\|  ?\|$", reference.render_page(), re.MULTILINE)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_an_editor_accepts_shipped_workflows_and_refuses_a_typing_error(path: Path) -> None:
    schema = json.loads(reference.SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    said = yaml.safe_load(path.read_text())
    assert not list(validator.iter_errors(said))
    [error] = validator.iter_errors({**said, "modle": {}})
    assert "'modle' was unexpected" in error.message


def test_steps_are_those_that_have_a_fingerprint() -> None:
    from pipeline.dag.fingerprint import DEPENDENCES

    assert set(STEPS) == {"Prepare", *DEPENDENCES}
