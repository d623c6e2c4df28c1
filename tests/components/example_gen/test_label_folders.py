"""A folder `label/clip`: what lies beside clips, and what a Speech Commands folder says of them."""

import codecs
import json
from pathlib import Path

import pytest

from components.example_gen.sources import list_utterances
from components.example_gen.splits import assign_split, divide
from schemas.errors import DataError
from schemas.workflow.data import Data, Split

CLIPS = [f"{label}/{speaker}_nohash_0.wav" for label in ("no", "yes") for speaker in "abcdef"]
TESTING = ["no/a_nohash_0.wav", "yes/a_nohash_0.wav"]
VALIDATION = ["no/b_nohash_0.wav", "yes/b_nohash_0.wav"]


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def commands(folder: Path, **lists: bytes) -> Path:
    """A small Speech Commands folder with these lists."""
    touch(folder, *CLIPS, "_background_noise_/pink.wav", "_background_noise_/README.md", "LICENSE")
    for name, content in lists.items():
        (folder / f"{name}_list.txt").write_bytes(content)
    return folder


def lines(names: list[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def listed(folder: Path, **data):
    return list_utterances(Data(folder=folder.name, **data), folder.parent)


def splits_of(listing, split: Split = Split()) -> dict[str, set[str]]:  # noqa: B008
    """The speakers of each split."""
    return {
        name: {row.speaker for row in rows}
        for name, rows in divide(listing.utterances, split).items()
    }


@pytest.mark.parametrize(
    "name",
    [
        *("yes/._1.wav", "yes/.DS_Store", "yes/Thumbs.db", "yes/desktop.ini", "yes/Icon\r"),
        *("yes/@eaDir/1.wav", "yes/.git/x", "__MACOSX/yes/._1.wav", "__MACOSX/._yes", "._yes"),
        *("_background_noise_/pink.wav", "@eaDir/1.wav", "lost+found/1.wav", ".git/1.wav"),
        *("$RECYCLE.BIN/1.wav", "System Volume Information/1.wav", "#recycle/1.wav"),
        *("desktop.ini", "testing.md", "yes/README", "yes/1.TextGrid"),
    ],
)
def test_what_programs_and_people_leave_is_named_and_nothing_else(tmp_path, name):
    touch(tmp_path / "clips", "yes/1.wav", "no/1.wav", name)
    listing = listed(tmp_path / "clips")
    assert [row.id for row in listing.utterances] == ["no/1.wav", "yes/1.wav"]
    assert listing.rejects == []
    assert len(listing.ignored) == 1
    assert name.startswith(listing.ignored[0])


@pytest.mark.parametrize("place", ["runs/words", "runs"])
def test_a_run_directory_beside_the_labels_is_none(tmp_path, place):
    touch(tmp_path / "clips", "yes/1.wav", "no/1.wav", "workflow.yaml")
    for name in ("workflow.json", "format.json", "history/1.json", "feedback/2.wav"):
        touch(tmp_path / "clips" / place, name)
    listing = listed(tmp_path / "clips")
    assert [row.id for row in listing.utterances] == ["no/1.wav", "yes/1.wav"]
    assert (listing.rejects, set(listing.ignored)) == ([], {"runs/", "workflow.yaml"})


def test_labels_that_begin_with_an_underscore_are_labels(tmp_path):
    touch(tmp_path / "clips", "_unknown_/1.wav", "_silence_/1.wav", "_background_/1.wav")
    listing = listed(tmp_path / "clips")
    assert {row.target for row in listing.utterances} == {"_unknown_", "_silence_", "_background_"}


def test_a_clip_in_no_folder_of_a_label_is_a_reject(tmp_path):
    touch(tmp_path / "clips", "yes/1.wav", "no/1.wav", "stray.wav", "yes/later/2.wav")
    rejects = listed(tmp_path / "clips").rejects
    assert [(r.id, r.reason) for r in rejects] == [
        ("stray.wav", "unsupported"),
        ("yes/later", "unsupported"),
    ]


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text,
        lambda text: codecs.BOM_UTF8 + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"/", b"\\"),
        lambda text: b"\n" + text.replace(b"\n", b"  \n\n").rstrip(),
        lambda text: text.decode().encode("utf-16"),
    ],
)
def test_the_lists_of_speech_commands_divide_its_clips(tmp_path, spell):
    folder = commands(
        tmp_path / "sc", testing=spell(lines(TESTING)), validation=spell(lines(VALIDATION))
    )
    listing = listed(folder)
    assert splits_of(listing) == {"train": set("cdef"), "eval": {"b"}, "test": {"a"}}
    assert {row.target for row in listing.utterances} == {"no", "yes"}
    assert (listing.rejects, listing.ignored) == ([], ("_background_noise_/", "LICENSE"))
    assert [note.split()[0] for note in listing.notes] == [
        *("sc/testing_list.txt", "sc/validation_list.txt", "_background_noise_")
    ]


