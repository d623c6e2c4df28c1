"""Recordings that rows name by URI: mixed with those of this machine, listed and not asked for."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_store import FakeStore

from components.example_gen.index import read_index, read_rows
from components.example_gen.index_writer import write_index
from components.example_gen.sources import list_utterances
from components.storage.contents import digest_files, stamp_files
from components.storage.interface import Entry
from components.storage.location import Location, location_of, register_scheme
from schemas.errors import DataError
from schemas.workflow.conflicts import text_conflicts
from schemas.workflow.data import Data


class CountingStore(FakeStore):
    """Counts listings and questions for single objects."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.listings = 0
        self.questions = 0

    def list_files(self, folder: str) -> Iterator[Entry]:
        self.listings += 1
        yield from super().list_files(folder)

    def entry(self, name: str) -> Entry | None:
        self.questions += 1
        return super().entry(name)

    def digest(self, name: str) -> str:
        self.questions += 1
        return super().digest(name)


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    store = CountingStore(tmp_path / "objects")
    register_scheme("fake", lambda: store)
    return store


@pytest.fixture
def bucket(store: CountingStore) -> Location:
    return location_of("fake://bucket")


def manifest(place: Location, *written: str) -> None:
    rows = [{"audio_filepath": path, "label": f"w{n % 2}"} for n, path in enumerate(written)]
    place.put("".join(json.dumps(row) + "\n" for row in rows).encode())


def test_a_manifest_names_recordings_wherever_they_are(bucket: Location, tmp_path: Path) -> None:
    (tmp_path / "1.wav").write_bytes(b"RIFF")
    (bucket / "far/2.wav").put(b"RIFF")
    here = location_of(tmp_path / "m.jsonl")
    manifest(here, "1.wav", "fake://bucket/far/2.wav", "fake://bucket/far/3.wav", f"{tmp_path}/")
    listing = list_utterances(Data(manifests="m.jsonl"), tmp_path)
    assert [(row.id, row.path, row.seen is None) for row in listing.utterances] == [
        ("1.wav", f"{tmp_path}/1.wav", True),
        ("fake://bucket/far/2.wav", "fake://bucket/far/2.wav", False),
    ]
    assert [reject.reason for reject in listing.rejects] == ["missing", "missing"]


def test_a_row_of_a_store_may_not_name_a_file_of_this_machine(
    bucket: Location, tmp_path: Path
) -> None:
    (tmp_path / "1.wav").write_bytes(b"RIFF")
    (bucket / "2.wav").put(b"RIFF")
    manifest(bucket / "m.jsonl", f"{tmp_path}/1.wav", "2.wav")
    [reject] = list_utterances(Data(manifests="fake://bucket/m.jsonl"), tmp_path).rejects
    assert reject.reason == "outside"
    data = Data(manifests="fake://bucket/m.jsonl", root=[str(tmp_path), "fake://bucket"])
    assert list_utterances(data, tmp_path).rejects == []


@pytest.mark.parametrize(
    "name",
    ["a b.wav", "ä.wav", "100%.wav", "%41.wav", "a#1.wav", "why?.wav", "a+b&c.wav", "[x].wav"],
)
def test_odd_names_are_names(bucket: Location, tmp_path: Path, name: str) -> None:
    (bucket / "set" / "yes" / name).put(b"RIFF")
    (bucket / "set" / "yes" / "b.wav").put(b"RIFF")
    manifest(bucket / "set/m.jsonl", f"yes/{name}", f"fake://bucket/set/yes/{name}", "yes/b.wav")
    listing = list_utterances(Data(manifests="fake://bucket/set/m.jsonl"), tmp_path)
    assert sorted({row.path for row in listing.utterances}) == sorted(
        {f"fake://bucket/set/yes/{name}", "fake://bucket/set/yes/b.wav"}
    )
    for folder in ("fake://bucket/set", "fake://bucket/set/"):
        rows = list_utterances(Data(folder=folder), tmp_path).utterances
        assert sorted(row.id for row in rows) == sorted(["yes/b.wav", f"yes/{name}"])
        assert all(row.path == f"fake://bucket/set/{row.id}" for row in rows)


