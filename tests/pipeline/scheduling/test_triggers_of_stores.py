"""What is new in a bucket is told by its listing: no recording is read, or asked for alone."""

from collections import Counter
from pathlib import Path

import pytest
from emulators import Emulators
from seen import NOW, add_span, finish_run, make_workflow

from components.storage.location import Location, location_of
from pipeline.scheduling.triggers import check_triggers
from pipeline.workspace.project import Project

CLIPS = 30


def of_manifests(base: Path, bucket: str) -> tuple[Project, Location]:
    add_span(base, 1, "ab" * (CLIPS // 2))
    return Project(
        make_workflow(data={"manifests": f"{bucket}/a set/data/{{SPAN}}/manifest.jsonl"}), base
    ), location_of(f"{bucket}/a set/data/1")


def of_folder(base: Path, bucket: str) -> tuple[Project, Location]:
    for number in range(CLIPS):
        clip = base / "data" / "ab"[number % 2] / f"{number}.wav"
        clip.parent.mkdir(parents=True, exist_ok=True)
        clip.write_bytes(b"RIFF%d" % number)
    return Project(make_workflow(data={"folder": f"{bucket}/a set/data"}), base), location_of(
        f"{bucket}/a set/data/a"
    )


@pytest.mark.parametrize("made", [of_manifests, of_folder])
def test_a_listing_tells_what_is_new(
    made: object, tmp_path: Path, bucket: str, stores: Emulators
) -> None:
    assert callable(made)
    project, folder = made(tmp_path, bucket)
    for name, file in location_of(tmp_path / "data").files():
        (location_of(f"{bucket}/a set/data") / name).put(file.read())
    finish_run(project)

    def ask() -> tuple[bool, str, Counter[str]]:
        before = stores.requests(bucket)
        news = check_triggers(project, NOW)
        return news.train, "; ".join(news.reasons), stores.requests(bucket) - before

    train, why, asked = ask()
    assert not train, why
    assert sum(asked.values()) < CLIPS / 3, asked
    (folder / "0.wav").put((folder / "0.wav").read())
    train, why, asked = ask()
    # Of another generation on gs://; s3:// stamps the same content alike.
    assert (train, "touched" in why) == (False, bucket.startswith("gs:")), why
    assert sum(asked.values()) < CLIPS * 2 / 3, asked
    assert not ask()[0]
    (folder / "0.wav").put(b"RIFF, another")
    (folder / "2.wav").delete()
    train, why, asked = ask()
    assert train
    assert "1 new or changed clips" in why
    assert "1 clips gone" in why
    assert sum(asked.values()) < CLIPS * 2 / 3, asked
