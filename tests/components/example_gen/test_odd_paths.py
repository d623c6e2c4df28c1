"""What cannot be a clip by its path or its numbers is a reject of its row, and ends nothing."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from unprivileged import permissions_count

from components.example_gen.label_folders import clip_stamps
from components.example_gen.sources import Listing, list_utterances
from components.storage.location import location_of
from schemas.errors import DataError
from schemas.workflow.data import Data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two labels with a clip each, and what is no clip beside the first."""
    for label in ("yes", "no"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.wav").write_bytes(b"RIFF")
    (tmp_path / "yes" / "circle.wav").symlink_to("circle.wav")
    (tmp_path / "yes" / "around").symlink_to("around")
    (tmp_path / "yes" / "nothing.wav").symlink_to("nowhere")
    (tmp_path / "yes" / "device.wav").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "yes" / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "yes" / "socket.wav"))
    return tmp_path


def listing(folder: Path, *rows: dict[str, Any] | str) -> Listing:
    """Of a good row, and these."""
    good = [{"audio_filepath": f"{label}/1.wav", "label": label} for label in ("yes", "no")]
    lines = [row if isinstance(row, str) else json.dumps(row) for row in [*good, *rows]]
    (folder / "m.jsonl").write_text("\n".join(lines))
    return list_utterances(Data(manifests="m.jsonl"), folder)


PATHS = {
    "x" * 300 + ".wav": "missing",
    "x" * 300 + "/1.wav": "missing",
    "a/" * 3000 + "1.wav": "bad_row",
    "a/" * 1000 + "1.wav": "missing",
    "yes/1.wav/1.wav": "missing",
    "yes/circle.wav": "missing",
    "yes/around/1.wav": "missing",
    "yes/nothing.wav": "missing",
    "yes/pipe.wav": "missing",
    "yes/socket.wav": "missing",
    "yes/device.wav": "missing",
    "/dev/zero": "outside",
    "yes": "missing",
    "yes/\0.wav": "bad_row",
    "yes\0/1.wav": "bad_row",
    "yes/\ud800.wav": "bad_row",
}


@pytest.mark.parametrize(("path", "reason"), PATHS.items(), ids=range(len(PATHS)))
def test_a_path_to_no_clip(path: str, reason: str, folder: Path) -> None:
    found = listing(folder, {"audio_filepath": path, "label": "yes"})
    assert [row.uri for row in found.utterances] == ["no/1.wav", "yes/1.wav"]
    [reject] = found.rejects
    assert reject.reason == reason
    assert reject.detail.startswith("m.jsonl:3: ")
    assert len(reject.detail) < 400


NUMBERS = ["1e400", "9" * 5000, "1e308", str(10**400), "-1", "NaN", "[" * 10**5, '{"a":' * 10**5]


@pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
@pytest.mark.parametrize("key", ["offset", "duration"])
def test_a_number_that_is_no_time(key: str, number: str, folder: Path) -> None:
    row = '{"audio_filepath": "yes/1.wav", "label": "yes", "id": "3", "KEY": NUMBER}'
    found = listing(folder, row.replace("KEY", key).replace("NUMBER", number))
    assert len(found.utterances) == 2
    assert [(each.reason, each.id) for each in found.rejects] == [("bad_row", "m.jsonl:3")]
    assert len(found.rejects[0].detail) < 400


TEXTS = ["9" * 400, "9" * 4200, '"' + "x" * 100_000 + '"', "1e999", "-1e999", "NaN"]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("key", ["label", "speaker", "id"])
def test_a_text_or_a_number_that_is_no_name(key: str, text: str, folder: Path) -> None:
    given = {"audio_filepath": '"yes/1.wav"', "label": '"yes"', "id": '"3"', key: text}
    written = ", ".join(f'"{name}": {value}' for name, value in given.items())
    found = listing(folder, f"{{{written}}}")
    if text == "9" * 400:  # somebody's number
        assert "bad_row" not in {each.reason for each in found.rejects}
        return
    assert len(found.utterances) == 2
    assert [(each.reason, each.id) for each in found.rejects] == [("bad_row", "m.jsonl:3")]
    assert len(found.rejects[0].detail) < 400


def test_many_labels_that_nobody_knows(folder: Path) -> None:
    began_s = time.process_time()
    rows = [{"audio_filepath": "yes/1.wav", "label": f"l{n}", "id": str(n)} for n in range(5000)]
    listing(folder, *rows)
    known = [f"word {n}" for n in range(40)]
    with pytest.raises(DataError, match="nearest: 'word"):
        list_utterances(Data(manifests="m.jsonl", labels=known), folder)
    found = list_utterances(Data(manifests="m.jsonl", labels=["yes", *known]), folder)
    assert sum(found.left_out.values()) == 5001
    assert time.process_time() - began_s < 5  # not a tenth of what 5,000 nearest labels take


def test_a_folder_that_nobody_may_look_into(folder: Path) -> None:
    (folder / "locked").mkdir()
    (folder / "locked" / "1.wav").write_bytes(b"RIFF")
    (folder / "locked").chmod(0)
    with permissions_count():
        found = listing(folder, {"audio_filepath": "locked/1.wav", "label": "yes"})
    assert [(each.reason, each.id) for each in found.rejects] == [("unreadable", "m.jsonl:3")]
    with permissions_count():
        found = list_utterances(Data(folder="."), folder)
        looked_at = [
            path for path, _ in clip_stamps(location_of(folder), None)
        ]  # as the schedule looks
    assert [row.uri for row in found.utterances] == ["no/1.wav", "yes/1.wav"]
    assert {each.id: each.reason for each in found.rejects if "lock" in each.id} == {
        "locked": "unreadable"
    }
    assert [path.removeprefix(f"{folder}/") for path in looked_at] == ["no/1.wav", "yes/1.wav"]


def test_in_a_folder_they_are_rejects_too(folder: Path) -> None:
    (folder / "up").symlink_to("nowhere")
    found = list_utterances(Data(folder="."), folder)
    assert [row.uri for row in found.utterances] == ["no/1.wav", "yes/1.wav"]
    names = ["around", "circle.wav", "device.wav", "nothing.wav", "pipe.wav", "socket.wav"]
    assert [(each.id, each.reason) for each in found.rejects] == [
        *((name, "missing") for name in ["up"]),
        *((f"yes/{name}", "missing") for name in names),
    ]


@pytest.mark.parametrize("written", ["x" * 300 + ".jsonl", "yes/around/m.jsonl", "a\0b.jsonl"])
def test_a_manifest_that_cannot_be_there(written: str, folder: Path) -> None:
    with pytest.raises(DataError, match=r"data\.manifests"):
        list_utterances(Data(manifests=written), folder)


def test_a_place_that_nobody_may_look_into(folder: Path) -> None:
    (folder / "locked").mkdir(mode=0)
    with permissions_count():
        for data in (Data(manifests="locked/m.jsonl"), Data(folder="locked")):
            with pytest.raises(DataError, match=r"data\.(manifests|folder).*Permission"):
                list_utterances(data, folder)