@pytest.mark.parametrize(
    ("written", "reason", "words"),
    [
        ("gs:/bucket/a.wav", "missing", "gs://bucket/a.wav"),
        ("s3:bucket/a.wav", "missing", "s3://bucket/a.wav"),
        ("nowhere://bucket/a.wav", "unsupported", "nowhere://"),
        ("fake://key:hushed@bucket/a.wav", "unsupported", "***"),
        ("fake://bucket/a.wav?X-Signature=hushed", "unsupported", "***"),
        ("fake://other/a.wav", "missing", "fake://other/a.wav"),
        ("fake://bucket", "missing", "fake://bucket"),
        ("fake://", "missing", "fake://"),
    ],
)
def test_a_uri_that_names_no_recording_costs_its_row(
    bucket: Location, tmp_path: Path, written: str, reason: str, words: str
) -> None:
    (tmp_path / "1.wav").write_bytes(b"RIFF")
    manifest(location_of(tmp_path / "m.jsonl"), written, "1.wav")
    listing = list_utterances(Data(manifests="m.jsonl"), tmp_path)
    assert [row.id for row in listing.utterances] == ["1.wav"]
    [reject] = listing.rejects
    assert (reject.reason, words in reject.detail) == (reason, True), reject
    assert "hushed" not in reject.model_dump_json()


@pytest.mark.parametrize("key", ["manifests", "folder", "root", "background"])
@pytest.mark.parametrize(
    "written", ["gs:/bucket/a", "s3:bucket", "S3://bucket", "gs:///b", "gs://"]
)
def test_a_mistyped_uri_is_said_before_anything_is_looked_for(key: str, written: str) -> None:
    for value in (written, ["a", written]):
        [conflict] = text_conflicts({"data": {key: value}})
        assert conflict.keys[0].startswith(f"data.{key}")
    assert not list(text_conflicts({"data": {key: "gs://bucket/a", "labels": ["gs:/a"]}}))


def test_what_a_listing_says_is_not_asked_for(store: CountingStore, tmp_path: Path) -> None:
    bucket = location_of("fake://bucket")
    names = [f"clips/{n}.wav" for n in range(20)]
    for name in names:
        (bucket / name).put(name.encode())
    manifest(bucket / "m.jsonl", *names)
    listing = list_utterances(Data(manifests="fake://bucket/m.jsonl"), tmp_path)
    store.questions = store.bytes_read = 0
    index = write_index(listing, Data(manifests="fake://bucket/m.jsonl"), tmp_path)
    assert store.questions == store.bytes_read == 0
    with Path(index.uri).open("rb") as file:
        rows = [row for shard in read_index(file).shards for row in read_rows(file, shard)]
    for row in rows:
        entry = location_of(row["path"]).entry()
        assert entry is not None
        assert row["sha256"] == entry.digest == location_of(row["path"]).digest()
        assert row["seen"] == [entry.size_bytes, entry.stamp, entry.digest]


def test_stamps_and_digests_of_a_folder_come_from_one_listing(store: CountingStore) -> None:
    names = [f"fake://bucket/a/{n}.wav" for n in range(9)]
    others = [f"fake://bucket/b/{n}.wav" for n in range(2)]
    for name in (*names, *others):
        location_of(name).put(name.encode())
    wanted = [*names, *others, "fake://bucket/a/gone.wav", "fake://bucket/b/gone.wav"]
    entries = {name: location_of(name).entry() for name in (*names, *others)}
    for look, kind in ((stamp_files, "stamp"), (digest_files, "digest")):
        store.listings = store.questions = 0
        found = dict(look(wanted))  # type: ignore[operator]
        assert {name: value for name, value in found.items() if value} == {
            name: getattr(entry, kind) for name, entry in entries.items()
        }
        assert (store.listings, store.questions) == (1, 3)


def test_few_files_of_a_large_folder_are_asked_for(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.storage.contents._PAGE", 2)
    names = [f"fake://bucket/a/{n:03d}.wav" for n in range(100)]
    for name in names:
        location_of(name).put(b"")
    assert sorted(dict(stamp_files(names[::20]))) == names[::20]
    assert store.questions == 4  # 000 was among the first ten of the listing


def test_a_changed_or_lost_object_gives_another_index(bucket: Location, tmp_path: Path) -> None:
    data = Data(manifests="fake://bucket/m.jsonl")
    manifest(bucket / "m.jsonl", "a.wav", "b.wav")
    for name in ("a.wav", "b.wav"):
        (bucket / name).put(b"RIFF")
    first = write_index(list_utterances(data, tmp_path), data, tmp_path)
    (bucket / "a.wav").put(b"RIFF")  # again, with the same content
    assert write_index(list_utterances(data, tmp_path), data, tmp_path) == first
    (bucket / "a.wav").put(b"RIFX")
    assert write_index(list_utterances(data, tmp_path), data, tmp_path).digest != first.digest
    (bucket / "a.wav").delete()
    (bucket / "b.wav").delete()
    with pytest.raises(DataError):
        list_utterances(data, tmp_path)
