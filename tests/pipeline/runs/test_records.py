"""Runs that were judged: kept, listed, explained, compared."""

import datetime
import json
from pathlib import Path

import numpy as np
import pytest
import scored
from scored import classifier_verdict
from typer.testing import CliRunner

from components.evaluation.score_files import write_scores
from components.storage.location import Location, location_of
from pipeline import cli
from pipeline.config.loader import read_workflow
from pipeline.runs.compare import compare_runs
from pipeline.runs.records import (
    RunRecord,
    list_records,
    next_number,
    read_record,
    write_record,
)
from pipeline.workspace.project import read_project
from schemas.errors import InputError
from schemas.reports.metrics import Interval, SliceMetrics
from schemas.reports.rule import Rule
from schemas.reports.serving import ServingReport
from schemas.reports.verdict import GateRule, Verdict

LABELS = np.array(["no", "yes"])


def write_table(file: Path, ids: list[str], answers: list[int], speakers: list[str]) -> Path:
    """All clips are of `yes`."""
    scores = np.eye(2, dtype=np.float32)[answers]
    table = scored.table(
        ids=np.array(ids),
        labels=np.array(["yes"] * len(ids)),
        features={"speaker": np.array(speakers)},
        candidate=scored.Answered(LABELS, scores),
    )
    write_scores(table, file)
    return file


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "workflow.yaml").write_text("name: words\ndata: {generated: {}}\n")
    return tmp_path


def make_record(project: Path, number: int, scores: Path, **changes: object) -> RunRecord:
    rules = [
        GateRule(name="a", outcome="held", message="it holds"),
        GateRule(name="b", outcome="broken", message="it breaks", clips=["clip 1", "clip 2"]),
        GateRule(name="c", outcome="undecided", message="who knows", more_clips=7),
    ]
    verdict = classifier_verdict(
        outcome="refused",
        reasons=["it breaks"],
        rules=rules,
        confidence=0.95,
        clips=4,
        accuracy=0.5,
        accuracy_interval=Interval(low=0.1, high=0.9),
        macro_f1=0.5,
        calibration_error=0.1,
        baseline=None,
        difference=None,
        difference_interval=None,
        classes={},
        slices=[
            SliceMetrics(
                feature="speaker",
                value="",
                headline=1.0,
                interval=Interval(low=0.1, high=1.0),
                clips=1,
                is_small=True,
                difference=None,
            )
        ],
        unsliced={"text": 10_000},
        confusion=[],
        labels=["no", "yes"],
        generated=True,
    )
    return RunRecord(
        number=number,
        finished=datetime.datetime(2026, 11, 25, 12, number, tzinfo=datetime.timezone.utc),
        workflow=read_workflow(project / "workflow.yaml"),
        data="0123456789abcdef",
        verdict=verdict.model_copy(update=changes.pop("verdict", {})),
        serving=changes.pop("serving", ServingReport(passed=True, rules=[], asked=0)),
        pushed_version=changes.pop("pushed_version", None),
        scores=str(scores),
        seconds=1.0,
    )


@pytest.fixture
def history(project: Path) -> Location:
    folder = location_of(project / "runs" / "words" / "history")
    one = write_table(project / "1.npz", ["a", "b", "c", "d"], [1, 1, 0, 0], ["x", "x", "y", "y"])
    two = write_table(project / "2.npz", ["b", "c", "d", "e"], [0, 1, 1, 1], ["x", "y", "y", "y"])
    for number, scores in ((1, one), (2, two)):
        assert next_number(folder) == number
        write_record(make_record(project, number, scores), folder)
    return folder


def test_records_come_back_in_order(project: Path, history: Location) -> None:
    for number in range(3, 12):
        write_record(make_record(project, number, project / "1.npz"), history)
    records = list_records(read_project(project / "workflow.yaml"))
    assert [record.number for record in records] == list(range(1, 12))
    assert next_number(history) == 12
    assert read_record(history / "2.json") == records[1]
    assert history.matching(".*") == []