@pytest.mark.parametrize("missing", ["testing", "validation"])
def test_of_one_list_alone_the_other_split_is_chosen_by_speaker(tmp_path, missing):
    lists = {"testing": lines(TESTING), "validation": lines(VALIDATION)}
    del lists[missing]
    split = Split(eval=0.4, test=0.4)
    listing = listed(commands(tmp_path / "sc", **lists), split=split)
    found = splits_of(listing, split)
    listed_split, other = ("eval", "test") if missing == "testing" else ("test", "eval")
    assert found[listed_split] == ({"b"} if missing == "testing" else {"a"})
    alone = Split(eval=0.4, test=0.4).model_copy(update={listed_split: 0.0})
    rest = [row for row in listing.utterances if row.split != listed_split]
    unlisted = [row.__class__(row.id, row.uri, "", row.target, row.speaker) for row in rest]
    assert [row.split for row in rest] == [assign_split(row, alone) for row in unlisted]
    assert found[other]
    assert any(f"sc/{missing}_list.txt: is not there" in note for note in listing.notes)


def test_names_in_a_list_that_are_not_there_are_counted(tmp_path):
    more = [*TESTING, "no/gone_nohash_0.wav", "up/a_nohash_0.wav"]
    folder = commands(tmp_path / "sc", testing=lines(more), validation=lines(["up/x.wav", "hello"]))
    listing = listed(folder, split=Split(eval=0.5))
    assert {row.speaker for row in listing.utterances if row.split == "test"} == {"a"}
    assert {row.split for row in listing.utterances} >= {"eval", "test"}  # as with one list
    said = [note for note in listing.notes if "not there" in note or "not used" in note]
    assert "2 of the 4 clips that it names are not there, such as no/gone_nohash_0.wav" in said[0]
    assert said[1].startswith("sc/validation_list.txt: is not used")


def test_a_clip_in_both_lists_is_a_reject(tmp_path):
    folder = commands(
        tmp_path / "sc", testing=lines(TESTING), validation=lines([*VALIDATION, TESTING[0]])
    )
    assert [(r.id, r.reason) for r in listed(folder).rejects] == [(TESTING[0], "bad_row")]


def test_with_folds_the_lists_are_left_and_that_is_said(tmp_path):
    folder = commands(tmp_path / "sc", testing=lines(TESTING), validation=lines(VALIDATION))
    listing = listed(folder, split=Split(folds=3))
    assert {row.split for row in listing.utterances} == {""}
    assert any("are not used: with data.split.folds" in note for note in listing.notes)


def test_a_forgotten_speaker_of_a_folder_is_left_out(tmp_path):
    data = Data(folder=commands(tmp_path / "sc").name)
    listing = list_utterances(data, tmp_path, is_forgotten=lambda speaker: speaker == "c")
    assert (listing.forgotten, len(listing.utterances)) == (2, 10)


def test_a_folder_of_background_alone_has_no_clip(tmp_path):
    with pytest.raises(DataError, match="no clip in"):
        listed(touch(tmp_path / "sc", "_background_noise_/pink.wav"))


def test_rows_that_name_files_of_macos_are_named_and_no_clips(tmp_path):
    touch(tmp_path, "yes/1.wav", "yes/._1.wav", "__MACOSX/yes/1.wav")
    rows = [{"audio_filepath": path, "label": "yes"} for path in (
        "yes/1.wav", "yes/._1.wav", "__MACOSX/yes/1.wav"
    )]  # fmt: skip
    (tmp_path / "m.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    listing = list_utterances(Data(manifests="m.jsonl"), tmp_path)
    assert [row.id for row in listing.utterances] == ["yes/1.wav"]
    assert (listing.rejects, listing.ignored) == ([], ("yes/._1.wav", "__MACOSX/yes/1.wav"))
