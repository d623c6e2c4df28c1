"""Pushes are whole, verified, and take versions that only grow."""

import concurrent.futures
import threading
from pathlib import Path

import pytest

from components.digests import tree_digest
from components.pusher.executor import push_directory, pushed_versions


def make_model(folder: Path, content: str) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text(content * 1000)
    return folder


def test_versions_grow_and_hold_the_model(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    first = push_directory(make_model(tmp_path / "a", "a"), serving)
    second = push_directory(make_model(tmp_path / "b", "b"), serving)
    assert [first, second] == [serving / "1", serving / "2"]
    assert tree_digest(first) == tree_digest(tmp_path / "a")
    assert tree_digest(second) == tree_digest(tmp_path / "b")


def test_same_content_is_not_pushed_twice_in_a_row(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    model = make_model(tmp_path / "a", "a")
    assert push_directory(model, serving) == push_directory(model, serving)
    push_directory(make_model(tmp_path / "b", "b"), serving)
    assert push_directory(model, serving) == serving / "3"  # newest again


def test_a_text_beside_the_model_is_part_of_the_version(tmp_path: Path) -> None:
    serving, model = tmp_path / "serving", make_model(tmp_path / "a", "a")
    first = push_directory(model, serving, {"variables/card.md": "# été"})
    assert (first / "variables" / "card.md").read_text(encoding="utf-8") == "# été"
    assert push_directory(model, serving, {"variables/card.md": "# été"}) == first
    assert push_directory(model, serving, {"variables/card.md": "other"}) == serving / "2"
    assert not list(serving.glob(".incoming*"))


def test_versions_put_there_by_hand_are_kept(tmp_path: Path) -> None:
    (tmp_path / "serving" / "41").mkdir(parents=True)
    (tmp_path / "serving" / "notes").mkdir()
    assert push_directory(make_model(tmp_path / "a", "a"), tmp_path / "serving").name == "42"


def test_pushes_at_once_get_versions_of_their_own(tmp_path: Path) -> None:
    models = [make_model(tmp_path / f"m{i}", f"m{i}") for i in range(20)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        pushed = list(pool.map(lambda m: push_directory(m, tmp_path / "serving"), models))
    assert sorted(int(p.name) for p in pushed) == list(range(1, 21))
    assert [tree_digest(p) for p in pushed] == [tree_digest(m) for m in models]


def test_a_reader_never_sees_half_a_version(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    serving.mkdir()
    models = [make_model(tmp_path / f"m{i}", f"m{i}") for i in range(30)]
    whole = {tree_digest(model) for model in models}
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.update(tree_digest(version) for version in pushed_versions(serving))

    reader = threading.Thread(target=read)
    reader.start()
    for model in models:
        push_directory(model, serving)
    stop.set()
    reader.join()
    assert seen
    assert seen <= whole


def test_a_failed_push_leaves_nothing(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    model = make_model(tmp_path / "a", "a")
    (model / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError):
        push_directory(model, serving)
    assert list(serving.iterdir()) == []
