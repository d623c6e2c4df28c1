"""Pushes are whole, verified, and take versions that only grow."""

import concurrent.futures
import os
import subprocess
import threading
from pathlib import Path

import pytest
from unprivileged import permissions_count

from components.versions.manifest import verify
from components.versions.serving import (
    check_serving,
    push_version,
    pushed_versions,
    remove_leftovers,
    remove_version,
    restore_version,
)
from schemas.errors import RunDirectoryError, VersionError
from schemas.versions import MANIFEST_FILE


def make_model(folder: Path, content: str) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text(content * 1000)
    return folder


def push(model: Path, serving: Path, *arguments: dict[str, str], min_version: int = 0) -> Path:
    return push_version(model, serving, "digits", *arguments, min_version=min_version).folder.path


def model_digest(version: Path) -> str:
    """By sha256sum, of all but the manifest."""
    done = subprocess.run(
        f"find . -type f ! -path ./{MANIFEST_FILE} | sort | xargs sha256sum",
        shell=True,
        cwd=version,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_versions_grow_and_hold_the_model(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    first = push(make_model(tmp_path / "a", "a"), serving)
    second = push(make_model(tmp_path / "b", "b"), serving)
    assert [first, second] == [serving / "1", serving / "2"]
    assert model_digest(first) == model_digest(tmp_path / "a")
    assert model_digest(second) == model_digest(tmp_path / "b")
    assert verify(first).parent is None
    assert verify(second).parent == 1


def test_same_content_is_not_pushed_twice_in_a_row(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    model = make_model(tmp_path / "a", "a")
    assert push(model, serving) == push(model, serving)
    push(make_model(tmp_path / "b", "b"), serving)
    assert push(model, serving) == serving / "3"  # newest again


def test_a_text_beside_the_model_is_part_of_the_version(tmp_path: Path) -> None:
    serving, model = tmp_path / "serving", make_model(tmp_path / "a", "a")
    first = push(model, serving, {"variables/card.md": "# été"})
    assert (first / "variables" / "card.md").read_text(encoding="utf-8") == "# été"
    assert push(model, serving, {"variables/card.md": "# été"}) == first
    assert push(model, serving, {"variables/card.md": "other"}) == serving / "2"
    assert not list(serving.glob(".incoming*"))


def test_versions_put_there_by_hand_are_kept(tmp_path: Path) -> None:
    (tmp_path / "serving" / "41").mkdir(parents=True)
    (tmp_path / "serving" / "notes").mkdir()
    assert push(make_model(tmp_path / "a", "a"), tmp_path / "serving").name == "42"


def test_pushes_at_once_get_versions_of_their_own(tmp_path: Path) -> None:
    models = [make_model(tmp_path / f"m{i}", f"m{i}") for i in range(20)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        pushed = list(pool.map(lambda m: push(m, tmp_path / "serving"), models))
    assert sorted(int(p.name) for p in pushed) == list(range(1, 21))
    assert [model_digest(p) for p in pushed] == [model_digest(m) for m in models]


def test_a_reader_never_sees_half_a_version(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    serving.mkdir()
    models = [make_model(tmp_path / f"m{i}", f"m{i}") for i in range(30)]
    failed: list[VersionError] = []
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            for version in pushed_versions(serving):
                try:
                    verify(version.folder)
                    seen.add(str(version.number))
                except VersionError as error:
                    failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for model in models:
        push(model, serving)
    stop.set()
    reader.join()
    assert not failed
    assert len(seen) > 1


def test_a_failed_push_leaves_nothing(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    model = make_model(tmp_path / "a", "a")
    (model / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError):
        push(model, serving)
    assert list(serving.iterdir()) == []


def test_versions_grow_past_removed_ones(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    remove_version(push(make_model(tmp_path / "a", "a"), serving))
    assert list(serving.iterdir()) == []
    assert push(make_model(tmp_path / "b", "b"), serving, min_version=1).name == "2"


def test_a_model_that_failed_is_not_pushed_again_whatever_is_written_about_it(
    tmp_path: Path,
) -> None:
    serving, model = tmp_path / "serving", make_model(tmp_path / "a", "a")
    (model / "assets.extra").mkdir()
    failed = verify(push(model, serving)).model_digest
    push(make_model(tmp_path / "b", "b"), serving)
    with pytest.raises(VersionError, match="too noisy"):
        push_version(
            model,
            serving,
            "digits",
            {"assets.extra/verdict.json": "another"},
            why_failed=lambda digest: "too noisy" if digest == failed else "",
        )
    assert [path.name for path in serving.iterdir()] in (["1", "2"], ["2", "1"])


def test_a_restored_version_holds_the_old_files_under_a_new_number(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    first = push(make_model(tmp_path / "a", "a"), serving)
    push(make_model(tmp_path / "b", "b"), serving)
    restored = restore_version(
        first, serving, content=1, min_version=2, withdraws=2, reason="worse"
    )
    third = restored.folder.path
    assert third.name == "3"
    assert model_digest(third) == model_digest(first)
    manifest = verify(third)
    assert (manifest.restores, manifest.withdraws, manifest.parent) == (1, 2, 2)


@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.index"])
def test_a_flipped_bit_is_found_and_not_restored(tmp_path: Path, file: str) -> None:
    serving = tmp_path / "serving"
    version = push(make_model(tmp_path / "a", "a"), serving)
    content = bytearray((version / file).read_bytes())
    content[-1] ^= 1
    (version / file).write_bytes(bytes(content))
    with pytest.raises(VersionError, match=f"changed: {file}"):
        verify(version)
    with pytest.raises(VersionError):
        restore_version(version, serving, content=1, min_version=1, withdraws=None, reason="")
    assert [path.name for path in serving.iterdir()] == ["1"]
    # What is damaged is not taken for the same.
    assert push(tmp_path / "a", serving).name == "2"


def test_missing_and_added_files_are_found(tmp_path: Path) -> None:
    version = push(make_model(tmp_path / "a", "a"), tmp_path / "serving")
    (version / "saved_model.pb").unlink()
    (version / "notes.txt").write_text("mine")
    with pytest.raises(VersionError, match=r"saved_model\.pb; .*notes\.txt"):
        verify(version)
    (version / MANIFEST_FILE).write_text("{")
    with pytest.raises(VersionError, match=MANIFEST_FILE):
        verify(version)


def test_what_a_killed_push_left_is_removed(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    push(make_model(tmp_path / "a", "a"), serving)
    make_model(serving / ".incoming-0", "half")
    make_model(serving / ".removed-0", "half")
    assert remove_leftovers(serving) == 2
    assert [path.name for path in serving.iterdir()] == ["1"]


def test_a_serving_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "serving").mkdir(mode=0o500)
    with permissions_count(), pytest.raises(RunDirectoryError, match=r"push\.directory"):
        check_serving(tmp_path / "serving")


def test_a_serving_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (
        lambda serving: check_serving(serving),
        lambda serving: push(make_model(tmp_path / "a", "a"), serving),
    ):
        with pytest.raises(RunDirectoryError, match="file/serving"):
            write(tmp_path / "file" / "serving")


def test_a_serving_directory_on_another_file_system(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no other file system at /dev/shm")
    serving = other / f"auricle-test-{os.getpid()}"
    try:
        assert verify(push(make_model(tmp_path / "a", "a"), serving))
    finally:
        remove_version(serving / "1")
        serving.rmdir()
