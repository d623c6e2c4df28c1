"""What is new is found and named; what is not is not, however it was touched."""

import datetime
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from pushed import make_version
from seen import NOW, WORKFLOW, add_span, finish_run, make_workflow

from components.example_gen.sources import list_utterances
from components.versions.ledger import follow, write_ledger
from pipeline.runs.snapshot import observe, remember
from pipeline.scheduling.triggers import check_triggers
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.versions import Ledger
from schemas.workflow.workflow import Workflow


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    add_span(tmp_path, 1)
    return finish_run(Project(WORKFLOW, tmp_path))


def ask(base: Path, workflow: Workflow = WORKFLOW, days: float = 0.0) -> tuple[bool, str]:
    """Whether to train, and why in words, which `sentences.txt` has too."""
    now = NOW + datetime.timedelta(days=days)
    news = check_triggers(Project(workflow, base), now)
    return news.train, "; ".join(news.reasons)


def counts(why: str) -> list[int]:
    """The numbers of clips that are named, in their order."""
    return [int(number) for number in re.findall(r"(\d+) (?:new|clips)", why)]


def test_the_first_time_everything_is_new(tmp_path: Path) -> None:
    add_span(tmp_path, 1)
    assert ask(tmp_path)[0]


def test_nothing_is_new(directory: RunDirectory, tmp_path: Path) -> None:
    assert not ask(tmp_path)[0]
    os.utime(tmp_path / "data" / "1" / "3.wav")
    shutil.copyfile(tmp_path / "data/1/manifest.jsonl", tmp_path / "data/1/copy")
    assert not ask(tmp_path)[0]


def test_a_new_span(directory: RunDirectory, tmp_path: Path) -> None:
    add_span(tmp_path, 2)
    train, why = ask(tmp_path)
    assert train
    assert "data/2/manifest.jsonl" in why
    assert counts(why) == [8]
    train, why = ask(tmp_path, make_workflow(schedule={"min_new_clips": 9}))
    assert not train
    assert "schedule.min_new_clips" in why


def test_a_changed_and_a_vanished_clip(directory: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "data" / "1" / "3.wav").write_bytes(b"RIFF another")
    train, why = ask(tmp_path)
    assert (train, counts(why)) == (True, [1])
    finish_run(Project(WORKFLOW, tmp_path))
    (tmp_path / "data" / "1" / "3.wav").unlink()
    train, why = ask(tmp_path)
    assert (train, counts(why)) == (True, [0, 1])


