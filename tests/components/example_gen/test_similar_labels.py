"""Labels that look alike are named with their clips; those that a reader tells apart are not."""

import json
from pathlib import Path

import pytest
from words import write_clip, write_project

from components.example_gen.similar_labels import similar_labels
from components.example_gen.sources import list_utterances
from pipeline.datasets.dry_run import make_plan
from pipeline.workspace.project import read_project
from schemas.workflow.data import Data


@pytest.mark.parametrize(
    "labels",
    [
        *(("Yes", "yes"), ("YES", "Yes", "yes"), ("straße", "STRASSE"), ("Ärger", "ärger")),
        *(("cat", "\u0441at"), ("no", "n\u03bf"), ("go on", "go  on"), ("go on", "go\u00a0on")),
        *(
            ("stop", "st\u200bop"),
            ("\ufb01re", "fire"),
            ("\uff39es", "yes"),
            ("e-mail", "e\u2013mail"),
        ),
        *(("don't", "don\u2019t"), ("İ", "i̇"), ("A", "\u0410")),
    ],
)
def test_labels_that_look_alike_are_named_with_their_clips(labels: tuple[str, ...]) -> None:
    [said] = similar_labels({label: 11 + n for n, label in enumerate(labels)} | {"other": 7})
    assert all(repr(label) in said for label in labels)
    assert all(f"({11 + number} clips)" in said for number in range(len(labels)))


@pytest.mark.parametrize(
    "labels", [("cafe", "café"), ("yes", "no"), ("on", "ön"), ("1", "l"), ("да", "нет"), ("a", "ä")]
)
def test_labels_that_a_reader_tells_apart_are_not(labels: tuple[str, ...]) -> None:
    assert list(similar_labels(dict.fromkeys(labels, 1))) == []


def test_a_thousand_pairs_are_said_in_few_lines() -> None:
    many = {f"{case}{number}": 1 for case in "wW" for number in range(1000)}
    assert len(list(similar_labels(many))) < 20


def test_plan_says_it(tmp_path: Path) -> None:
    file = write_project(tmp_path)
    assert make_plan(read_project(file)).notes == []
    write_clip(tmp_path / "clips/Go.wav", seed=5)
    row = {"audio_filepath": "clips/Go.wav", "label": "Go", "speaker": "ann", "split": "train"}
    with (tmp_path / "manifest.jsonl").open("a") as manifest:
        manifest.write(json.dumps(row) + "\n")
    [note] = make_plan(read_project(file)).notes
    assert "'Go' (1 clip)" in note
    assert "'go' (6 clips)" in note


def test_a_folder_says_it(tmp_path: Path) -> None:
    for name in ("clips/yes/1.wav", "clips/Yes/1.wav", "clips/Yes/2.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    [note] = list_utterances(Data(folder="clips"), tmp_path).notes
    assert "'Yes' (2 clips)" in note
