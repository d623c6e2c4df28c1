"""The lines of the README under "From Python", as they stand there, on a small project."""

import ast
import doctest
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e.tiny import TINY, write_workflow

from pipeline.dag.steps import STEPS

_OF_TERMINALS = ("COLUMNS", "LINES", "TERM", "TF_CPP_MIN_LOG_LEVEL", "PYTHONWARNINGS")
README = Path(__file__).parents[2] / "README.md"


def shape(value: Any) -> Any:
    """What has to be alike in two answers to one question: all but numbers and words."""
    if isinstance(value, tuple | list):
        return type(value)(shape(each) for each in value)
    return type(value)


def test_the_lines_of_the_readme(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    write_workflow(project, train=TINY["train"] | {"epochs": 8, "learning_rate": 0.01})
    shutil.copy("recordings/low-speaker5-0.wav", "stop.wav")
    _, _, section = README.read_text().partition("\n## From Python\n")
    text = section.partition("\n## ")[0]
    lines = text.partition("```python\n")[2].partition("```")[0]
    examples = doctest.DocTestParser().get_examples(lines)
    assert examples[0].source == "import auricle\n"
    names: dict[str, Any] = {}
    for example in examples:
        if example.want:
            got = eval(example.source, names)
            assert shape(got) == shape(ast.literal_eval(example.want)), example.source
        else:
            exec(example.source, names)
    _run_without_a_terminal("".join(example.source for example in examples))


def _run_without_a_terminal(code: str) -> None:
    """The same lines once more, as a notebook's kernel runs them: only the progress is seen."""
    environment = {name: os.environ[name] for name in os.environ if name not in _OF_TERMINALS}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines
    assert all(line.partition(":")[0] in STEPS for line in lines)
