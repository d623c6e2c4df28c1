"""Reads a workflow file into `schemas.workflow.Workflow`: the only reader of YAML.

A file that cannot be used is refused with everything that is wrong in it, each with file, line,
key, what was got, what was expected and the nearest valid name. Light to import: a refusal must not
wait for numpy, TensorFlow, Beam or TFX. Paths in a workflow file are relative to the folder it
lies in, so that it means the same wherever it is read from.
"""

import re
from copy import deepcopy
from pathlib import Path

from pydantic import JsonValue, ValidationError

from pipeline.config import schema_help as expectations
from pipeline.config.yaml_source import (
    Document,
    KeyPath,
    Problem,
    dotted,
    flow_text,
    parse_document,
)
from schemas.errors import WorkflowError
from schemas.secrets import masked
from schemas.tasks import FIRST_TASK, foreign_keys, is_task, meant_task, task_names
from schemas.text import nearest
from schemas.workflow.conflicts import Conflict
from schemas.workflow.workflow import Workflow

# Stand in for a key that is itself wrong, so that the rest can still be checked beside it.
_PLACEHOLDERS: dict[str, JsonValue] = {"name": "x", "data": {"generated": {}}}

_MOST_PROBLEMS = 20  # that are explained: the next reading of the file shows others

_SWITCHES = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def read_workflow(path: str | Path) -> Workflow:
    """The workflow in the file `path`.

    Raises WorkflowError, whose message has a line for every problem in the file.
    """
    return read_with_notes(path)[0]


def read_with_notes(path: str | Path) -> tuple[Workflow, tuple[str, ...]]:
    """The same, and in what sense the file was read where it does not say it itself."""
    path = Path(path)
    document = parse_document(path)
    problems = list(document.problems)
    workflow = None
    try:
        workflow = Workflow.model_validate(document.value)
    except ValidationError as error:
        problems += _explain(error, document)
        if not _conflicts(error):
            problems += _conflicts_beside(error, document)
    foreign = _keys_of_other_tasks(document)
    problems = [each for each in problems if each.key not in {other.key for other in foreign}]
    problems += foreign
    if workflow is None or problems:
        raise WorkflowError(_render(path, problems))
    if _named_task(document) is None and workflow.task != FIRST_TASK:
        keys = [key for key in foreign_keys(FIRST_TASK) if document.has_key(key)]
        return workflow, (f"{path}: read as `task: {workflow.task}`, since it has {keys[0]}",)
    return workflow, ()


def _keys_of_other_tasks(document: Document) -> list[Problem]:
    """Keys that the task of the file does not have."""
    task = _task_of(document)
    return [
        Problem(
            document.line(tuple(key.split("."))),
            key,
            f"a key of `task: {name}`",
            f"no such key with `task: {task}`",
        )
        for key, name in foreign_keys(task).items()
        if document.has_key(key)
    ]


def _named_task(document: Document) -> JsonValue:
    return document.value.get("task") if isinstance(document.value, dict) else None


def _task_of(document: Document) -> str:
    """The task that the file names, or else means; the first one where it names none that is."""
    named = _named_task(document)
    if named is None and isinstance(document.value, dict):
        return meant_task(document.value)
    return named if isinstance(named, str) and is_task(named) else FIRST_TASK


def slug(text: str) -> str | None:
    """`text` as a workflow's name: lower case, digits, `-` and `_`; None where nothing is left."""
    name = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:63]
    return name or None


def _explain(error: ValidationError, document: Document) -> list[Problem]:
    known = {problem.key for problem in document.problems}
    found: dict[str, tuple[int, str, KeyPath]] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "conflicts":
            continue
        path = document.locate(detail["loc"])
        if detail["type"] == "missing":
            # pydantic names the key that is not there, which `locate` cannot find.
            path = (*path, detail["loc"][-1])
        # A union reports each of its alternatives: one line for all of them is enough.
        if (key := dotted(path)) not in known:
            found.setdefault(key, (document.line(path), detail["type"], path))
    ordered = sorted(found.items(), key=lambda item: (item[1][0], item[0]))
    explained = [
        _explain_one(kind, path, document) for _, (_, kind, path) in ordered[:_MOST_PROBLEMS]
    ]
    counted = [Problem(line, key, "no such thing") for key, (line, *_) in ordered[_MOST_PROBLEMS:]]
    # What lacks something because a key in it could not be read lacks nothing.
    conflicts = [
        each
        for each in _explain_conflicts(error, document)
        if not any(key.startswith(f"{each.key}.") for key in known)
    ]
    return [*explained, *counted, *conflicts]


