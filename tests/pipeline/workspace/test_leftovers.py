"""What a killed command left is gone before the next one works, and nothing else is."""

from pathlib import Path

import pytest
from e2e.tiny import write_workflow

from pipeline.workspace.leftovers import scratch_folder
from pipeline.workspace.lock import claim
from pipeline.workspace.project import Project, read_project

DRAFT = ".x.wav." + "0123456789abcdef" * 2
KNOWN, UNKNOWN = f"{'a' * 64}.wav", f"{'b' * 64}.flac"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return read_project(write_workflow(tmp_path))


def write(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"voice")
    return [root / name for name in names]


def test_the_next_who_holds_it_sweeps(project: Project) -> None:
    with claim(project) as directory:
        root = directory.local
    kept = write(
        root,
        f"feedback/{KNOWN}",
        "feedback/notes.txt",
        "artifacts/Trainer/model/3/saved_model.pb",
        f"shards/0123/{'c' * 32}.tfrecord",
        f"logs/{DRAFT}",  # whoever writes there holds nothing
        f"serving/1/{'d' * 32}",
    )
    (root / "feedback" / "manifest.jsonl").write_text(f'{{"audio_filepath": "{KNOWN}"}}\n')
    gone = write(
        root,
        ".scratch/0",
        f"feedback/{UNKNOWN}",
        f"feedback/{DRAFT}",
        f"shards/0123/.unfinished/{DRAFT}",
        f"artifacts/AudioExampleGen/examples/3/Split-train/{DRAFT}",
        "artifacts/ServingCheck/infra_blessing/3/.scratch/requests.npz",
        "artifacts/StatisticsGen/statistics/3/Split-train/beam-temp-x-0/y",
        f"history/{DRAFT}",
        f"index/{DRAFT}",
    )
    with claim(project):
        assert [file for file in kept if not file.exists()] == []
        assert [file for file in gone if file.exists()] == []
    assert not (root / ".scratch").exists()


def test_scratch_is_gone_whatever_happens_in_it(project: Project) -> None:
    directory = project.run_directory
    with pytest.raises(ZeroDivisionError), scratch_folder(directory) as folder:
        (folder / "clip").write_bytes(b"voice")
        _ = 1 // 0
    assert not directory.scratch.exists()
    assert not (directory.local / ".scratch").exists()
