"""The dry run says what a run would do, from what can be seen without decoding."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.cli.views.plan import print_plan
from pipeline.datasets.dry_run import Plan, make_plan
from pipeline.workspace.project import read_project
from schemas.errors import DataError

WORKFLOW = """\
name: words
data:
  manifests: manifest.jsonl
  split: {eval_speakers: [eve], test_speakers: [tom]}
  max_reject_fraction: 0.5
audio: {sample_rate: 8000, clip_s: 0.5}
data_gate: {min_clips_per_class: 3}
gate: {accuracy: {at_least: 0.5, slices: [speaker]}}
"""


def write_clip(path: Path, seconds: float, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(round(seconds * rate), 0.1, np.float32), rate)


def write_set(folder: Path, extra: str = "") -> Path:
    """Three speakers say two words three times, a second each; `extra` rows follow."""
    rows = ""
    for speaker in ("ann", "eve", "tom"):
        for take in range(3):
            for label in ("go", "no"):
                clip = f"clips/{speaker}_{label}_{take}.wav"
                write_clip(folder / clip, 1.0)
                rows += json.dumps({"audio_filepath": clip, "label": label, "speaker": speaker})
                rows += "\n"
    (folder / "manifest.jsonl").write_text(rows + extra)
    path = folder / "workflow.yaml"
    path.write_text(WORKFLOW)
    return path


def plan_of(path: Path) -> Plan:
    return make_plan(read_project(path))


def row(clip: str, **more: object) -> str:
    said = {"audio_filepath": f"clips/{clip}", "label": "go", "speaker": "ann", **more}
    return json.dumps(said) + "\n"


def test_counts_hours_and_splits(tmp_path: Path) -> None:
    plan = plan_of(write_set(tmp_path))
    assert plan.refused is None
    assert plan.rejects == []
    assert (plan.rows, plan.clips, plan.generated) == (18, 18, False)
    assert plan.split_by == "named speakers"
    for name, speaker in (("train", "ann"), ("eval", "eve"), ("test", "tom")):
        counts = plan.splits[name]
        assert counts.clips == 6
        assert counts.labels == {"go": 3, "no": 3}
        assert counts.speakers == {speaker: 6}
        assert counts.hours == pytest.approx(6 / 3600)
    assert plan.hours == pytest.approx(18 / 3600)
    assert not plan.hours_are_estimated
    assert plan.run_directory == str(tmp_path.resolve() / "runs" / "words")


def test_a_header_that_states_no_length_gives_no_hours_of_its_own(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    for file in sorted((tmp_path / "clips").iterdir())[:6]:
        soundfile.write(file, np.random.default_rng(0).normal(0, 0.1, 8000), 8000, format="FLAC")
        content = bytearray(file.read_bytes())
        content[21] &= 0xF0  # STREAMINFO's total of samples (RFC 9639, 8.2)
        content[22:26] = bytes(4)
        file.write_bytes(content)
    assert plan_of(path).hours == pytest.approx(18 / 3600)


def test_no_header_is_read_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged file may crash its decoder: that is for child processes."""

    def crash(*arguments: object) -> None:
        raise AssertionError("a decoder was asked in the main process")

    path = write_set(tmp_path)
    monkeypatch.setattr("components.audio.decode.AudioFile.__init__", crash)
    assert plan_of(path).hours == pytest.approx(18 / 3600)


def test_an_mp3_far_behind_zeros_is_not_foreseen_as_a_reject(tmp_path: Path) -> None:
    extra = row("late.mp3")
    path = write_set(tmp_path, extra)
    late = tmp_path / "clips" / "late.mp3"
    soundfile.write(late, np.random.default_rng(0).normal(0, 0.1, 8000), 8000, format="MP3")
    late.write_bytes(bytes(5000) + late.read_bytes())
    assert plan_of(path).rejects == []


def test_stated_durations_are_taken_and_offsets_counted(tmp_path: Path) -> None:
    extra = row("ann_go_0.wav", id="a", offset=0.25, duration=0.5) + row("ann_go_0.wav", offset=0.6)
    plan = plan_of(write_set(tmp_path, extra))
    assert plan.hours == pytest.approx((18 + 0.5 + 0.4) / 3600)


def test_hours_of_many_files_are_estimated_from_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_set(tmp_path)
    monkeypatch.setattr("pipeline.datasets.dry_run._MOST_HEADERS", 5)
    plan = plan_of(path)
    assert plan.hours_are_estimated
    assert plan.hours == pytest.approx(18 / 3600)


def test_what_would_be_rejected(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "empty.wav").touch()
    (tmp_path / "clips" / "text.wav").write_text("this is a text")
    (tmp_path / "clips" / "video.wav").write_bytes(b"RIFF\x10\0\0\0AVI LIST")
    extra = (
        "not JSON\n"
        + row("gone.wav")
        + row("empty.wav")
        + row("text.wav")
        + row("video.wav")
        + '{"audio_filepath": "clips/ann_go_0.wav"}\n'
    )
    plan = plan_of(write_set(tmp_path, extra))
    assert (plan.rows, plan.clips) == (24, 18)
    reasons = Counter(reject.reason for reject in plan.rejects)
    assert reasons == {"bad_row": 2, "missing": 1, "empty": 1, "unsupported": 2}
    assert {reject.uri for reject in plan.rejects if reject.reason == "unsupported"} == {
        "clips/text.wav",
        "clips/video.wav",
    }


