import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from waiting import wait_until

from components.example_gen.files import link_or_copy
from components.example_gen.index_writer import write_index
from components.example_gen.shard_entry import Entry, Shard
from components.example_gen.shards import ShardStore, drop_records
from components.example_gen.sources import list_utterances
from components.example_gen.transforms import IngestUtterances, Places
from schemas.example import decode_example
from schemas.tfrecord import frame_record, read_records
from schemas.workflow.audio import Audio
from schemas.workflow.data import Data
from schemas.workflow.generated import Generated

AUDIO = Audio(sample_rate=8000, clip_s=0.5)
SHARD = Shard("train", 1, 4, start=0, length=0, rows=2, digest="d" * 32)
FIRST = frame_record(b"first")
OUTCOMES = [
    ([Entry("one", length=len(FIRST), seconds=0.5, pcm_sha256="aa")], FIRST),
    ([Entry("two", reason="silent", detail="nothing\nabove -70 dBFS")], b""),
]


def _moved(**changes):
    return Shard(**{**SHARD.__dict__, **changes})


@pytest.fixture
def store(tmp_path):
    return ShardStore(str(tmp_path / "shards"), "settings")


def test_a_stored_shard_is_found_whole(store):
    assert store.find(SHARD) is None
    stored = store.write(SHARD, OUTCOMES)
    assert store.find(SHARD) == stored
    assert list(read_records(stored.data_uri)) == [b"first"]
    assert [entry.is_reject for entry in stored.entries] == [False, True]
    assert stored.entries[1].detail == "nothing\nabove -70 dBFS"


def test_other_rows_or_settings_are_another_shard(store, tmp_path):
    store.write(SHARD, OUTCOMES)
    assert store.find(_moved(digest="e" * 32)) is None
    assert ShardStore(str(tmp_path / "shards"), "others").find(SHARD) is None


@pytest.mark.parametrize("suffix", [".tfrecord", ".jsonl"])
@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_a_damaged_shard_is_not_believed(store, tmp_path, suffix, change):
    store.write(SHARD, OUTCOMES)
    [path] = (tmp_path / "shards").glob(f"*{suffix}")
    content = bytearray(path.read_bytes())
    if change == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes(content[:-1] if change == "cut" else content)
    if change == "remove":
        path.unlink()
    assert store.find(SHARD) is None
    with store.earlier(SHARD) as earlier:
        known = [key for key in ("one", "two") if key in earlier]
        taken = list(earlier.take(known))
    assert [records for entries, records in taken if entries[0].key == "one"] in ([], [None])


def test_a_damaged_record_costs_itself_only(store):
    records = [frame_record(b"%d" % number * 9000) for number in range(300)]
    entries = [Entry(str(n), length=len(record)) for n, record in enumerate(records)]
    stored = store.write(SHARD, [([e], r) for e, r in zip(entries, records, strict=True)])
    with Path(stored.data_uri).open("r+b") as file:
        file.seek(stored.entries[150].start + 20)
        file.write(b"?")
    asked = [str(number) for number in range(300) if number != 40]
    with store.earlier(SHARD) as earlier:
        taken = list(earlier.take(asked))
        assert earlier.taken == 298
    assert [entry.key for block, _ in taken for entry in block] == asked
    assert [block[0].key for block, found in taken if found is None] == ["150"]
    left = [record for number, record in enumerate(records) if number not in (40, 150)]
    assert b"".join(found for _, found in taken if found is not None) == b"".join(left)


def test_records_that_changed_places_are_not_believed(store):
    """Each is whole, and of the same length."""
    records = [frame_record(b"first"), frame_record(b"other")]
    stored = store.write(SHARD, [([Entry(r.hex(), length=len(r))], r) for r in records])
    assert store.find(SHARD)
    Path(stored.data_uri).write_bytes(b"".join(records[::-1]))
    assert store.find(SHARD) is None