def _explain_one(kind: str, path: KeyPath, document: Document) -> Problem:
    line, key, task = document.line(path), dotted(path), _task_of(document)
    if kind == "extra_forbidden":
        near = expectations.nearest_key(path, task)
        valid = ", ".join(expectations.keys_at(path[:-1], task))
        return Problem(line, key, "an unknown key", f"one of {valid}", near)
    if kind == "missing":
        return Problem(line, key, "nothing", _expected(path, task))
    value = document.at(path)
    expected = _expected(path, task)
    near = None
    if path == ("task",):  # packages of others add tasks, which no schema knows
        expected = f"one of {', '.join(task_names())}"
        near = nearest(str(value), task_names(), expectations.NEAR)
    elif value == "":
        expected += " (not empty)"
    elif isinstance(value, str):
        near = _nearest_value(value, path, expected, task)
    elif expected.startswith("text") and isinstance(value, bool | int | float):
        expected += " (in quotes)"
    elif value is None:
        expected += " (or leave the key out)"
    return Problem(line, key, _show(value), expected, near)


def _expected(path: KeyPath, task: str) -> str:
    """What may stand at `path`; of a block an example."""
    example = expectations.block_example(path, task)
    if example is None:
        return expectations.expected_at(path, task)
    return f"a block, such as {flow_text({str(path[-1]): example})}"


def _nearest_value(value: str, path: KeyPath, expected: str, task: str) -> str | None:
    if expected == "true or false":
        return _SWITCHES.get(value.lower())
    if path == ("name",):
        return slug(value)
    return nearest(value, expectations.allowed_names(path, task), expectations.NEAR)


def _conflicts(error: ValidationError) -> list[Conflict]:
    return [
        conflict
        for detail in error.errors(include_url=False)
        if detail["type"] == "conflicts"
        for conflict in detail["ctx"]["conflicts"]
    ]


def _explain_conflicts(error: ValidationError, document: Document) -> list[Problem]:
    problems = []
    for conflict in _conflicts(error):
        key = next((key for key in conflict.keys if document.has_key(key)), conflict.keys[0])
        line = document.line(tuple(key.split(".")))
        problems.append(Problem(line, key, conflict.got, conflict.expected))
    return problems


def _conflicts_beside(error: ValidationError, document: Document) -> list[Problem]:
    """Conflicts among the keys that are right, although others are wrong.

    The wrong ones are left out and the rest is validated again; a conflict that a left-out key
    takes part in says nothing about the file.
    """
    if not isinstance(document.value, dict):
        return []
    rest = deepcopy(document.value)
    removed = [_remove(rest, document.locate(detail["loc"])) for detail in error.errors()]
    try:
        Workflow.model_validate({**_PLACEHOLDERS, **rest})
    except ValidationError as second:
        return [
            problem
            for problem, conflict in zip(
                _explain_conflicts(second, document), _conflicts(second), strict=True
            )
            if not any(_is_inside(key, place) for key in conflict.keys for place in removed)
        ]
    return []


def _remove(values: dict[str, JsonValue], path: KeyPath) -> KeyPath:
    """Removes the innermost key of `path` from nested `values`, a list as a whole; says what."""
    done: list[str | int] = []
    for step in path:
        done.append(step)
        inside = values.get(str(step))
        if not isinstance(inside, dict) or len(done) == len(path):
            values.pop(str(step), None)
            break
        values = inside
    return tuple(done)


def _is_inside(key: str, place: KeyPath) -> bool:
    return bool(place) and tuple(key.split("."))[: len(place)] == place


def _show(value: JsonValue) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a block"
        case list():
            return f"a list of {len(value)}"
        case str():
            shown = masked(value)
            return repr(shown if len(shown) <= 60 else f"{shown[:57]}...")
        case _:
            return str(value)


def _render(path: Path, problems: list[Problem]) -> str:
    lines = []
    ordered = sorted(problems, key=lambda problem: (problem.line, problem.key))
    for problem in ordered[:_MOST_PROBLEMS]:
        key = f"{problem.key}: " if problem.key else ""
        near = f"; did you mean {problem.nearest}?" if problem.nearest else ""
        expected = f", expected {problem.expected}" if problem.expected else ""
        lines.append(f"{path}:{problem.line}: {key}got {problem.got}{expected}{near}")
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"{path}: and {len(problems) - _MOST_PROBLEMS:,} more")
    return "\n".join(lines)
