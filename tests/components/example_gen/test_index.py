import io
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from waiting import wait_until

from components.example_gen.example_builder import ClipReader
from components.example_gen.index import read_index, read_rejects, read_rows
from components.example_gen.index_writer import shard_count, write_index
from components.example_gen.sources import Listing, list_utterances
from components.storage.digests import _SETTLED_NS
from schemas.errors import AuricleError
from schemas.utterance import Utterance
from schemas.workflow.audio import Audio
from schemas.workflow.data import Data, Split
from schemas.workflow.generated import Generated


def _index(folder, data, out, cache=None):
    return write_index(list_utterances(data, folder), data, out, cache)


def test_everything_is_in_the_index_once(recordings, data, tmp_path):
    listing = list_utterances(data, recordings)
    ref = write_index(listing, data, tmp_path / "out")
    assert ref.uri == str(tmp_path / "out" / f"index-{ref.digest[:16]}.jsonl")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [
        f"index-{ref.digest[:16]}.jsonl"
    ]
    with Path(ref.uri).open("rb") as file:
        index = read_index(file)
        rows = [row | {"split": s.split} for s in index.shards for row in read_rows(file, s)]
        rejects = list(read_rejects(file, index))
    assert rejects == listing.rejects
    assert (index.rows, index.bad_rows, index.split_by) == (27, 2, "named speakers")
    expected = {row.id: row for row in listing.utterances}
    assert sorted(expected) == sorted(row["id"] for row in rows)
    for row in rows:
        utterance = expected[row["id"]]
        assert (row["path"], row["uri"], row["label"], row["speaker"]) == (
            utterance.path, utterance.uri, utterance.target, utterance.speaker,
        )  # fmt: skip
        named = {"bob": "eval", "cyd": "test"}
        assert row["split"] == named.get(utterance.speaker, "train")
    for shard in index.shards:
        with Path(ref.uri).open("rb") as file:
            ids = [row["id"] for row in read_rows(file, shard)]
        assert ids == sorted(ids)
        assert len(ids) == shard.rows


def _manifest_edit(change):
    def edit(folder):
        manifest = folder / "manifest.jsonl"
        rows = [json.loads(line) for line in manifest.read_text().splitlines()]
        change(rows)
        manifest.write_text("\n".join(map(json.dumps, rows)))

    return edit


def _edit_same_size_same_time(folder):
    path = folder / "clips/no/ada-1.wav"
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-3] ^= 0x10
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace_by_another(folder):
    (folder / "clips/no/ada-2.wav").replace(folder / "clips/no/ada-1.wav")
    shutil.copy(folder / "clips/no/ada-1.wav", folder / "clips/no/ada-2.wav")


EDITS = {
    "same size, same time": _edit_same_size_same_time,
    "another file in its place": _replace_by_another,
    "label": _manifest_edit(lambda rows: rows[0].update(label="maybe")),
    "speaker": _manifest_edit(lambda rows: rows[0].update(speaker="eve")),
    "offset": _manifest_edit(lambda rows: rows[0].update(offset=0.1)),
    "duration": _manifest_edit(lambda rows: rows[0].update(duration=0.1)),
    "one row fewer": _manifest_edit(lambda rows: rows.pop(0)),
    "one bad row more": _manifest_edit(lambda rows: rows.append({})),
    "a missing file is there": lambda folder: (folder / "gone.wav").write_bytes(b"RIFF"),
    "a file is gone": lambda folder: (folder / "clips/no/ada-1.wav").unlink(),
}


@pytest.fixture(scope="module")
def settled(tmp_path_factory, write_recordings):
    """A copy of the recordings for each edit, old enough for the cache to trust their times."""
    original = tmp_path_factory.mktemp("original")
    write_recordings(original)
    folders = {edit: tmp_path_factory.mktemp("edit") / "recordings" for edit in EDITS}
    for folder in folders.values():
        shutil.copytree(original, folder)
    newest_ns = time.time_ns()
    wait_until(lambda: time.time_ns() - newest_ns > _SETTLED_NS)
    return folders


@pytest.mark.parametrize("edit", EDITS)
def test_digest_changes_with_content(settled, data, tmp_path, edit):
    cache = tmp_path / "digests.sqlite"
    before = _index(settled[edit], data, tmp_path / "out", cache)
    assert _index(settled[edit], data, tmp_path / "out", cache) == before
    EDITS[edit](settled[edit])
    assert _index(settled[edit], data, tmp_path / "out", cache).digest != before.digest