def test_records_are_found_wherever_the_rows_may_have_been(store):
    store.write(SHARD, OUTCOMES)
    with store.earlier(_moved(number=2, of=9, digest="e" * 32)) as earlier:  # 0.22 to 0.33
        assert list(earlier.take(["two", "one"])) == [(store.find(SHARD).entries[::-1], FIRST)]
        assert list(earlier.take(["two"])) == [(store.find(SHARD).entries[1:], b"")]
        assert "three" not in earlier
        assert earlier.taken == 3
    with store.earlier(_moved(number=0, digest="e" * 32)) as earlier:  # 0 to 0.25
        assert "one" not in earlier


def test_only_the_shards_of_the_last_ingest_are_kept(store, tmp_path):
    store.write(SHARD, OUTCOMES)
    newer = _moved(digest="e" * 32)
    store.write(newer, OUTCOMES)
    ShardStore(str(tmp_path / "shards"), "others").write(SHARD, OUTCOMES)
    store.keep_only([newer])
    assert store.find(newer)
    assert len(list((tmp_path / "shards").rglob("*"))) == 2


@pytest.mark.parametrize("has_links", [True, False])
def test_an_artifact_shares_the_file_where_it_can(tmp_path, monkeypatch, has_links):
    def refuse(source, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    source = tmp_path / "stored"
    source.write_bytes(b"records")
    for _ in range(2):  # a retry replaces what is there
        link_or_copy(str(source), str(tmp_path / "Split-train"), "data")
    target = tmp_path / "Split-train" / "data"
    assert target.read_bytes() == b"records"
    assert target.samefile(source) == has_links
    assert len(list(tmp_path.rglob("*"))) == 3


def _has_ada(record):
    return decode_example(record)["speaker"] == "ada"


def test_records_are_dropped_and_the_rest_is_reused(recordings, data, write_manifest, tmp_path):
    before = _ingest(data, recordings, tmp_path / "first", tmp_path / "shards")[1]
    [index] = (tmp_path / "first").glob("index-*")
    rows = [json.loads(line) for line in index.read_text().splitlines()[1:]]
    keys = {row["key"] for row in rows if row.get("speaker") == "ada"}
    assert drop_records(str(tmp_path / "shards"), _has_ada, frozenset(keys)) == 9
    shards = (tmp_path / "shards").glob("*.tfrecord")
    assert not any(_has_ada(record) for shard in shards for record in read_records(shard))
    assert drop_records(str(tmp_path / "shards"), _has_ada, frozenset(keys)) == 0
    kept = [
        row
        for row in map(json.loads, (recordings / "manifest.jsonl").read_text().splitlines())
        if row.get("speaker") != "ada"
    ]
    write_manifest(recordings, kept)
    reused, files = _ingest(data, recordings, tmp_path / "second", tmp_path / "shards")
    assert reused == 18
    assert files == _ingest(data, recordings, tmp_path / "fresh", tmp_path / "elsewhere")[1]
    assert _bytes(tmp_path / "first") == before  # though they were the same files
    write_manifest(recordings, [*kept, *[row for row in _ada_rows() if row not in kept]])
    assert _ingest(data, recordings, tmp_path / "third", tmp_path / "shards")[0] == 18


def _ada_rows():
    return [
        {"audio_filepath": f"clips/{label}/ada-{take}.wav", "label": label, "speaker": "ada"}
        for label in ("no", "yes")
        for take in range(3)
    ]


def test_a_damaged_shard_is_deleted_when_records_are_dropped(store, tmp_path):
    store.write(SHARD, OUTCOMES)
    [path] = (tmp_path / "shards").glob("*.tfrecord")
    path.write_bytes(path.read_bytes()[:-1])
    (tmp_path / "shards" / ".unfinished").mkdir(exist_ok=True)
    assert drop_records(str(tmp_path / "shards"), lambda record: False) == 2
    assert list((tmp_path / "shards").rglob("*")) == []


def _ingest(data, base, out, store):
    """Rows reused, and the bytes of the examples."""
    ref = write_index(list_utterances(data, base), data, out)
    places = Places(ref.uri, *[str(out / n) for n in ("examples", "rejects", "report")], str(store))
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))
    _ = pipeline | IngestUtterances(places, AUDIO)
    result = pipeline.run()
    result.wait_until_finish()
    counters = {
        counter.key.metric.name: counter.committed
        for counter in result.metrics().query()["counters"]
    }
    return counters["utterances_reused"], _bytes(out)


