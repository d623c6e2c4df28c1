"""The lines of the README under "From Python", as they stand there, on a small project."""

import ast
import doctest
import shutil
from pathlib import Path
from typing import Any

import pytest
from e2e.tiny import TINY, write_workflow

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