def test_what_a_run_would_refuse_is_said(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    path.write_text(WORKFLOW.replace("[tom]", "[tim]"))
    plan = plan_of(path)
    assert plan.clips == 18
    assert plan.refused is not None
    assert "'tom'" in plan.refused


def test_needed_bytes_grow_by_a_clip_of_16_bit_samples(tmp_path: Path) -> None:
    before = plan_of(write_set(tmp_path))
    after = plan_of(write_set(tmp_path, row("ann_go_0.wav", id="again")))
    assert 0 <= after.needed_bytes - before.needed_bytes - 2 * 4000 <= 2000
    assert before.free_bytes


def test_a_run_directory_elsewhere(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    path.write_text(f"{WORKFLOW}run: {{orchestrator: vertex, directory: gs://bucket/runs/words}}\n")
    plan = plan_of(path)
    assert (plan.run_directory, plan.free_bytes) == ("gs://bucket/runs/words", None)
    print_plan(plan)


def test_steps_say_what_the_workflow_asks_for(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    path.write_text(
        f"{WORKFLOW}train: {{epochs: 7, batch_size: 4}}\nmodel: {{architecture: rnn}}\n"
    )
    steps = {step.name: step.does for step in plan_of(path).steps}
    first, *_, last = steps
    assert (first, last) == ("Prepare", "Report")
    assert steps["Trainer"].endswith("(rnn on log_mel, at most 7 epochs of 2 steps)")
    assert steps["ModelGate"].endswith("(accuracy at least 0.5, also for every speaker)")
    path.write_text(f"{WORKFLOW}train: {{epochs: 7, batch_size: 4, start: both}}\n")
    trainer = next(step.does for step in plan_of(path).steps if step.name == "Trainer")
    assert trainer.endswith("7 epochs of 2 steps, from scratch and from the last blessed model)")


def test_background_is_listed_with_its_hours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_set(tmp_path)
    assert plan_of(path).background == []
    for number in range(12):
        write_clip(tmp_path / "noise" / f"{number:02d}.wav", 9.0)
    text = WORKFLOW.replace("data:", "data:\n  background: noise/*.wav")
    path.write_text(text)
    plan = plan_of(path)
    assert [recording.name for recording in plan.background[:2]] == ["00.wav", "01.wav"]
    assert sum(recording.hours for recording in plan.background) == pytest.approx(0.03)
    print_plan(plan)
    printed = capsys.readouterr().out
    assert "and 2 more" in printed
    assert ["all", "0.0300"] in [line.split() for line in printed.splitlines()]
    [gate] = [step.does for step in plan.steps if step.name == "ModelGate"]
    assert "1 an hour" in gate
    path.write_text(text.replace("noise/*.wav", "clips/*.wav"))
    with pytest.raises(DataError, match=r"\.wav "):
        plan_of(path)


def test_generated_speech(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_text("name: words\ndata: {generated: {speakers: 40, takes: 3}}\n")
    plan = plan_of(path)
    assert plan.generated
    assert plan.clips == 40 * 3 * 10
    assert plan.refused is None
    assert sum(len(counts.speakers) for counts in plan.splits.values()) == 40


def test_nothing_to_read(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_text("name: words\ndata: {folder: clips}\n")
    with pytest.raises(DataError, match="clips "):
        plan_of(path)


def test_printed_within_eighty_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "[bold]x.wav").touch()
    print_plan(plan_of(write_set(tmp_path, row("[bold]x.wav", label="[red]"))))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "words: 18 clips, 0.01 hours, 2 classes, 3 speakers"
    assert any(line.split() == ["train", "6", "0.00", "2", "1"] for line in lines)
    assert any(
        line.startswith("empty      1  clips/[bold]x.wav: the file has no") for line in lines
    )
    assert all(len(line) <= 80 for line in lines[:-1])  # the last one has a path of this machine


def test_printed_labels_are_not_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(plan_of(write_set(tmp_path, row("ann_go_0.wav", id="x", label="[red]a[/red]"))))
    assert "[red]a[/red]" in capsys.readouterr().out


def test_command_line(tmp_path: Path) -> None:
    path = write_set(tmp_path, "not JSON\n")
    code = (
        "import sys, atexit\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'keras'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "from pipeline.cli import main\n"
        f"sys.argv = ['auricle', 'plan', {str(path)!r}, '--json']\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == "[]\n"
    assert Plan.model_validate_json(done.stdout) == plan_of(path).model_copy(
        update={"free_bytes": json.loads(done.stdout)["free_bytes"]}
    )
    assert not (tmp_path / "runs").exists()


def test_hours_and_splits_of_speech(digits: Path, tmp_path: Path) -> None:
    path = tmp_path / "workflow.yaml"
    manifest = digits / "manifest.jsonl"
    path.write_text(
        f"name: fsdd\ndata: {{manifests: {manifest}, split: "
        "{eval_speakers: [theo], test_speakers: [george]}}\n"
    )
    plan = plan_of(path)
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    stated_s = sum(row["duration"] for row in rows)
    assert plan.hours == pytest.approx(stated_s / 3600)
    held_out = {"theo": "eval", "george": "test"}
    splits = Counter(held_out.get(row["speaker"], "train") for row in rows)
    assert {name: counts.clips for name, counts in plan.splits.items()} == splits
