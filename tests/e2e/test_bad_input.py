"""Bad input is answered in words, with exit code 2, before anything heavy starts."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.tiny import TINY, write_workflow

PROGRAM = """
import sys
from pipeline.cli import main
try:
    main()
finally:
    heavy = {"tensorflow", "tfx", "keras"} & set(sys.modules)
    print("heavy:", sorted(heavy))
"""


def refusal(project: Path) -> str:
    """What `auricle run` answers, having checked that it refused for bad input, and quickly."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, "run", "workflow.yaml"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    assert "heavy: []" in ran.stdout
    assert not (project / "runs" / TINY["name"] / "serving").exists()
    return ran.stderr


def rewrite_manifest(project: Path, **changes: Any) -> None:
    """Sets keys of every row."""
    manifest = project / "recordings" / "manifest.jsonl"
    rows = [json.loads(line) | changes for line in manifest.read_text().splitlines()]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_an_empty_folder(project: Path) -> None:
    (project / "empty").mkdir()
    write_workflow(project, data={"folder": "empty"})
    assert "is empty" in refusal(project)


def test_a_missing_folder(project: Path) -> None:
    write_workflow(project, data={"folder": "nowhere"})
    assert "nowhere" in refusal(project)


def test_a_missing_manifest(project: Path) -> None:
    write_workflow(project, data={"manifests": "recordings/missing.jsonl"})
    assert "recordings/missing.jsonl" in refusal(project)


def test_no_row_that_can_be_used(project: Path) -> None:
    (project / "recordings" / "manifest.jsonl").write_text("not JSON\n[]\n")
    message = refusal(project)
    assert "manifest" in message
    assert "manifest.jsonl:1" in message


def test_one_class(project: Path) -> None:
    rewrite_manifest(project, label="low")
    assert "low" in refusal(project)


def test_one_speaker(project: Path) -> None:
    rewrite_manifest(project, speaker="ann")
    write_workflow(project, data={"manifests": "recordings/manifest.jsonl"})
    assert "ann" in refusal(project)


def test_a_label_in_one_split_only(project: Path) -> None:
    manifest = project / "recordings" / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    kept = [r for r in rows if r["label"] != "high" or r["speaker"] == "speaker0"]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in kept))
    assert "high" in refusal(project)


def test_a_speaker_that_does_not_exist(project: Path) -> None:
    split = {"eval_speakers": ["speaker4"], "test_speakers": ["speakr5"]}
    write_workflow(project, data=TINY["data"] | {"split": split})
    message = refusal(project)
    assert "speakr5" in message
    assert "speaker5" in message  # the nearest


def test_a_run_directory_of_another_workflow(project: Path) -> None:
    directory = project / "runs" / "shared"
    directory.mkdir(parents=True)
    other = {"name": "other", "data": {"generated": {}}}
    (directory / "workflow.json").write_text(json.dumps(other))
    write_workflow(project, run={"directory": "runs/shared"})
    assert "'other'" in refusal(project)


def test_an_unknown_beam_option(project: Path) -> None:
    write_workflow(project, run={"beam": {"options": {"direct_num_worker": 2}}})
    assert "'direct_num_workers'" in refusal(project)


def test_a_second_run_at_the_same_time(project: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\n"
            "from pipeline.workspace.lock import claim\n"
            "from pipeline.workspace.project import read_project\n"
            "with claim(read_project('workflow.yaml')):\n"
            "    print('held', flush=True)\n"
            "    sys.stdin.read()\n",
        ],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        assert f"already running (process {holder.pid})" in refusal(project)
    finally:
        holder.communicate("")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frontend": {"kind": "log_mell"}}, ["frontend.kind", "log_mell", "log_mel"]),
        ({"frontend": {"frame_length_ms": 900}}, ["frontend.frame_length_ms", "clip"]),
        ({"modle": {}}, ["modle", "model"]),
    ],
)
def test_a_workflow_that_cannot_be(project: Path, change: dict[str, Any], words: list[str]) -> None:
    (project / "workflow.yaml").write_text(yaml.safe_dump(TINY | change))
    message = refusal(project)
    assert "workflow.yaml:" in message
    assert all(word in message for word in words)
