"""What a workflow names is found on the disk as in an object store, and has the same names."""

import glob
from pathlib import Path

import pytest
from fake_store import FakeStore

from components.example_gen.patterns import common_root, matching_files, name_below, place_of
from components.example_gen.sources import list_utterances
from components.storage.location import Location, location_of, register_scheme
from schemas.errors import DataError
from schemas.workflow.data import Data

FILES = ["a.jsonl", "b/a.jsonl", "b/c/d.jsonl", "b/.hidden.jsonl", ".x/a.jsonl", "b/[1].jsonl"]
PATTERNS = ["*.jsonl", "*/*.jsonl", "**/*.jsonl", "b/[ac].jsonl", "b/?.jsonl", "**", ".x/*"]


@pytest.fixture
def store(tmp_path: Path) -> Location:
    register_scheme("fake", lambda: FakeStore(tmp_path / "objects"))
    return location_of("fake://bucket")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_globs_are_pythons(pattern: str, store: Location, tmp_path: Path) -> None:
    for name in FILES:
        for folder in (store / "set", location_of(tmp_path / "set")):
            (folder / name).put(b"")
    found = glob.glob(pattern, root_dir=tmp_path / "set", recursive=True)  # noqa: PTH207 - the oracle
    wanted = sorted(name for name in found if (tmp_path / "set" / name).is_file())
    for written in (f"set/{pattern}", f"./set//{pattern}", f"{tmp_path}/set/{pattern}"):
        files = matching_files("key", [written], tmp_path)
        assert [str(file) for file in files] == [str(tmp_path / "set" / name) for name in wanted]
    files = matching_files("key", [f"fake://bucket/set/{pattern}"], tmp_path)
    assert [str(file) for file in files] == [f"fake://bucket/set/{name}" for name in wanted]


def test_a_name_with_brackets_is_a_name_first(tmp_path: Path) -> None:
    (tmp_path / "[1].jsonl").write_bytes(b"")
    (tmp_path / "1.jsonl").write_bytes(b"")
    assert [file.name for file in matching_files("key", ["[1].jsonl"], tmp_path)] == ["[1].jsonl"]


def test_a_folder_with_brackets_is_a_folder_first(tmp_path: Path) -> None:
    for folder in ("takes [v2]", "takes v", "takes *?"):
        (tmp_path / folder / "x").mkdir(parents=True)
        (tmp_path / folder / "x" / "m.jsonl").write_bytes(b"")
    for pattern in ("takes [v2]/*/m.jsonl", "takes [v2]/x/m.jsonl", f"{tmp_path}/takes [v2]/**"):
        [found] = matching_files("key", [pattern], tmp_path)
        assert found.path == tmp_path / "takes [v2]" / "x" / "m.jsonl"
        assert str(common_root([pattern], tmp_path)).startswith(f"{tmp_path}/takes [v2]")
    assert len(matching_files("key", ["takes */x/m.jsonl"], tmp_path)) == 3


def test_the_common_root_is_what_all_name_without_wildcards(store: Location) -> None:
    here = Path("/data")
    for patterns, root in [
        (["m.jsonl"], "/data"),
        (["a/x/m.jsonl", "a/y/*.jsonl"], "/data/a"),
        (["a/*/m.jsonl", "ab/m.jsonl"], "/data"),
        (["/other/m.jsonl", "m.jsonl"], ""),
        (["fake://bucket/a/{SPAN}/m.jsonl", "fake://bucket/b/m.jsonl"], "fake://bucket"),
    ]:
        assert str(common_root(patterns, here)).rstrip("/") == root
    mixed = ["fake://bucket/m.jsonl", "m.jsonl"]
    assert common_root(mixed, here) is None
    assert name_below(None, place_of(mixed[0], here)) == mixed[0]


def test_manifests_here_and_in_a_store_together(store: Location, tmp_path: Path) -> None:
    row = b'{"audio_filepath": "yes/1.wav", "label": "yes"}\n'
    for folder in (store / "set", location_of(tmp_path / "set")):
        (folder / "manifest.jsonl").put(row)
        (folder / "yes/1.wav").put(b"RIFF")
    data = Data(manifests=["set/manifest.jsonl", "fake://bucket/set/manifest.jsonl"])
    rows = list_utterances(data, tmp_path).utterances
    assert [row.path for row in rows] == [
        f"{tmp_path}/set/yes/1.wav",
        "fake://bucket/set/yes/1.wav",
    ]


def test_a_folder_of_a_store_is_listed_as_one_of_the_disk(store: Location, tmp_path: Path) -> None:
    for name in ("yes/1.wav", "no/1.mp3", "no/.hidden.wav", "no/notes.txt", "no/deep/1.wav", "R"):
        for folder in (store / "set", location_of(tmp_path / "set")):
            (folder / name).put(b"RIFF")
    here = list_utterances(Data(folder="set"), tmp_path)
    there = list_utterances(Data(folder="fake://bucket/set"), tmp_path)
    assert [row.id for row in there.utterances] == [row.id for row in here.utterances]
    assert there.rejects == here.rejects
    assert {reject.id for reject in here.rejects} == {"no/deep"}
    assert there.ignored == here.ignored == ("no/.hidden.wav", "no/notes.txt", "R")


def test_recordings_lie_where_they_may(store: Location, tmp_path: Path) -> None:
    for name in ("a/1.wav", "b/1.wav"):
        (store / name).put(b"RIFF")
    places = ["1.wav", "../b/1.wav", "fake://bucket/b/1.wav", "fake://bucket/a/1.wav", "gone.wav"]
    rows = [f'{{"audio_filepath": "{name}", "label": "x", "id": "{name}"}}\n' for name in places]
    (store / "a/manifest.jsonl").put("".join(rows).encode())
    listing = list_utterances(Data(manifests=f"{store}/a/manifest.jsonl"), tmp_path)
    assert [row.id for row in listing.utterances] == ["1.wav", *places[3:1:-1]]
    assert {reject.uri: reject.reason for reject in listing.rejects} == {
        "../b/1.wav": "outside",
        "gone.wav": "missing",
    }
    for root, ids in (
        (f"{store}/a", ["1.wav", places[3]]),
        ([f"{store}/b"], ["../b/1.wav", places[2]]),
        ([f"{store}/a", f"{store}/b"], places[:4]),
        (str(store), places[:4]),
    ):
        data = Data(manifests=f"{store}/a/manifest.jsonl", root=root)
        assert sorted(row.id for row in list_utterances(data, tmp_path).utterances) == sorted(ids)


def test_a_scheme_that_nobody_knows_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere://"):
        list_utterances(Data(manifests="nowhere://bucket/manifest.jsonl"), tmp_path)
