"""Clips from the field: what is taken in, refused, listed, removed, and found by later runs."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result
from words import write_clip, write_project

from pipeline.cli import app
from pipeline.config.loader import read_workflow
from pipeline.datasets.dry_run import make_plan
from pipeline.datasets.feedback import Feedback, add_feedback, list_feedback
from pipeline.datasets.rows import list_rows
from pipeline.datasets.suppression import read_forgotten, write_forgotten
from pipeline.workspace.lock import claim
from pipeline.workspace.project import Project
from schemas.errors import InputError, RunDirectoryError
from schemas.workflow.workflow import Workflow


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def auricle(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows_of(file: Path) -> list[dict[str, object]]:
    lines = (file.parent / "runs/words/feedback/manifest.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_clip_is_kept_whole_with_its_row(file: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "field" / "kitchen.WAV")
    done = auricle("feedback", file, clip, "--label", "go", "--speaker", "kim", "--origin", "app")
    assert done.exit_code == 0, done.output
    sha256 = hashlib.sha256(clip.read_bytes()).hexdigest()
    assert (tmp_path / f"runs/words/feedback/{sha256}.wav").read_bytes() == clip.read_bytes()
    [row] = rows_of(file)
    assert row.pop("added")
    assert row == {
        "audio_filepath": f"{sha256}.wav",
        "label": "go",
        "speaker": "kim",
        "id": f"feedback-{sha256[:16]}",
        "split": "train",
        "origin": "app",
        "source": "kitchen.WAV",
    }
    assert done.output == f"kitchen.WAV: go (train) as feedback-{sha256[:16]}\n"
    assert sorted(p.name for p in (tmp_path / "runs/words/feedback").iterdir()) == [
        f"{sha256}.wav",
        "manifest.jsonl",
    ]


def test_later_runs_and_plans_find_it(file: Path, tmp_path: Path) -> None:
    workflow = read_workflow(file)
    before = make_plan(Project(workflow, tmp_path))
    assert before.feedback == 0
    clips = [write_clip(tmp_path / f"{n}.wav", seed=n) for n in range(3)]
    add_feedback(Project(workflow, tmp_path), clips[:2], Feedback(label="go", speaker="ann"))
    add_feedback(
        Project(workflow, tmp_path), clips[2:], Feedback(label="no", must_pass=True, speaker="ann")
    )
    plan = make_plan(Project(workflow, tmp_path))
    assert (plan.feedback, plan.refused) == (3, None)
    assert plan.rows == before.rows + 3
    assert plan.splits["train"].speakers["ann"] == before.splits["train"].speakers["ann"] + 2
    assert plan.splits["test"].speakers["ann"] == 1
    hard = next(
        row for row in list_rows(Project(workflow, tmp_path)).utterances if row.is_must_pass
    )
    assert hard.metadata == {"must_pass": True, "origin": "field"}
    assert "3 rows" in auricle("plan", file).output


def test_what_cannot_be_used_is_named_and_the_rest_taken(file: Path, tmp_path: Path) -> None:
    good, text = write_clip(tmp_path / "good.wav"), tmp_path / "text.wav"
    text.write_text("no audio at all")
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(4000), 8000)
    done = auricle("feedback", file, text, good, silent, tmp_path / "gone.wav", "--label", "go")
    assert done.exit_code == 2
    for said in ("text.wav: unsupported", "silent.wav: silent", "gone.wav: No such file"):
        assert said in done.output
    assert [row["source"] for row in rows_of(file)] == ["good.wav"]
    assert len(list((tmp_path / "runs/words/feedback").iterdir())) == 2


def test_the_same_clip_twice(file: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.wav")
    again = tmp_path / "b.flac"  # told by its bytes, whatever it is called
    again.write_bytes(clip.read_bytes())
    assert auricle("feedback", file, clip, again, "--label", "go").exit_code == 0
    same = auricle("feedback", file, again, "--label", "go")
    assert (same.exit_code, " feedback-" in same.output) == (0, True)
    other = auricle("feedback", file, clip, "--label", "no")
    assert (other.exit_code, "as 'go' (train); --relabel" in other.output) == (2, True)
    assert auricle("feedback", file, clip, "--label", "go", "--must-pass").exit_code == 2
    assert [row["label"] for row in rows_of(file)] == ["go"]
    assert auricle("feedback", file, clip, "--label", "no", "--relabel").exit_code == 0
    assert [row["label"] for row in rows_of(file)] == ["no"]
    assert len(list((tmp_path / "runs/words/feedback").iterdir())) == 2


def test_a_label_nobody_knows(file: Path, tmp_path: Path) -> None:
    workflow, clip = read_workflow(file), write_clip(tmp_path / "a.wav")
    with pytest.raises(InputError, match=r"'goo'; .*: 'go'"):
        add_feedback(Project(workflow, tmp_path), [clip], Feedback(label="goo"))
    added = add_feedback(Project(workflow, tmp_path), [clip], Feedback(label="goo"), new_label=True)
    assert [re.findall("'(.*?)'", note) for note in added.notes] == [["goo"]]
    labelled = workflow.model_copy(
        update={"data": workflow.data.model_copy(update={"labels": ["go", "no"]})}
    )
    other = write_clip(tmp_path / "b.wav", seed=2)
    added = add_feedback(Project(labelled, tmp_path), [other], Feedback(label="up"), new_label=True)
    assert [note.partition("'up'")[0] for note in added.notes] == ["data.labels has no "]


def test_list_and_remove(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert auricle("feedback", file, "--list").exit_code == 1  # an InputError, which main() says
    clips = [write_clip(tmp_path / f"{n}.wav", seed=n) for n in range(2)]
    auricle("feedback", file, *clips, "--label", "go", "--must-pass")
    shown = auricle("feedback", file, "--list").output
    assert "must pass" in shown
    listed = json.loads(auricle("feedback", file, "--list", "--json").output)
    assert [row["source"] for row in listed] == ["0.wav", "1.wav"]
    assert listed[0]["must_pass"] is True
    workflow = read_workflow(file)
    removed = auricle("feedback", file, "--remove", listed[0]["id"])
    assert "0.wav" in removed.output
    assert [clip.source for clip in list_feedback(Project(workflow, tmp_path))] == ["1.wav"]
    assert not (tmp_path / "runs/words/feedback" / listed[0]["audio_filepath"]).exists()
    wrong = auricle("feedback", file, "--remove", listed[0]["id"])
    assert f"nearest: '{listed[1]['id']}'" in str(wrong.exception)


def test_who_is_forgotten_gives_no_feedback(file: Path, tmp_path: Path) -> None:
    workflow = read_workflow(file)
    directory = Project(workflow, tmp_path).run_directory
    write_forgotten(read_forgotten(directory).with_speaker("kim"), directory)
    assert "kim" not in directory.forgotten.path.read_text()
    (directory.local / "workflow.json").write_text(workflow.model_dump_json())
    with pytest.raises(InputError, match="kim "):
        add_feedback(
            Project(workflow, tmp_path),
            [write_clip(tmp_path / "a.wav")],
            Feedback(label="go", speaker="kim"),
        )


def test_a_damaged_list_of_the_forgotten_ends_a_run(file: Path, tmp_path: Path) -> None:
    workflow = read_workflow(file)
    directory = Project(workflow, tmp_path).run_directory
    directory.local.mkdir(parents=True)
    directory.forgotten.path.write_text("{")
    with pytest.raises(InputError):
        list_rows(Project(workflow, tmp_path))


def test_while_a_run_goes_on_nothing_is_taken(file: Path, tmp_path: Path) -> None:
    workflow, clip = read_workflow(file), write_clip(tmp_path / "a.wav")
    with (
        claim(Project(workflow, tmp_path)),
        pytest.raises(RunDirectoryError, match="process"),
    ):
        add_feedback(Project(workflow, tmp_path), [clip], Feedback(label="go"))


@pytest.mark.parametrize("split", ["train", "eval", "test"])
@pytest.mark.parametrize("must_pass", [False, True])
def test_a_clip_of_the_data_is_not_taken_to_the_other_side(
    split: str, must_pass: bool, file: Path, tmp_path: Path
) -> None:
    for number, each in enumerate(["train", "eval", "test"]):
        write_clip(tmp_path / "data" / f"{each}.wav", seed=number)
    rows = [
        {"audio_filepath": f"data/{each}.wav", "label": "go", "split": each}
        for each in ("train", "eval", "test")
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    project = Project(
        Workflow.model_validate({"name": "words", "data": {"manifests": "m.jsonl"}}), tmp_path
    )
    copy = tmp_path / "under another name.flac"
    shutil.copyfile(tmp_path / "data" / f"{split}.wav", copy)
    other = write_clip(tmp_path / "other.wav", seed=9)
    assert other.stat().st_size == copy.stat().st_size
    added = add_feedback(project, [copy, other], Feedback(label="go", must_pass=must_pass))
    is_taken = split == ("test" if must_pass else "train")
    assert [clip.source for clip in added.added] == [copy.name] * is_taken + [other.name]
    assert list(added.refused) == [str(copy)] * (not is_taken)
    for why in added.refused.values():
        assert f"{split}.wav" in why
    kept = {each.stem for each in (tmp_path / "runs/words/feedback").iterdir()}
    assert (hashlib.sha256(copy.read_bytes()).hexdigest() in kept) == is_taken


def test_a_clip_of_the_data_keeps_its_label(file: Path, tmp_path: Path) -> None:
    project = Project(read_workflow(file), tmp_path)
    row = next(row for row in list_rows(project).utterances if row.target == "go")
    added = add_feedback(project, [Path(row.path)], Feedback(label="no"))
    assert (added.added, list(added.refused)) == ([], [row.path])
    assert row.id in added.refused[row.path]
