"""A workflow file that nobody means is refused in words, within seconds, whatever it holds."""

import os
import time
from pathlib import Path

import pytest

from pipeline.config.loader import read_workflow
from schemas.errors import WorkflowError
from schemas.text import visible

BASE = "name: tones\ndata: {folder: clips}\n"
MOST_S = 8.0  # of CPU; a thirtieth of what 60,000 keys took when each was held against all names

FILES = {
    "unknown keys": BASE + "".join(f"k{n}: 1\n" for n in range(60_000)),
    "fewer unknown keys": BASE + "".join(f"k{n}: 1\n" for n in range(4_000)),
    "unknown keys in a block": BASE + "train:\n" + "".join(f"  epoch{n}: 1\n" for n in range(4000)),
    "a key again and again": BASE + "name: x\n" * 4000,
    "lists for texts": f"name: x\ndata: {{folder: x, labels: [{'[1],' * 3000}]}}\n",
    "a number of 5,000 digits": BASE + f"train: {{epochs: {'9' * 5000}}}\n",
    "a number of 65 bits": BASE + f"train: {{seed: {2**64}}}\n",
    "a number of 400,000 bits": BASE + f"train: {{seed: 0x{'f' * 100_000}}}\n",
    "a number without end": BASE + "train: {learning_rate: 1e400}\n",
    "a NUL": 'name: x\ndata: {folder: "a\\0b"}\n',
    "a NUL in the run directory": BASE + 'run: {directory: "a\\0b"}\n',
    "a line end in a path": 'name: x\ndata: {folder: "a\\nPublished"}\n',
    "an escape sequence": 'name: x\ndata: {folder: x, labels: ["a\\e[2J", b]}\n',
    "half a character": 'name: x\ndata: {folder: "\\ud800"}\n',
    "lists in lists": BASE + f"train: {'[' * 20_000}{']' * 20_000}\n",
    "blocks in blocks": BASE + "".join(f"{' ' * n}a:\n" for n in range(1200)),
    "aliases of aliases": "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n" + BASE,
    "a list that holds itself": "a: &a [*a]\n" + BASE,
    "a program": BASE + "train: !!python/object/apply:os.system [ls]\n",
    "a megabyte": BASE + f"# {'x' * (1 << 20)}\n",
}


@pytest.mark.parametrize("what", FILES)
def test_it_is_refused_in_words(what: str, tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    file.write_text(FILES[what])
    began_s = time.process_time()
    with pytest.raises(WorkflowError) as refused:
        read_workflow(file)
    assert time.process_time() - began_s < MOST_S
    lines = str(refused.value).splitlines()
    assert len(lines) <= 21
    assert all(line.startswith(f"{file}:") for line in lines)
    assert max(map(len, lines)) < 1000
    assert [visible(line) for line in lines] == lines


def test_a_key_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    for text in ('"a\\0b"', '"\\ud800"', "!foo x"):
        file.write_text(f"name: x\ndata: {{folder: {text}}}\n")
        with pytest.raises(WorkflowError) as refused:
            read_workflow(file)
        [line] = str(refused.value).splitlines()
        assert line.startswith(f"{file}:2: data.folder: got ")


def test_others_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    file.write_text(BASE + "".join(f"k{n}: 1\n" for n in range(50)))
    with pytest.raises(WorkflowError) as refused:
        read_workflow(file)
    lines = str(refused.value).splitlines()
    assert [line.split(":")[1] for line in lines[:-1]] == [str(n) for n in range(3, 23)]
    assert lines[-1] == f"{file}: and 30 more"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "circle", "long"])
def test_what_is_no_file(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "device":
            file.symlink_to("/dev/zero")
        case "folder":
            file.mkdir()
        case "circle":
            file.symlink_to(file)
        case "long":
            file = tmp_path / f"{'x' * 300}.yaml"
    with pytest.raises(WorkflowError):
        read_workflow(file)
