"""Stamps of recordings: sorted lines, of which only a few are in memory."""

import json
from pathlib import Path

import pytest

from components.storage.location import location_of
from pipeline.runs import stamps
from pipeline.runs.stamps import (
    Stamps,
    are_same,
    differences,
    read_stamps,
    stamps_now,
    write_stamps,
)

NAMES = ["b/2.wav", "a/1.wav", "a/\udcff.wav", "ä.wav", 'q"\n.wav', "a/0.wav"]


def test_each_path_is_there_once_in_order(tmp_path: Path) -> None:
    given = [(name, str(number)) for number, name in enumerate(NAMES)]
    sorted_once = Stamps([("b/2.wav", "before"), *given])
    expected = sorted(given, key=lambda stamp: stamp[0].encode(errors="surrogateescape"))
    assert list(sorted_once) == list(sorted_once) == expected
    file = location_of(tmp_path / "stamps")
    write_stamps(sorted_once, file)
    assert list(read_stamps(file)) == expected
    assert are_same(read_stamps(file), sorted_once)
    assert not are_same(read_stamps(file), expected[:-1])
    assert not are_same(expected[1:], sorted_once)
    assert not are_same([*expected[:-1], (expected[-1][0], "changed")], sorted_once)


def test_what_is_new_changed_and_gone_is_counted() -> None:
    before = dict.fromkeys(NAMES[:5], "1") | {"gone": "1"}
    now = dict.fromkeys(NAMES, "1") | {NAMES[1]: "2"}
    assert differences(Stamps(before.items()), Stamps(now.items())) == (2, 1)
    assert differences(Stamps([]), Stamps(now.items())) == (len(now), 0)
    assert differences(Stamps(now.items()), Stamps([])) == (0, len(now))


def test_what_was_written_as_one_object_is_read(tmp_path: Path) -> None:
    (tmp_path / "stamps").write_text(json.dumps({"b": "1", "a": "2"}))
    assert list(read_stamps(location_of(tmp_path / "stamps"))) == [("a", "2"), ("b", "1")]


@pytest.mark.parametrize("content", ["[", '["a", "1"]\n["b"]', "7", '["a", 1, 2]', '"ab'])
def test_what_is_damaged_is_no_stamp(tmp_path: Path, content: str) -> None:
    (tmp_path / "stamps").write_text(content)
    with pytest.raises(ValueError):
        list(read_stamps(location_of(tmp_path / "stamps")))


def test_few_at_a_time_but_a_folder_at_once(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "_AT_ONCE", 2)
    here = [tmp_path / folder / f"{number}.wav" for folder in "ab" for number in range(3)]
    there = [location_of(bucket) / "a" / f"{number}.wav" for number in range(5)]
    for place in map(location_of, (*here, *there)):
        place.put(b"x")
    parts: list[list[str]] = []
    ask = stamps.stamp_files
    monkeypatch.setattr(stamps, "stamp_files", lambda part: parts.append([*part]) or ask(part))
    paths = sorted(map(str, (*here, *there, tmp_path / "gone.wav")))
    found = dict(stamps_now(paths))
    monkeypatch.undo()
    assert found == dict(ask(paths))
    assert found.keys() == set(paths) - {str(tmp_path / "gone.wav")}
    assert [*map(len, parts)] == [3, 3, 6]