def _bytes(out):
    files = [*out.glob("examples/*/*"), *out.glob("rejects/*"), *out.glob("report/*")]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_only_what_changed_is_made_again(recordings, data, write_manifest, tmp_path):
    rows = [
        json.loads(line) for line in (recordings / "manifest.jsonl").read_text().splitlines()[:27]
    ]
    write_manifest(recordings, rows[:20])
    assert _ingest(data, recordings, tmp_path / "first", tmp_path / "shards")[0] == 0
    write_manifest(recordings, rows)
    shutil.copyfile(recordings / rows[1]["audio_filepath"], recordings / rows[0]["audio_filepath"])
    reused, files = _ingest(data, recordings, tmp_path / "second", tmp_path / "shards")
    assert reused == 19
    assert files == _ingest(data, recordings, tmp_path / "fresh", tmp_path / "elsewhere")[1]
    reused, again = _ingest(data, recordings, tmp_path / "third", tmp_path / "shards")
    assert (reused, again) == (27, files)


def test_examples_of_the_last_ingest_outlive_the_next(recordings, data, write_manifest, tmp_path):
    before = _ingest(data, recordings, tmp_path / "first", tmp_path / "shards")[1]
    rows = [
        json.loads(line) for line in (recordings / "manifest.jsonl").read_text().splitlines()[:9]
    ]
    write_manifest(recordings, rows)
    _ingest(data, recordings, tmp_path / "second", tmp_path / "shards")
    assert _bytes(tmp_path / "first") == before


def test_a_mended_file_is_taken_in_alone(recordings, data, tmp_path):
    _ingest(data, recordings, tmp_path / "first", tmp_path / "shards")
    shutil.copyfile(recordings / "clips/no/ada-0.wav", recordings / "broken.wav")
    reused, files = _ingest(data, recordings, tmp_path / "second", tmp_path / "shards")
    assert reused == 26
    assert b"broken.wav" not in files["rejects/rejects.jsonl"]


def test_a_killed_ingest_continues_with_its_finished_shards(tmp_path):
    data = Data(generated=Generated(words=["no", "yes"], speakers=60, takes=12))
    ref = write_index(list_utterances(data, tmp_path), data, tmp_path)
    shards, killed = tmp_path / "shards", tmp_path / "killed"
    code = (
        "import sys, apache_beam as beam\n"
        "from apache_beam.options.pipeline_options import PipelineOptions\n"
        "from components.example_gen.transforms import IngestUtterances, Places\n"
        "from schemas.workflow.audio import Audio\n"
        "audio = Audio.model_validate_json(sys.argv[1])\n"
        "with beam.Pipeline(options=PipelineOptions(['--runner=FnApiRunner'])) as pipeline:\n"
        "    _ = pipeline | IngestUtterances(Places(*sys.argv[2:]), audio)\n"
    )
    places = [ref.uri, *[str(killed / n) for n in ("examples", "rejects", "report")], str(shards)]
    command = [sys.executable, "-W", "ignore", "-c", code, AUDIO.model_dump_json(), *places]
    with subprocess.Popen(command) as process:
        wait_until(lambda: list(shards.glob("*.jsonl")), process)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    reused, files = _ingest(data, tmp_path, tmp_path / "again", shards)
    assert 0 < reused < 1440
    assert files == _ingest(data, tmp_path, tmp_path / "fresh", tmp_path / "elsewhere")[1]
    assert not list(shards.glob(".unfinished/*"))
