"""What is ingested from object stores is what is ingested from the disk, and asked for once."""

import json
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from emulators import Emulators

from components.example_gen.index_writer import write_index
from components.example_gen.sources import list_utterances
from components.example_gen.transforms import IngestUtterances, Places
from components.storage.location import location_of
from schemas.errors import DataError
from schemas.example import decode_example
from schemas.tfrecord import read_records
from schemas.workflow.audio import Audio
from schemas.workflow.data import Data

AUDIO = Audio(sample_rate=8000, clip_s=0.5)


def ingest(data: Data, base: Path, out: Path) -> dict[str, dict[str, object]]:
    """The examples by id; the rejects by place, as they are."""
    index = write_index(list_utterances(data, base), data, out / "index")
    folders = [str(out / name) for name in ("examples", "rejects", "report", "shards")]
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        _ = pipeline | IngestUtterances(Places(index.uri, *folders), AUDIO)
    found = {}
    for file in sorted(out.glob("examples/Split-*/*")):
        for record in read_records(file):
            example = decode_example(record)
            found[str(example["id"])] = {**example, "split": file.parent.name}
    for line in (out / "rejects" / "rejects.jsonl").read_text().splitlines():
        reject = json.loads(line)
        found[f"reject {reject['id']}"] = reject
    return found


def put(recordings: Path, folder: str) -> None:
    for name, file in location_of(recordings).files():
        (location_of(folder) / name).put(file.read())


def test_a_store_gives_what_the_disk_gives(
    recordings: Path, data: Data, tmp_path: Path, bucket: str, stores: Emulators
) -> None:
    local = ingest(data, recordings, tmp_path / "here")
    put(recordings, f"{bucket}/a set")
    there = data.model_copy(update={"manifests": f"{bucket}/a set/{data.manifests}"})
    before = stores.requests(bucket)
    assert ingest(there, tmp_path, tmp_path / "there") == local
    asked = stores.requests(bucket) - before
    rows = list_utterances(there, tmp_path).utterances
    files, folders = {row.path for row in rows}, {row.path.rpartition("/")[0] for row in rows}
    # A read of each file; of each folder a page; the manifest found, and read; an example of how
    # objects are encrypted.
    assert sum(asked.values()) <= len(files) + len(folders) + 4, asked


def test_rows_are_mixed_freely(
    recordings: Path, data: Data, tmp_path: Path, stores: Emulators
) -> None:
    gs, s3 = (f"{stores.bucket(scheme)}/set" for scheme in ("gs", "s3"))
    for folder in (gs, s3):
        put(recordings, folder)
    manifest = recordings / str(data.manifests)
    rows = [json.loads(line) for line in manifest.read_text().splitlines()[:24]]
    for number, row in enumerate(rows):
        where = [str(recordings), gs, s3][number % 3]
        row["id"] = f"row {number}"
        row["audio_filepath"] = f"{where}/{row['audio_filepath']}"
    text = "".join(json.dumps(row) + "\n" for row in rows)
    manifest.write_text(text)
    (location_of(gs) / "mixed.jsonl").put(text.encode())
    here = ingest(data, recordings, tmp_path / "here")
    assert len(here) == 24
    assert {str(example["uri"]).partition("://")[0] for example in here.values()} > {"gs", "s3"}
    # The same rows in a store may name files of this machine where that is said to be right.
    update = {"manifests": f"{gs}/mixed.jsonl", "root": [str(recordings), gs, s3]}
    there = ingest(data.model_copy(update=update), tmp_path, tmp_path / "there")
    audio = {name: example["audio"] for name, example in here.items()}
    assert {name: example["audio"] for name, example in there.items()} == audio


def test_an_object_replaced_since_it_was_listed_ends_the_run(
    recordings: Path, data: Data, tmp_path: Path, bucket: str
) -> None:
    put(recordings, f"{bucket}/set")
    there = data.model_copy(update={"manifests": f"{bucket}/set/{data.manifests}"})
    listing = list_utterances(there, tmp_path)
    index = write_index(listing, there, tmp_path / "index")
    place = location_of(listing.utterances[0].path)
    place.put(place.read() + b"\0")
    folders = [str(tmp_path / name) for name in ("examples", "rejects", "report", "shards")]
    with (
        pytest.raises(Exception, match="changed since the run began"),
        beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline,
    ):
        _ = pipeline | IngestUtterances(Places(index.uri, *folders), AUDIO)


@pytest.mark.parametrize("written", ["m.jsonl", "*/m.jsonl", "{SPAN}/m.jsonl", "a/b/c*.jsonl"])
@pytest.mark.parametrize("scheme", ["gs", "s3"])
@pytest.mark.usefixtures("stores")
def test_a_bucket_that_is_not_there_is_said(scheme: str, written: str, tmp_path: Path) -> None:
    bucket = f"{scheme}://no-such-bucket-of-auricle"
    for data in (Data(manifests=f"{bucket}/{written}"), Data(folder=f"{bucket}/{written}")):
        if data.folder and "*" in written:
            continue
        with pytest.raises(DataError, match=f"there is no bucket {bucket}"):
            list_utterances(data, tmp_path)


def test_rows_whose_bucket_is_not_there_or_forbidden_are_rejects(
    recordings: Path, tmp_path: Path, bucket: str, stores: Emulators
) -> None:
    (location_of(bucket) / "far.wav").put(b"RIFF")
    other = stores.bucket(bucket[:2])
    (location_of(other) / "far.wav").put(b"RIFF")
    stores.refuse(other, 403, "AccessDenied", "not yours")
    gone = f"{bucket[:2]}://no-such-bucket-of-auricle"
    rows = [{"audio_filepath": f"{place}/far.wav", "label": "x"} for place in (bucket, other, gone)]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    listing = list_utterances(Data(manifests="m.jsonl"), tmp_path)
    assert [row.path for row in listing.utterances] == [f"{bucket}/far.wav"]
    assert [reject.reason for reject in listing.rejects] == ["unreadable", "missing"]


def test_a_store_that_does_not_answer_ends_the_listing(
    tmp_path: Path, bucket: str, stores: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a run would learn from what happened to be listed."""
    place = location_of(f"{bucket}/far.wav")
    place.put(b"RIFF")
    (tmp_path / "m.jsonl").write_text(json.dumps({"audio_filepath": str(place), "label": "x"}))
    monkeypatch.setattr(type(place.storage), "waits_s", (0.0, 0.0))
    stores.refuse(bucket, 503, "SlowDown", "later")
    with pytest.raises(DataError, match="cannot be listed"):
        list_utterances(Data(manifests="m.jsonl"), tmp_path)