def replace_with_times_kept(file: Path, content: bytes) -> None:
    """As a copy that keeps times does: the same size and modification time."""
    before = file.stat()
    assert len(content) == before.st_size
    file.with_name("copied").write_bytes(content)
    file.with_name("copied").replace(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("source", ["manifests", "folder"])
def test_a_clip_replaced_by_one_of_the_same_size_and_time(tmp_path: Path, source: str) -> None:
    for label in ("yes", "no"):
        (tmp_path / "clips" / label).mkdir(parents=True)
        (tmp_path / "clips" / label / "1.wav").write_bytes(b"RIFF")
    rows = [{"audio_filepath": f"{label}/1.wav", "label": label} for label in ("yes", "no")]
    manifest = tmp_path / "clips" / "manifest.jsonl"
    manifest.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    data = {"folder": "clips"} if source == "folder" else {"manifests": "clips/manifest.jsonl"}
    workflow = make_workflow(data=data)
    finish_run(Project(workflow, tmp_path))
    replace_with_times_kept(tmp_path / "clips/no/1.wav", b"RIFX")
    train, why = ask(tmp_path, workflow)
    assert (train, counts(why)) == (True, [1])


def test_files_copied_anew_are_looked_at_closely_once(
    directory: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for clip in (tmp_path / "data" / "1").glob("*.wav"):
        replace_with_times_kept(clip, clip.read_bytes())
    assert not ask(tmp_path)[0]
    monkeypatch.delattr("pipeline.scheduling.triggers._look_closely")
    assert not ask(tmp_path)[0]


def test_rows_count_and_not_files(directory: RunDirectory, tmp_path: Path) -> None:
    manifest = tmp_path / "data" / "1" / "manifest.jsonl"
    rows = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(rows[:7]).replace('"a"', '"b"', 1))
    few = make_workflow(schedule={"min_new_clips": 2})
    train, why = ask(tmp_path, few)
    assert (train, counts(why)) == (False, [1, 1])
    train, why = ask(tmp_path)
    assert (train, counts(why)) == (True, [1, 1])


def test_without_the_last_index_every_clip_may_be_new(
    directory: RunDirectory, tmp_path: Path
) -> None:
    directory.index.delete_all()
    add_span(tmp_path, 2)
    assert counts(ask(tmp_path)[1]) == [16]


def test_a_clip_beside_others_in_a_folder(tmp_path: Path) -> None:
    for label in ("yes", "no"):
        (tmp_path / "clips" / label).mkdir(parents=True)
        (tmp_path / "clips" / label / "1.wav").write_bytes(b"RIFF")
    workflow = make_workflow(data={"folder": "clips"})
    finish_run(Project(workflow, tmp_path))
    assert not ask(tmp_path, workflow)[0]
    (tmp_path / "clips" / "no" / "2.wav").write_bytes(b"RIFF")
    train, why = ask(tmp_path, workflow)
    assert (train, counts(why)) == (True, [1])


def test_lists_and_what_lies_beside_clips_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("yes/a", "yes/b", "no/a", "no/b", "_background_noise_/pink", "up/a"):
        (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clips" / f"{name}_nohash_0.wav").write_bytes(b"RIFF")
    lists = tmp_path / "clips" / "testing_list.txt"
    lists.write_text("yes/a_nohash_0.wav\nno/a_nohash_0.wav\n")
    workflow = make_workflow(data={"folder": "clips", "labels": ["yes", "no"]})
    finish_run(Project(workflow, tmp_path))
    for name in ("yes/.DS_Store", "yes/notes.txt", "_background_noise_/hum.wav"):
        (tmp_path / "clips" / name).write_bytes(b"new")
    with monkeypatch.context() as patch:
        patch.delattr("pipeline.scheduling.triggers._look_closely")
        assert not ask(tmp_path, workflow)[0]
    lists.write_text("yes/b_nohash_0.wav\nno/b_nohash_0.wav\n")
    assert ask(tmp_path, workflow)[0]


def test_drift_trains_also_on_few_clips(directory: RunDirectory, tmp_path: Path) -> None:
    add_span(tmp_path, 2, "aaaa")
    few = {"min_new_clips": 100}
    assert not ask(tmp_path, make_workflow(schedule=few))[0]
    train, why = ask(tmp_path, make_workflow(schedule=few, data_gate={"max_drift": 0.02}))
    assert train  # also since the settings changed
    finish_run(Project(make_workflow(data_gate={"max_drift": 0.02}), tmp_path))
    add_span(tmp_path, 3, "aaaaaaaaaa")
    train, why = ask(tmp_path, make_workflow(schedule=few, data_gate={"max_drift": 0.02}))
    assert train
    assert "drifted by" in why


def test_settings_code_age_and_replacement(
    directory: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = make_workflow(model={"units": 64}, run={"directory": "runs/digits"})
    train, why = ask(tmp_path, changed)
    assert train
    assert "model.units" in why
    assert "run.directory" not in why
    told = make_workflow(notify={"command": ["true"]}, push={"keep": 9}, registry={"kind": "none"})
    assert not ask(tmp_path, told)[0]
    aged = make_workflow(schedule={"max_age_days": 30.0})
    assert not ask(tmp_path, aged, days=29)[0]
    train, why = ask(tmp_path, aged, days=31)
    assert train
    assert "schedule.max_age_days" in why
    listing = list_utterances(WORKFLOW.data, tmp_path)
    stopped = NOW + datetime.timedelta(days=30)
    data = json.loads(directory.seen.path.read_text())["data"]
    observed, stamps = observe(Project(WORKFLOW, tmp_path), listing)
    remember(observed, stamps, data, directory, stopped, has_trained=False)
    assert ask(tmp_path, aged, days=31) == (True, why)  # a data gate stopped the last one
    make_version(directory.serving, "a")
    ledger, _ = follow(Ledger(), directory.serving)
    write_ledger(ledger.changed(1, replace="heard a speaker"), directory.ledger)
    assert ask(tmp_path)[0] and "version 1 " in ask(tmp_path)[1]
    monkeypatch.setattr("pipeline.runs.snapshot.component_fingerprint", lambda name, task: name)
    assert "code" in ask(tmp_path)[1]


def test_what_cannot_be_read_is_as_if_there_was_none(
    directory: RunDirectory, tmp_path: Path
) -> None:
    directory.seen.path.write_text('{"from": "the future"}')
    assert ask(tmp_path)[0]
