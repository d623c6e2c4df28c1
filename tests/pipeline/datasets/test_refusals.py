"""`plan` stops at what a run stops at, with its exit code, before anything is decoded."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner
from words import write_clip, write_project

from pipeline.cli import app
from pipeline.config.docgen import PAGE_FILE
from pipeline.datasets.dry_run import make_plan
from pipeline.datasets.feedback import Feedback, add_feedback
from pipeline.workspace.project import read_project

BAD_INPUT, STOPPED_BY_A_GATE = 2, 3


def add_rows(file: Path, *rows: dict[str, object]) -> None:
    with (file.parent / "manifest.jsonl").open("a") as manifest:
        for row in rows:
            manifest.write(json.dumps(row) + "\n")


def a_label_without_clips(file: Path) -> None:
    change(file, "manifests: manifest.jsonl", "manifests: manifest.jsonl, labels: [go, no, stop]")


def too_many_rejects(file: Path) -> None:
    add_rows(file, {"audio_filepath": "clips/gone.wav", "label": "go", "speaker": "ann"})


def a_speaker_in_two_splits(file: Path) -> None:
    write_clip(file.parent / "clips/late.wav", seed=77)
    row = {"audio_filepath": "clips/late.wav", "label": "go", "speaker": "ann", "split": "test"}
    add_rows(file, row)


def a_recording_in_two_splits(file: Path) -> None:
    row = {"audio_filepath": "clips/0.wav", "label": "go", "split": "test", "id": "again"}
    add_rows(file, row)


def one_recording_with_two_labels(file: Path) -> None:
    row = {"audio_filepath": f"../{file.parent.name}/clips/0.wav", "speaker": "ann"}
    add_rows(file, row | {"label": "no", "split": "train", "id": "again"})


def one_row_twice_with_two_labels(file: Path) -> None:
    change(file, "manifest.jsonl", "manifest.jsonl, max_reject_fraction: 0.5")
    row = {"audio_filepath": "clips/0.wav", "speaker": "ann", "label": "no", "split": "train"}
    add_rows(file, row)


def too_few_clips_of_a_class(file: Path) -> None:
    change(file, "min_clips_per_class: 1", "min_clips_per_class: 3")


def a_gate_that_no_result_can_meet(file: Path) -> None:
    with file.open("a") as workflow:
        workflow.write("gate: {accuracy: {at_least: 0.9}}\n")


def another_workflows_run_directory(file: Path) -> None:
    (file.parent / "runs" / "words").mkdir(parents=True)
    (file.parent / "runs" / "words" / "workflow.json").write_text('{"name": "others"}')


def a_file_where_the_run_directory_is_to_be(file: Path) -> None:
    (file.parent / "runs").write_text("no folder")


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (a_label_without_clips, BAD_INPUT, "data.labels: no clip of 'stop'"),
        (too_many_rejects, STOPPED_BY_A_GATE, "1 of 13 rows were rejected"),
        (a_speaker_in_two_splits, STOPPED_BY_A_GATE, "one speaker in two splits: ann"),
        (a_recording_in_two_splits, STOPPED_BY_A_GATE, "the same audio in two splits"),
        (one_recording_with_two_labels, STOPPED_BY_A_GATE, "again (no, train), clips/0.wav (go, "),
        (one_row_twice_with_two_labels, STOPPED_BY_A_GATE, "clips/0.wav (go) and again (no)"),
        (too_few_clips_of_a_class, STOPPED_BY_A_GATE, "2 training clips"),
        (a_gate_that_no_result_can_meet, BAD_INPUT, "gate.accuracy.at_least: no result"),
        (another_workflows_run_directory, BAD_INPUT, "belongs to workflow 'others'"),
        (a_file_where_the_run_directory_is_to_be, BAD_INPUT, "cannot write"),
    ],
)
def test_plan_stops_at_what_a_run_stops_at(
    tmp_path: Path, spoil: Callable[[Path], None], code: int, words: str
) -> None:
    file = write_project(tmp_path)
    assert make_plan(read_project(file)).refused is None
    spoil(file)
    plan = make_plan(read_project(file))
    assert plan.exit_code == code
    assert words in (plan.refused or "")
    done = CliRunner().invoke(app, ["plan", str(file)])
    assert done.exit_code != 0
    before = sorted(tmp_path.rglob("*"))
    make_plan(read_project(file))
    assert sorted(tmp_path.rglob("*")) == before


def test_two_labels_of_one_recording_may_be_allowed(tmp_path: Path) -> None:
    file = write_project(tmp_path)
    one_recording_with_two_labels(file)
    change(file, "data_gate: {", "data_gate: {two_labels: false, ")
    assert make_plan(read_project(file)).refused is None


def test_other_parts_of_one_recording_may_have_other_labels(tmp_path: Path) -> None:
    file = write_project(tmp_path)
    row = {"audio_filepath": "clips/0.wav", "speaker": "ann", "split": "train", "offset": 0.25}
    add_rows(file, row | {"label": "no"})
    assert make_plan(read_project(file)).refused is None


def test_an_undecided_model_that_is_to_be_published_needs_no_gate_that_can_be_met(
    tmp_path: Path,
) -> None:
    file = write_project(tmp_path)
    with file.open("a") as workflow:
        workflow.write("gate: {accuracy: {at_least: 0.9}, when_undecided: push}\n")
    plan = make_plan(read_project(file))
    assert (plan.refused, plan.outlooks[0].enough) == (None, None)


def test_feedback_of_a_speaker_who_tests_is_said_before_the_run(tmp_path: Path) -> None:
    file = write_project(tmp_path)
    project = read_project(file)
    clip = write_clip(tmp_path / "field.wav", seed=9)
    add_feedback(project, [clip], Feedback(label="go", speaker="tom"))  # tom tests
    assert make_plan(project).splits["test"].speakers["tom"] == 5  # they keep their split
    manifest = project.run_directory.feedback
    row = json.loads(manifest.read()) | {"speaker": "nobody yet"}
    manifest.put(json.dumps(row).encode() + b"\n")
    assert make_plan(project).refused is None


def test_labels_that_are_left_out_are_no_rejects(tmp_path: Path) -> None:
    file = write_project(tmp_path)
    for number in range(5):
        write_clip(tmp_path / f"clips/stop{number}.wav", seed=200 + number)
        row = {"audio_filepath": f"clips/stop{number}.wav", "label": "stop", "split": "train"}
        add_rows(file, row)
    change(file, "manifests: manifest.jsonl", "manifests: manifest.jsonl, labels: [go, no]")
    plan = make_plan(read_project(file))
    assert (plan.refused, plan.rejects, plan.left_out) == (None, [], {"stop": 5})
    assert "stop 5" in CliRunner().invoke(app, ["plan", str(file)]).output


def test_the_workflow_that_the_reference_calls_complete_is_accepted(tmp_path: Path) -> None:
    page = PAGE_FILE.read_text()
    (tmp_path / "workflow.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    for number in range(100):
        write_clip(tmp_path / "recordings" / f"word{number % 5}" / f"{number}.wav", seed=number)
    plan = make_plan(read_project(tmp_path / "workflow.yaml"))
    assert (plan.refused, plan.clips, len(plan.splits)) == (None, 100, 5)
