"""`auricle init` writes a workflow that `plan` accepts, or says what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speech import write_words

from pipeline.config.loader import read_workflow
from pipeline.datasets.dry_run import make_plan
from pipeline.datasets.scaffold import (
    is_recordings,
    plan_beside,
    workflow_beside,
    write_workflow,
)
from pipeline.workspace.project import Project, read_project
from schemas.errors import DataError, InputError
from schemas.workflow.data import Split
from schemas.workflow.workflow import Workflow

LABELS = ("go", "no", "on")


def write_clip(path: Path, seconds: float = 0.5, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(round(seconds * rate), 0.1, np.float32), rate)


def write_manifest(path: Path, speakers: int, takes: int = 2) -> None:
    rows = []
    for speaker in range(speakers):
        # Later speakers have more clips, so that it shows who is chosen.
        for take in range(takes + speaker):
            for label in LABELS:
                clip = f"clips/{label}_{speaker}_{take}.wav"
                write_clip(path.parent / clip)
                rows.append({"audio_filepath": clip, "label": label, "speaker": f"s{speaker}"})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def init(directory: Path, output: Path, name: str | None = None) -> Workflow:
    """The workflow that was written; `test_init_plan_run.py` has `plan` accept such."""
    write_workflow(directory, output, name=name, force=False)
    assert len(output.read_text().splitlines()) <= 15
    assert [path.name for path in output.parent.glob(".*")] == []
    return read_workflow(output)


def test_a_folder_of_labels(tmp_path: Path) -> None:
    for label in LABELS:
        for take in range(60):
            write_clip(tmp_path / "My Clips" / label / f"{take}.wav", 0.4, 44100)
    workflow = init(tmp_path / "My Clips", tmp_path / "workflow.yaml")
    assert workflow.name == "my-clips"
    assert workflow.data.folder == "My Clips"
    assert workflow.audio.sample_rate == 16000  # no more than speech needs
    assert workflow.audio.clip_s == 0.5


@pytest.mark.parametrize(
    ("takes", "folds", "at_least"),
    # Of 60, 300 and 120 clips 90 % right have an exact interval from 0.79, 0.86 and 0.83 on.
    [(5, None, 0.6), (20, 5, 0.75), (100, 5, 0.85), (400, None, 0.8)],
)
def test_few_clips_are_divided_into_folds_and_asked_for_what_they_can_show(
    tmp_path: Path, takes: int, folds: int | None, at_least: float
) -> None:
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clip.wav")
    for label in LABELS:
        (tmp_path / "clips" / label).mkdir()
        for take in range(takes):
            (tmp_path / "clips" / label / f"{take}.wav").hardlink_to(tmp_path / "clip.wav")
    if takes == 5:  # four to train on, and DataGate asks for five
        with pytest.raises(DataError, match="expected at least 5"):
            init(tmp_path / "clips", tmp_path / "workflow.yaml")
        return
    workflow = init(tmp_path / "clips", tmp_path / "workflow.yaml")
    assert workflow.data.split.folds == folds
    assert workflow.gate.accuracy.at_least == at_least


def test_a_manifest_with_few_speakers_has_a_fold_of_each(tmp_path: Path) -> None:
    write_manifest(tmp_path / "data" / "manifest.jsonl", speakers=4)
    workflow = init(tmp_path / "data", tmp_path / "workflow.yaml", name="words")
    assert workflow.name == "words"
    assert workflow.data.manifests == "data/manifest.jsonl"
    assert workflow.audio.sample_rate == 8000
    assert workflow.data.split == Split(folds=4)


def test_few_speakers_of_many_clips_are_named(tmp_path: Path) -> None:
    write_manifest(tmp_path / "data" / "manifest.jsonl", speakers=4, takes=34)
    # Those with the fewest clips; the most are left to train on.
    split = init(tmp_path / "data", tmp_path / "workflow.yaml").data.split
    assert split == Split(test_speakers=["s0"], eval_speakers=["s1"])


def test_the_manifest_itself_and_a_file_elsewhere(tmp_path: Path) -> None:
    write_manifest(tmp_path / "data" / "manifest.jsonl", speakers=3)
    (tmp_path / "flows").mkdir()
    workflow = init(tmp_path / "data" / "manifest.jsonl", tmp_path / "flows" / "w.yaml")
    assert workflow.data.manifests == str(tmp_path / "data" / "manifest.jsonl")


@pytest.mark.parametrize(("name", "comma"), [("clips.csv", ","), ("clips.tsv", "\t")])
def test_a_table(tmp_path: Path, name: str, comma: str) -> None:
    write_manifest(tmp_path / "data" / "manifest.jsonl", speakers=3)
    lines = (tmp_path / "data" / "manifest.jsonl").read_text().splitlines()
    rows = [["audio_filepath", "label", "speaker"], *(json.loads(line).values() for line in lines)]
    (tmp_path / "data" / "manifest.jsonl").unlink()
    (tmp_path / "data" / name).write_text("".join(f"{comma.join(row)}\n" for row in rows))
    assert init(tmp_path / "data", tmp_path / "w.yaml").data.manifests == f"data/{name}"
    assert init(tmp_path / "data" / name, tmp_path / "v.yaml").data.manifests == f"data/{name}"


def test_a_table_about_something_else_is_no_manifest(tmp_path: Path) -> None:
    for label in LABELS:
        for take in range(60):
            write_clip(tmp_path / "clips" / label / f"{take}.wav")
    (tmp_path / "clips" / "prices.csv").write_text("name,price\na,1\n")
    (tmp_path / "clips" / "go" / "times.csv").write_text("1,2\n")
    assert init(tmp_path / "clips", tmp_path / "w.yaml").data.folder == "clips"


def test_several_manifests_become_a_pattern(tmp_path: Path) -> None:
    for part in ("a", "b"):
        write_manifest(tmp_path / "data" / part / "manifest.jsonl", speakers=3)
    assert init(tmp_path / "data", tmp_path / "w.yaml").data.manifests == "data/*/*.jsonl"


def test_what_is_no_manifest_is_left_out(tmp_path: Path) -> None:
    write_manifest(tmp_path / "data" / "manifest.jsonl", speakers=3)
    (tmp_path / "data" / "log.jsonl").write_text('{"level": "info"}\n')
    (tmp_path / "data" / "broken.jsonl").write_text("no JSON\n")
    assert init(tmp_path / "data", tmp_path / "w.yaml").data.manifests == "data/manifest.jsonl"


def test_names_that_yaml_or_glob_would_misread(tmp_path: Path) -> None:
    folder = tmp_path / "[true]: #1 ümlaut"
    write_manifest(folder / "manifest.jsonl", speakers=3)
    workflow = init(folder, tmp_path / "w.yaml")
    assert make_plan(Project(workflow, tmp_path)).clips == 3 * (2 + 3 + 4)
    assert workflow.name == "true-1-mlaut"


@pytest.mark.parametrize(
    ("seconds", "clip_s"),
    [(0.2, 0.5), (0.5, 0.5), (0.51, 0.75), (1.0, 1.0), (1.01, 1.5), (2.4, 2.5), (7.0, 3.0)],
)
def test_clip_length_holds_nineteen_of_twenty(
    tmp_path: Path, seconds: float, clip_s: float
) -> None:
    for label in LABELS:
        for take in range(38):
            write_clip(tmp_path / "clips" / label / f"{take}.wav", seconds)
        for take in range(38, 40):  # 5 % are longer
            write_clip(tmp_path / "clips" / label / f"{take}.wav", seconds + 5)
    assert init(tmp_path / "clips", tmp_path / "w.yaml").audio.clip_s == clip_s


def test_clips_whose_headers_state_no_length_are_measured(tmp_path: Path) -> None:
    for label in LABELS:
        for take in range(10):
            file = tmp_path / "clips" / label / f"{take}.flac"
            write_clip(file, 1.0)
            content = bytearray(file.read_bytes())
            content[21] &= 0xF0  # STREAMINFO's total of samples (RFC 9639, 8.2)
            content[22:26] = bytes(4)
            file.write_bytes(content)
    assert init(tmp_path / "clips", tmp_path / "w.yaml").audio.clip_s == 1.0


def test_nothing_is_overwritten_unless_forced(tmp_path: Path) -> None:
    write_manifest(tmp_path / "data" / "manifest.jsonl", speakers=3)
    output = tmp_path / "w.yaml"
    output.write_text("mine")
    with pytest.raises(InputError, match=r"w\.yaml .*--force"):
        write_workflow(tmp_path / "data", output, name=None, force=False)
    assert output.read_text() == "mine"
    said = write_workflow(tmp_path / "data", output, name=None, force=True)
    assert (said.file, said.clips, said.labels, said.speakers) == (str(output), 27, 3, 3)
    assert (said.rejects, said.ignored, said.folds) == (0, [], 3)
    assert read_workflow(output).name == "data"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    write_manifest(tmp_path / "data" / "manifest.jsonl", speakers=3)
    with pytest.raises(InputError, match=str(tmp_path / "no")):
        write_workflow(tmp_path / "data", tmp_path / "no" / "w.yaml", name=None, force=False)
    with pytest.raises(InputError, match=r"--name: .*'My Ä'.* my"):
        write_workflow(tmp_path / "data", tmp_path / "w.yaml", name="My Ä", force=False)
    assert not (tmp_path / "w.yaml").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "JSON-lines"),
        ({"notes.txt": "x", "label/notes.txt": "x"}, "JSON-lines"),
        (
            {"m.jsonl": '{"audio_filepath": "a.wav", "text": "go on"}'},
            "m.jsonl.*label.*`text`",
        ),
        ({"m.jsonl": '{"audio_filepath": "a.wav"}'}, "m.jsonl.*label"),
        ({"m.jsonl": '{"audio_filepath": "a.wav", "label": "go"}'}, "m.jsonl"),
        ({"m.jsonl": "RIFF"}, "m.jsonl.*JSON"),
        ({"a.wav": None, "b.wav": None}, "2 .*labels"),
        ({"go/a.wav": None, "go/b.wav": None}, "class"),
        ({"go/a.wav": "no audio", "no/b.wav": "nor this"}, "audio"),
        ({"go/a.wav": None, "no/b.wav": None}, "one recording"),
    ],
)
def test_what_cannot_be_a_workflow(
    tmp_path: Path, files: dict[str, str | None], message: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, text in files.items():
        if text is None:
            write_clip(folder / name)
        else:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    with pytest.raises(DataError, match=message):
        write_workflow(folder, tmp_path / "w.yaml", name=None, force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_recordings_stand_for_the_workflow_file_beside_them(tmp_path: Path) -> None:
    write_manifest(tmp_path / "My Words" / "manifest.jsonl", speakers=3)
    recordings = tmp_path / "My Words"
    assert is_recordings(recordings)
    planned = plan_beside(recordings)
    assert [path.name for path in tmp_path.iterdir()] == ["My Words"]
    assert make_plan(planned).clips == 27
    file, new = workflow_beside(recordings)
    assert file == tmp_path / "my-words.yaml"
    assert new is not None
    assert (new.file, new.clips) == (str(file), 27)
    assert read_workflow(file) == planned.workflow

    file.write_text(file.read_text().replace("cnn_lstm", "rnn"))
    assert workflow_beside(recordings) == (file, None)
    assert plan_beside(recordings).workflow.model.architecture == "rnn"
    manifest = recordings / "manifest.jsonl"
    assert workflow_beside(manifest)[0] == recordings / "manifest.yaml"


def test_the_workflow_file_of_something_else_is_neither_run_nor_overwritten(tmp_path: Path) -> None:
    write_manifest(tmp_path / "words" / "manifest.jsonl", speakers=3)
    mine = "name: words\ndata: {folder: others}\n"
    (tmp_path / "words.yaml").write_text(mine)
    for ask in (workflow_beside, plan_beside):
        with pytest.raises(InputError, match=r"words\.yaml"):
            ask(tmp_path / "words")
    assert (tmp_path / "words.yaml").read_text() == mine


def test_too_few_speakers(tmp_path: Path) -> None:
    write_manifest(tmp_path / "data" / "manifest.jsonl", speakers=2)
    with pytest.raises(DataError, match=r"2 .*\(s0, s1\)"):
        write_workflow(tmp_path / "data", tmp_path / "w.yaml", name=None, force=False)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        write_workflow(tmp_path / "data", tmp_path / "w.yaml", name=None, force=False)


def write_commands(folder: Path, speakers: int, testing: str, validation: str) -> None:
    """A folder as Speech Commands is, with what a Mac leaves; the lists name whole speakers."""
    for speaker in range(speakers):
        for label in LABELS:
            write_clip(folder / label / f"{speaker:08x}_nohash_0.wav")
            (folder / label / f"._{speaker:08x}_nohash_0.wav").write_bytes(b"\0\5\x16\7")
    write_clip(folder / "_background_noise_" / "pink.wav", 4.0)
    (folder / "_background_noise_" / "README.md").write_text("CC BY")
    for name, digits in (("testing", testing), ("validation", validation)):
        named = [p for d in digits for p in sorted(folder.glob(f"*/{d.zfill(8)}_nohash_0.wav"))]
        lines = "".join(f"{path.relative_to(folder).as_posix()}\n" for path in named)
        (folder / f"{name}_list.txt").write_text(lines)


def test_a_speech_commands_folder_keeps_its_split_and_offers_its_background(
    tmp_path: Path,
) -> None:
    write_commands(tmp_path / "sc", 16, testing="0123", validation="456")
    said = write_workflow(tmp_path / "sc", tmp_path / "w.yaml", name=None, force=False)
    assert (said.clips, said.labels, said.speakers, said.folds) == (48, 3, 16, None)
    assert {"_background_noise_/", "go/._00000000_nohash_0.wav"} <= set(said.ignored)
    workflow = read_workflow(tmp_path / "w.yaml")
    plan = make_plan(Project(workflow, tmp_path))
    found = {name: sorted(int(s, 16) for s in c.speakers) for name, c in plan.splits.items()}
    assert found == {"train": list(range(7, 16)), "eval": [4, 5, 6], "test": [0, 1, 2, 3]}
    assert (plan.split_by, plan.rejects) == ("manifest", [])

    offered = (tmp_path / "w.yaml").read_text().replace("# background:", "background:")
    (tmp_path / "spot.yaml").write_text(offered)
    spotting = read_project(tmp_path / "spot.yaml")
    assert spotting.workflow.task == "spot"
    assert [each.name for each in make_plan(spotting).background] == ["pink.wav"]


def test_lists_of_a_speech_commands_folder_that_leave_too_little_give_way_to_folds(
    tmp_path: Path,
) -> None:
    write_commands(tmp_path / "sc", 16, testing="0", validation="1")
    said = write_workflow(tmp_path / "sc", tmp_path / "w.yaml", name=None, force=False)
    assert said.folds == 5
    assert any("testing_list.txt" in remark for remark in said.remarks)
    assert make_plan(read_project(tmp_path / "w.yaml")).split_by == "speaker"


def test_spoken_recordings(digits: Path, tmp_path: Path) -> None:
    assert init(digits, tmp_path / "workflow.yaml").audio.sample_rate == 8000


def test_spoken_words_in_folders(tmp_path: Path) -> None:
    write_words(tmp_path / "words", takes=60)
    workflow = init(tmp_path / "words", tmp_path / "workflow.yaml")
    assert workflow.audio.sample_rate == 16000
    assert workflow.data.folder is not None


@pytest.mark.parametrize("name", ["arabic_commands", "esc10", "arabic_commands/clips"])
def test_real_recordings(shared_data: Path, tmp_path: Path, name: str) -> None:
    workflow = init(shared_data / name, tmp_path / "workflow.yaml")
    assert workflow.audio.sample_rate == 16000