def test_before_the_first_run_it_says_so(project: Path) -> None:
    for command in ("why", "runs"):
        done = CliRunner().invoke(cli.app, [command, str(project / "workflow.yaml")])
        assert isinstance(done.exception, InputError)
        assert "words" in str(done.exception)


def test_why_names_rules_clips_and_what_would_decide(project: Path, history: Location) -> None:
    record = make_record(
        project,
        3,
        project / "1.npz",
        serving=ServingReport(
            passed=False, rules=[Rule(name="memory", passed=False, message="900 MB")], asked=5
        ),
    )
    write_record(record, history)
    done = CliRunner().invoke(cli.app, ["why", str(project / "workflow.yaml")])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "Refused, 2026-11-25 12:03",
        "  ✓ it holds",
        "  ✗ it breaks",
        "    listen to: clip 1, clip 2",
        "  ? who knows",
        "  ✗ serving, memory: 900 MB",
        "  too few clips to judge: speaker unknown (1)",
        "  not sliced by text: 10,000 different values",
    ]
    done = CliRunner().invoke(cli.app, ["why", str(project / "workflow.yaml"), "--json"])
    assert Verdict.model_validate_json(done.stdout) == record.verdict


@pytest.mark.parametrize(
    ("outcome", "pushed", "words"),
    [
        ("blessed", "3", "pushed 3"),
        ("blessed", None, "not servable"),
        ("undecided", None, "undecided"),
    ],
)
def test_runs_lists_outcomes(
    project: Path, history: Location, outcome: str, pushed: str | None, words: str
) -> None:
    record = make_record(
        project, 3, project / "1.npz", verdict={"outcome": outcome}, pushed_version=pushed
    )
    write_record(record, history)
    done = CliRunner(env={"COLUMNS": "200"}).invoke(
        cli.app, ["runs", str(project / "workflow.yaml")]
    )
    assert len(done.stdout.splitlines()) == 6
    assert "cnn_lstm" in done.stdout
    assert words in done.stdout.splitlines()[-3]
    assert done.stdout.splitlines()[-2] == "runs 1 to 3 asked for: nothing"
    assert (
        done.stdout.splitlines()[-1]
        == f"`auricle compare 2 3 --workflow {project}/workflow.yaml` compares two"
    )
    done = CliRunner().invoke(cli.app, ["runs", str(project / "workflow.yaml"), "--json"])
    assert [row["number"] for row in json.loads(done.stdout)] == [1, 2, 3]


def test_comparing_counts_the_clips_of_both(project: Path, history: Location) -> None:
    first, second = (read_record(history / f"{number}.json") for number in (1, 2))
    found = compare_runs(first, second)
    assert (found.clips, found.only_first, found.only_second) == (3, 1, 1)
    assert (found.overall.first, found.overall.second) == pytest.approx((1 / 3, 2 / 3))
    by_speaker = {s.value: s.difference for s in found.slices if s.feature == "speaker"}
    assert by_speaker == {"x": -1.0, "y": 1.0}
    assert found.slices[0].value == "x"
    back = compare_runs(second, first)
    assert back.overall.difference == -found.overall.difference
    workflow = ["--workflow", str(project / "workflow.yaml")]
    for runs in ([str(history / "1.json"), str(history / "2.json")], ["1", "2", *workflow]):
        done = CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, ["compare", *runs])
        assert "Run 2 against run 1" in done.stdout
        assert "+0.333" in done.stdout
    done = CliRunner().invoke(cli.app, ["compare", "1", "7", *workflow])
    assert isinstance(done.exception, InputError)
    assert "there are 1, 2" in str(done.exception)


def test_what_cannot_be_compared_is_said(project: Path, history: Location) -> None:
    first = read_record(history / "1.json")
    other = make_record(project, 9, write_table(project / "9.npz", ["z"], [1], ["x"]))
    with pytest.raises(InputError):
        compare_runs(first, other)
    (project / "9.npz").unlink()
    with pytest.raises(InputError, match="run 9 "):
        compare_runs(first, other)
    with pytest.raises(InputError, match=r"workflow\.yaml "):
        read_record(project / "workflow.yaml")