def test_digest_changes_with_the_split(recordings, data, tmp_path):
    before = _index(recordings, data, tmp_path)
    other = data.model_copy(update={"split": Split(eval_speakers=["cyd"], test_speakers=["bob"])})
    assert _index(recordings, other, tmp_path).digest != before.digest


@pytest.mark.parametrize("change", [{"seed": 2}, {"takes": 3}, {"snr_db": (0.0, 5.0)}])
def test_digest_changes_with_generated_speech(tmp_path, change):
    generated = Generated(words=["no", "yes"], speakers=5)
    other = generated.model_copy(update=change)
    refs = [_index(tmp_path, Data(generated=g), tmp_path) for g in (generated, other, generated)]
    assert refs[0] == refs[2] != refs[1]


def test_digest_does_not_change_with_place_time_or_order(
    tmp_path, data, write_recordings, write_manifest
):
    rows = write_recordings(tmp_path / "one", bad=False)
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    write_manifest(tmp_path / "two", rows[::-1])
    for path in (tmp_path / "two").rglob("*.wav"):
        os.utime(path, (1, 1))
    one, two = (_index(tmp_path / name, data, tmp_path / f"{name}-out") for name in ("one", "two"))
    assert one.digest == two.digest
    assert str(tmp_path / "two") in Path(two.uri).read_text()


def test_one_recordings_pieces_share_a_shard(tmp_path):
    rows = [
        Utterance(f"{r}@{n}", f"{r}.wav", "", "yes", offset_s=n)
        for r in range(100)
        for n in range(100)
    ]
    data = Data(folder="x", split=Split(eval=0.0, test=0.0))
    ref = write_index(Listing(rows, []), data, tmp_path)
    with Path(ref.uri).open("rb") as file:
        index = read_index(file)
        shards = [{row["uri"] for row in read_rows(file, shard)} for shard in index.shards]
    assert len(shards) == shard_count(10_000) == 16
    assert sum(map(len, shards)) == len(set.union(*shards)) == 100


def test_shards_grow_with_the_data_only():
    assert [shard_count(n) for n in (0, 1, 512, 513, 8192, 65536, 65537, 3_600_000)] == [
        0, 1, 1, 2, 16, 16, 17, 879,
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"[]\n", b"{}\n", b"text\n", b'{"format": 0}\n'])
def test_what_is_no_index_is_refused(content):
    with pytest.raises(AuricleError, match="index"):
        read_index(io.BytesIO(content))


def test_a_file_that_cannot_be_read_is_left_to_the_workers(recordings, data, tmp_path):
    listing = list_utterances(data, recordings)
    (recordings / "clips/no/ada-0.wav").unlink()
    ref = write_index(listing, data, tmp_path / "out")
    with Path(ref.uri).open("rb") as file:
        index = read_index(file)
        rows = [row for shard in index.shards for row in read_rows(file, shard)]
    assert [row["id"] for row in rows if not row["sha256"]] == ["clips/no/ada-0.wav"]


def test_a_worker_gets_the_channel_that_a_row_names(tmp_path):
    up = np.arange(8000)
    soundfile.write(tmp_path / "call.wav", np.stack([up, 3 * up], axis=1).astype(np.int16), 8000)
    named = {"audio_filepath": "call.wav", "label": "yes", "id": "call"}
    data = Data(manifests="m.jsonl", split=Split(eval=0.0, test=0.0))
    read = ClipReader(Audio(sample_rate=8000, clip_s=1.0, trim=False, normalize="none"))
    found = {}
    for channel in (0, 1, None):
        (tmp_path / "m.jsonl").write_text(json.dumps(named | {"channel": channel}))
        ref = _index(tmp_path, data, tmp_path / "out")
        with Path(ref.uri).open("rb") as file:
            [row] = [row for shard in read_index(file).shards for row in read_rows(file, shard)]
        example, _ = read.example(row)
        heard = np.frombuffer(example["audio"], "<i2")
        found[ref.digest, row["key"]] = channel
        np.testing.assert_array_equal(heard, {0: up, 1: 3 * up, None: 2 * up}[channel])
    assert len(found) == 3
