"""Cuts that lhotse made are heard as lhotse hears them: `tests/fixtures/lhotse/make_golden.py`."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components.audio.decode import AudioFile
from pipeline.datasets.importers import import_manifest
from schemas.errors import DataError

GOLDEN = Path(__file__).parents[3] / "fixtures" / "lhotse"
RATE = 8000
CUTS = (GOLDEN / "cuts.jsonl").read_text().splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The recordings: a sample of the first channel is its number, one of the second 16,000 less
    it.
    """
    folder = tmp_path_factory.mktemp("lhotse")
    up = np.arange(4 * RATE)
    both = np.stack([up, up - 16000], axis=1).astype(np.int16)
    for name, samples in (("call", both), ("mono", both[:, 0]), ("other", both[:, 1])):
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    return folder


def imported(folder, cuts):
    """What is written of these cuts, and how many supervisions are skipped."""
    (folder / "cuts.jsonl").write_text("\n".join(cuts))
    output = folder / "out.jsonl"
    try:
        found = import_manifest("lhotse", folder, output)
    except DataError:
        return [], None
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    return rows, sum(found.skipped.values())


def heard(folder, row):
    with AudioFile((folder / row["audio_filepath"]).read_bytes()) as file:
        samples = file.read(RATE, row["offset"], row["duration"], row.get("channel")).waveform
    first, last = (round(float(samples[at]) * 32768) for at in (0, -1))
    return {"samples": len(samples), "first": first, "last": last, "speaker": row["speaker"]}


def test_each_supervision_is_what_lhotse_hears(folder):
    golden = json.loads((GOLDEN / "heard.json").read_text())
    found, skipped = [], 0
    for cut in CUTS:  # one by one: a supervision that is whole in several cuts is one clip
        rows, left_out = imported(folder, [cut])
        found += [{"id": row["id"].partition("@")[0]} | heard(folder, row) for row in rows]
        skipped += count(json.loads(cut)) if left_out is None else left_out
    expected = [
        {key: said[key] for key in each} for said, each in zip(golden["heard"], found, strict=False)
    ]
    assert found == expected
    assert (len(found), skipped) == (len(golden["heard"]), golden["skipped"])


def count(cut):
    cuts = [track["cut"] for track in cut["tracks"]] if "tracks" in cut else [cut]
    return sum(len(each.get("supervisions", [])) for each in cuts)


def test_windows_of_a_supervision_are_clips_of_their_own(folder):
    windows = [cut for cut in CUTS if json.loads(cut)["id"].startswith("whole-")]
    rows, _ = imported(folder, windows)
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids))
    assert all("@whole-" in name for name in ids if name != "f")
