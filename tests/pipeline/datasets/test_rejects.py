"""`auricle rejects` groups what the last ingest could not use, and lists all of one reason."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.datasets.rejects import read_rejects
from pipeline.workspace.project import read_project
from schemas.errors import InputError
from schemas.reports.rejects import Reject

REJECTS = [
    *(
        Reject(id=f"{n}.wav", uri=f"{n}.wav", reason="missing", detail=f"no file {n}.wav")
        for n in range(8)
    ),
    Reject(id="m.jsonl:3", uri="", reason="bad_row", detail="m.jsonl:3: not JSON"),
    Reject(id="a\nb.wav", uri="b", reason="silent", detail="nothing", decoder="libsndfile"),
]


@pytest.fixture
def workflow_file(tmp_path: Path) -> Path:
    file = tmp_path / "workflow.yaml"
    file.write_text("name: digits\ndata: {folder: recordings}\n")
    return file


@pytest.fixture
def after_a_run(workflow_file: Path) -> Path:
    rejects = workflow_file.parent / "runs" / "digits" / "rejects" / "rejects.jsonl"
    rejects.parent.mkdir(parents=True)
    rejects.write_text("".join(f"{reject.model_dump_json()}\n" for reject in REJECTS))
    return workflow_file


def answer(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["rejects", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_groups_the_most_frequent_first(after_a_run: Path) -> None:
    assert answer(str(after_a_run)).splitlines() == [
        "missing: 8",
        *(f"  {n}.wav: no file {n}.wav" for n in range(5)),
        "  and 3 more: --reason missing",
        "bad_row: 1",
        "  m.jsonl:3: not JSON",
        "silent: 1",
        "  a\\nb.wav: nothing [libsndfile]",
    ]


def test_one_reason_is_listed_whole(after_a_run: Path) -> None:
    lines = answer(str(after_a_run), "--reason", "missing").splitlines()
    assert len(lines) == 9
    assert lines[-1] == "  7.wav: no file 7.wav"


def test_json_lines(after_a_run: Path) -> None:
    rows = [json.loads(line) for line in answer(str(after_a_run), "--json").splitlines()]
    assert [Reject(**row) for row in rows] == REJECTS


def test_nothing_rejected(after_a_run: Path) -> None:
    (after_a_run.parent / "runs/digits/rejects/rejects.jsonl").write_text("")
    assert answer(str(after_a_run)) == "Nothing was rejected\n"


def test_before_any_run(workflow_file: Path) -> None:
    with pytest.raises(InputError, match="digits"):
        read_rejects(read_project(workflow_file))


def test_a_reason_that_is_none(workflow_file: Path) -> None:
    with pytest.raises(InputError, match=r"'absent'.* bad_row, duplicate"):
        read_rejects(read_project(workflow_file), "absent")
