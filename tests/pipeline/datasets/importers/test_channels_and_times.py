"""Channels and times of other toolkits' rows: as their toolkit means them, or skipped in words."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from pipeline.datasets.importers import Imported, import_manifest
from schemas.errors import DataError

Rows = list[dict[str, Any]]


def run(layout: str, source: Path) -> tuple[Imported, Rows]:
    """What an import says, and the rows that it wrote."""
    output = source / "manifests" / "out.jsonl"
    imported = import_manifest(layout, source, output)
    lines = output.read_text(encoding="utf-8").splitlines()
    assert len(lines) == imported.rows
    return imported, [json.loads(line) for line in lines]


def skipped(imported: Imported) -> int:
    return sum(imported.skipped.values())


def kaldi(folder: Path, **tables: str) -> tuple[Imported, dict[str, dict[str, Any]]]:
    """The rows of a Kaldi folder by id."""
    for name, text in tables.items():
        (folder / name.replace("wav_scp", "wav.scp")).write_text(text)
    imported, rows = run("kaldi", folder)
    return imported, {row["id"]: row for row in rows}


def lines_of(objects: Iterable[object]) -> str:
    return "".join(json.dumps(each) + "\n" for each in objects)


@pytest.mark.parametrize(
    ("words", "offset", "duration"),
    [
        ("0.5 1.25", 0.5, 0.75),
        ("0.5 -1", 0.5, None),
        ("0 -1.0", 0.0, None),
        ("1e-1\t.3", 0.1, 0.2),
    ],
)
def test_kaldi_times(tmp_path, words, offset, duration):
    imported, rows = kaldi(tmp_path, wav_scp="r a.wav\n", segments=f"u r {words}\n")
    assert skipped(imported) == 0
    assert (rows["u"]["offset"], rows["u"].get("duration")) == (offset, duration)


@pytest.mark.parametrize(
    "words", ["-0.5 1", "1 0.5", "1 1", "0.5 -2", "nan 1", "0 nan", "0 inf", "0", "", "0 1 0 0",
              "0 1 -1", "0 1 A", "0 1 0.5", "0 1e999"]
)  # fmt: skip
def test_kaldi_times_that_cannot_be(tmp_path, words):
    segments = f"u r {words}\ngood r 0 1\n"
    imported, rows = kaldi(tmp_path, wav_scp="r a.wav\n", segments=segments)
    assert (list(rows), skipped(imported)) == (["good"], 1)


def test_kaldi_channels_are_the_fifth_word(tmp_path):
    segments = "a call 0 1 0\nb call 0 1 1\nc call 0 1\n"
    _, rows = kaldi(tmp_path, wav_scp="call a.wav\n", segments=segments)
    assert [rows[name].get("channel") for name in "abc"] == [0, 1, None]


def test_kaldi_channels_of_recordings_that_share_a_file(tmp_path):
    imported, rows = kaldi(
        tmp_path,
        wav_scp="c-A c.wav\nc-B c.wav\nd-B d.wav\ne-B e.wav\nf f.wav\ng g.wav\n",
        reco2file_and_channel="c-A c A\nc-B c B\nd-B d B\ne-B e 2\nf f Ab\n",
    )
    assert {name: row.get("channel") for name, row in rows.items()} == {
        "c-A": 0, "c-B": 1, "d-B": 1, "e-B": 1, "g": None,
    }  # fmt: skip
    assert skipped(imported) == 1


def test_a_kaldi_recording_that_was_cut_out_of_its_call_is_the_whole_of_its_file(tmp_path):
    soundfile.write(tmp_path / "mono.wav", np.zeros(80), 8000)
    soundfile.write(tmp_path / "call.wav", np.zeros((80, 2)), 8000)
    _, rows = kaldi(
        tmp_path,
        wav_scp="m-B mono.wav\nc-B call.wav\n",
        reco2file_and_channel="m-B m B\nc-B c B\n",
    )
    assert [rows[name]["channel"] for name in ("m-B", "c-B")] == [0, 1]


def test_kaldi_says_where_channels_differ(tmp_path):
    imported, rows = kaldi(
        tmp_path,
        wav_scp="c-A c.wav\nc-B c.wav\n",
        segments="u c-A 0 1 0\nv c-B 0 1 0\n",
        reco2file_and_channel="c-A c A\nc-B c B\n",
    )
    assert (list(rows), skipped(imported)) == (["u"], 1)


def test_kaldi_says_what_its_tables_lack_and_repeat(tmp_path):
    imported, rows = kaldi(
        tmp_path,
        wav_scp="u1 a.wav\nu2 b.wav\nu3 c.wav\nu4 d.wav\nu4 e.wav\nu5 x.ark:17\nu6\n",
        text="u1 yes\nu2 no\nu2 yes\nu3 no\nu3 no\nu9 yes\n",
        utt2spk="u1 ann\nu2 bob\nu3\n",
    )
    assert {name: row.get("label") for name, row in rows.items()} == {
        "u1": "yes", "u3": "no", "u4": None,
    }  # fmt: skip
    assert skipped(imported) == 4
    assert dict(imported.noted) == {
        "utt2spk says nothing of it": 5,
        "text says nothing of it": 4,
        "wav.scp does not have it": 1,
    }


def test_kaldi_speakers_of_either_table(tmp_path):
    tables = {"wav_scp": "u1 a.wav\nu2 b.wav\n", "spk2utt": "ann u1\nbob\tu2 u9\n"}
    imported, rows = kaldi(tmp_path, **tables)
    assert {name: row["speaker"] for name, row in rows.items()} == {"u1": "ann", "u2": "bob"}
    assert dict(imported.noted) == {"wav.scp does not have it": 1}


def test_kaldi_segments_that_are_lost_are_not_whole_recordings(tmp_path):
    with pytest.raises(DataError, match="no row"):
        kaldi(tmp_path, wav_scp="u1 a.wav\n", segments="")


@pytest.mark.parametrize(
    ("selector", "channel"),
    [(0, 0), (1, 1), ([1], 1), ("average", None), (None, None), ("1", 1), (2.0, 2)],
)
def test_nemo_channels(tmp_path, selector, channel):
    row = {"audio_filepath": "a.wav", "label": "yes", "channel_selector": selector}
    (tmp_path / "m.json").write_text(json.dumps(row))
    _, [found] = run("nemo", tmp_path)
    assert found.get("channel") == channel
    assert "channel_selector" not in found


@pytest.mark.parametrize(
    "values",
    [{"channel_selector": each} for each in ([0, 1], [], -1, 0.5, True, "left", {"a": 1}, [[0]])]
    + [{"offset": each} for each in (-1, float("nan"), float("inf"), "x", True, [1], 10**400)]
    + [{"duration": each} for each in (0, -1, float("nan"), "1 s", {})]
    + [{"label": ["a"]}, {"speaker": {}}, {"text": True}, {"label": "\ud800"}, {"label": "\u200b"}]
    + [
        {"command": "no"},
        {"audio_filepath": 1.5e999},
        {"audio_filepath": ["a.wav"]},
        {"x": "\ud800"},
    ],
)
def test_nemo_rows_that_cannot_be(tmp_path, values):
    good = {"audio_filepath": "a.wav", "label": "yes"}
    (tmp_path / "m.json").write_text(lines_of([good, good | values]))
    imported, rows = run("nemo", tmp_path)
    assert (len(rows), skipped(imported)) == (1, 1)
    assert imported.first_skipped[0].place == "m.json:2"


def test_nemo_numbers_are_text_zero_included(tmp_path):
    rows = [
        {"audio_filepath": "a.wav", "label": 0, "command": "", "speaker": 0, "id": 0},
        {"audio_filename": "b.wav", "command": 0, "speaker": 7, "text": 12, "id": "1"},
        {"audio_filepath": "s3://bucket/c.wav", "label": None, "command": 1.5},
    ]
    (tmp_path / "m.jsonl.gz").write_bytes(gzip.compress(lines_of(rows).encode("utf-16")))
    _, (first, second, third) = run("nemo", tmp_path)
    assert (first["label"], first["speaker"], first["id"]) == ("0", "0", "0")
    assert (second["label"], second["speaker"], second["text"]) == ("0", "7", "12")
    assert (third["label"], third["audio_filepath"]) == ("1.5", "s3://bucket/c.wav")


def recording(**more: Any) -> dict[str, Any]:
    source = {"type": "file", "channels": [0, 1], "source": "call.wav"}
    return {"id": "r", "sources": [source], "duration": 10.0, "sampling_rate": 8000} | more


def cut(*supervisions: dict[str, Any], **more: Any) -> dict[str, Any]:
    whole = {"start": 0.0, "duration": 1.0, "text": "yes"}
    return {
        "id": "c", "start": 2.0, "duration": 3.0, "channel": 1, "type": "MonoCut",
        "recording": recording(),
        "supervisions": [{"id": f"s{n}"} | whole | each for n, each in enumerate(supervisions)],
    } | more  # fmt: skip


def lhotse(folder: Path, *cuts: dict[str, Any]) -> tuple[Imported, Rows]:
    (folder / "cuts.jsonl").write_text(lines_of([cut({"id": "good"}, id="other"), *cuts]))
    imported, rows = run("lhotse", folder)
    assert rows[0]["id"] == "good"
    return imported, rows[1:]


TWO_FILES = [{"type": "file", "channels": [n], "source": f"{n}.wav"} for n in (0, 1)]


@pytest.mark.parametrize(
    ("given", "audio", "channel"),
    [
        (cut({}), "call.wav", 1),
        (cut({"channel": 0}, channel=[0, 1], type="MultiCut"), "call.wav", 0),
        (cut({"channel": [1]}, channel=[0, 1]), "call.wav", 1),
        (cut({"channel": [1, 0]}, channel=[0, 1]), "call.wav", None),
        (cut({}, recording=recording(sources=TWO_FILES)), "1.wav", 0),
        (cut({}, channel=5, recording=recording(sources=[
            {"type": "file", "channels": [3, 5], "source": "x.wav"}])), "x.wav", 1),
        (cut({}, channel=0, recording=recording(sources=TWO_FILES[:1])), "0.wav", 0),
        (cut({}, channel=None, recording=recording(sources=TWO_FILES[:1])), "0.wav", 0),
    ],
)  # fmt: skip
def test_lhotse_channels(tmp_path, given, audio, channel):
    _, [row] = lhotse(tmp_path, given)
    assert (row["audio_filepath"], row.get("channel")) == (f"../{audio}", channel)


@pytest.mark.parametrize(
    ("values", "offset", "duration", "name"),
    [
        ({"start": 0.5, "duration": 1}, 2.5, 1.0, "s0"),
        ({"start": -1, "duration": 1.5}, 2.0, 0.5, "s0@c"),
        ({"start": 2.5, "duration": 9}, 4.5, 0.5, "s0@c"),
        ({"start": -1, "duration": 9}, 2.0, 3.0, "s0@c"),
        ({"start": -0.0005, "duration": 3.001}, 2.0, 3.0, "s0"),
        ({"start": "0.5", "duration": "1"}, 2.5, 1.0, "s0"),
    ],
)
def test_lhotse_supervisions_end_with_their_cut(tmp_path, values, offset, duration, name):
    _, [row] = lhotse(tmp_path, cut(values))
    assert (row["offset"], row["duration"], row["id"]) == (offset, duration, name)


MONO = cut({"speaker": 0, "text": 0})
PADDING = {"type": "PaddingCut", "id": "p", "duration": 1.0, "sampling_rate": 8000}


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (cut({}, recording=recording(transforms=[{"name": name, "kwargs": {}}])), 1)
        for name in ("Speed", "Tempo", "Volume", "ReverbWithImpulseResponse", "New")
    ]
    + [(cut({}, {}, recording=recording(transforms=each)), 2) for each in ("x", {"a": 1}, [None])]
    + [(cut({}, channel=each), 1) for each in (2, -1, True, "left", {}, 0.5)]
    + [
        (cut({"channel": 0}), 1),
        (cut({}, channel=None), 1),
        (cut({"channel": [0, 1]}, channel=[0, 1], recording=recording(sources=TWO_FILES)), 1),
        (cut({}, recording=recording(sources=[{"type": "command", "source": "cat x"}])), 1),
        (cut({}, {}, recording=None), 2),
        (cut({}, start=-1), 1),
        (cut({}, start=float("nan")), 1),
        (cut({}, start=8.0), 1),
        (cut({}, duration=0), 1),
        (cut({"start": 3.0}), 1),
        (cut({"start": -1.0}), 1),
        (cut({"start": None}), 1),
        (cut({"duration": 0}), 1),
        (cut({"duration": -1}), 1),
        (cut({"duration": float("inf")}), 1),
        (cut({"text": ["a"]}), 1),
        (cut({"id": {}}), 1),
        (cut(), 1),
        (cut(supervisions="x"), 1),
        (cut(supervisions=["x", 1]), 2),
        (cut({}, type="MixedCut", tracks=[{"cut": MONO}, {"cut": MONO, "offset": 1}]), 2),
        (cut({}, type="MixedCut", tracks=[{"cut": MONO}], transforms=[{"name": "Reverb"}]), 1),
        (PADDING, 1),
        (cut({}, type="MixedCut", tracks=[None]), 1),
    ],
)
def test_lhotse_cuts_that_cannot_be(tmp_path, given, count):
    imported, rows = lhotse(tmp_path, given)
    assert (rows, skipped(imported)) == ([], count)


def test_a_lhotse_cut_that_is_only_padded_or_resampled_is_read(tmp_path):
    mixed = {"id": "m", "type": "MixedCut", "tracks": [{"cut": MONO}, {"cut": PADDING}]}
    resampled = recording(transforms=[{"name": "Resample", "kwargs": {}}])
    imported, (first, second) = lhotse(tmp_path, mixed, cut({"id": "x"}, recording=resampled))
    assert (first["offset"], first["channel"], first["speaker"]) == (2.0, 1, "0")
    assert (first["text"], first["label"]) == ("0", "0")
    assert second["id"] == "x"
    assert sum(imported.noted.values()) == 1


def test_lhotse_supervisions_lie_in_their_recordings(tmp_path):
    recordings = [recording(id=1), recording(id="2"), recording(id="2", duration=3.0), {"id": []}]
    times = [(0, 1), (9.5, 0.5), (9.5, 1), (10, 1), (-1, 2), (-0.0005, 1)]
    supervisions: list[object] = [
        {"id": n, "recording_id": "1", "start": s, "duration": d, "channel": 1, "text": "a"}
        for n, (s, d) in enumerate(times)
    ]
    supervisions += [{"id": "x", "recording_id": each} for each in ("2", "3", ["1"], None)]
    (tmp_path / "recordings.jsonl").write_text(lines_of(recordings) + "{\n")
    (tmp_path / "supervisions.jsonl").write_text(lines_of([*supervisions, 7]))
    (tmp_path / "cuts.jsonl").write_text("")
    imported, rows = run("lhotse", tmp_path)
    found = [(row["id"], row["offset"], row["duration"], row["channel"]) for row in rows]
    assert found == [("0", 0.0, 1.0, 1), ("1", 9.5, 0.5, 1), ("5", 0.0, 0.9995, 1)]
    assert skipped(imported) == 3 + 4 + 1 + 2
    assert sum(imported.noted.values()) == 1


def test_ids_are_written_once(tmp_path):
    imported, rows = lhotse(tmp_path, cut({}), cut({}, start=4.0), cut({}, id=None, start=4.5))
    assert ([row["id"] for row in rows], skipped(imported)) == (["s0"], 2)
