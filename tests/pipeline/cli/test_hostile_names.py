"""Whatever people call their labels, speakers and files is shown as it is, and acts on nothing."""

import ast
import collections
import dataclasses
import datetime
import importlib
import inspect
import json
import pkgutil
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import pipeline.cli
from pipeline.cli import views
from pipeline.cli.output import say_json
from pipeline.runners.vertex import Compiled
from pipeline.runners.vertex_submit import Submitted
from pipeline.scheduling.vertex_schedule import Scheduled
from schemas.text import json_on_a_terminal, visible

# Rich's markup, closed and open; an escape sequence, of one byte too; a title; a line turned
# around; another line; a column that is written over; what nobody sees.
NAME = "[/b][noise]:smile:\x1b[31m\x9b2J\x1b]0;t\x07\u202eback\nPublished\rover\u2028\u200bend"
SHOWN = visible(NAME)
COMMANDS = Path(pipeline.cli.__file__).parent
WRITERS = {"output.py", "views/terminal.py", "views/download.py"}  # that may write by themselves


def all_views() -> list[Callable[..., None]]:
    modules = [importlib.import_module(f"{views.__name__}.{module.name}")
               for module in pkgutil.iter_modules(views.__path__)]  # fmt: skip
    return [
        function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("print_") and function.__module__ == module.__name__
    ]


def made(kind: Any) -> Any:
    """A value of a type in which every text is `NAME`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    match origin:
        case typing.Literal:
            return arguments[0]
        case typing.Annotated:
            return made(arguments[0])
        case typing.Union | types.UnionType:
            return made(next(each for each in arguments if each is not type(None)))
        case collections.abc.Mapping:
            return {made(arguments[0]): made(arguments[1])}
    if origin in (list, frozenset, set, tuple):
        return origin([made(arguments[0])])
    if origin is dict:
        return {made(arguments[0]): made(arguments[1])}
    if origin is collections.Counter:
        return collections.Counter({made(arguments[0]): 2})
    if kind in SIMPLE:
        return SIMPLE[kind]
    if issubclass(kind, BaseModel):
        hints = typing.get_type_hints(kind, include_extras=True)
        return kind.model_construct(**{name: made(hints[name]) for name in kind.model_fields})
    assert dataclasses.is_dataclass(kind), kind
    return kind(**{name: made(hint) for name, hint in typing.get_type_hints(kind).items()})


SIMPLE: Mapping[Any, Any] = {
    str: NAME,
    int: 1,
    float: 0.5,
    bool: True,
    Path: Path(NAME),
    object: NAME,
    datetime.datetime: datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc),
}


@pytest.mark.parametrize("view", all_views(), ids=lambda view: view.__name__)
def test_a_view_shows_names_as_they_are(
    view: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "4000")
    late = {kind.__name__: kind for kind in (Compiled, Submitted, Scheduled)}
    hints = typing.get_type_hints(view, localns=late)
    given = {name: made(hints[name]) for name in inspect.signature(view).parameters}
    for name, parameter in inspect.signature(view).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            given.pop(name)
    view(**given)
    said = "".join(capsys.readouterr())
    assert SHOWN in said
    assert visible(said.replace("\n", "")) == said.replace("\n", "")
    assert not any(line.startswith("Published\\r") for line in said.splitlines())


def test_json_is_exact_and_acts_on_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.dumps({NAME: [NAME, "ü 左 👩\u200d👩"]}, ensure_ascii=False, indent=1)
    say_json(document)
    said = capsys.readouterr().out
    assert json.loads(said) == json.loads(document)
    assert visible(said.replace("\n", "")) == said.replace("\n", "")
    assert json_on_a_terminal(said) == said
    assert "ü 左 👩\u200d👩" in said


def test_nobody_else_writes_to_the_terminal() -> None:
    found = []
    for file in COMMANDS.rglob("*.py"):
        name = file.relative_to(COMMANDS).as_posix()
        if name not in WRITERS:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and is_writer(node.func):
                    found.append(f"{name}:{node.lineno}")
    assert found == []


def is_writer(called: ast.expr) -> bool:
    """Whether a call writes text, or makes of it what Rich takes for markup."""
    name = ast.unparse(called)
    return name in (
        *("print", "typer.echo", "typer.secho", "Console", "Table", "Text", "Text.from_markup"),
        *("sys.stdout.write", "sys.stderr.write", "typer.style", "Markdown", "Panel"),
    )
