"""Rows that do not fit into memory are read, sorted, divided and listed as those that do."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.example_gen import row_file
from components.example_gen.row_file import RowFile, in_order, kept, picked
from components.example_gen.sources import Listing, list_utterances
from components.example_gen.splits import divide
from schemas.utterance import Seen, Utterance
from schemas.workflow.data import Cut, Data, Split

ROWS = [
    Utterance(
        f"{n}/é\udc80.wav",
        f"{n}.wav",
        "" if n % 3 else f"/a folder/{n}.wav",
        f"label {n % 5}",
        f"s{n % 7}",
        n / 3,
        None if n % 2 else n / 7,
        n % 4 or None,
        "train" if n % 11 == 0 else "",
        {"text": "ü", "take": n, "must_pass": n % 13 == 0, "snr": 0.1},
        Seen(n << 40, f"generation {n}", "crc") if n % 5 == 0 else None,
    )
    for n in range(1000)
]


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_file, "_MOST_IN_MEMORY", 7)
    monkeypatch.setattr(row_file, "_AT_ONCE", 5)


@pytest.mark.usefixtures("small_memory")
def test_rows_of_a_file_are_those_that_were_kept() -> None:
    rows = kept(iter(ROWS))
    assert isinstance(rows, RowFile)
    assert (list(rows), len(rows)) == (ROWS, 1000)
    assert list(rows) == ROWS  # again
    assert (rows[0], rows[-1], rows[500]) == (ROWS[0], ROWS[-1], ROWS[500])
    with pytest.raises(IndexError):
        rows[1000]
    assert list(rows[::7]) == ROWS[::7]
    assert list(rows[::7][-3:]) == ROWS[::7][-3:]
    numbers = np.array([5, 999, 0, 5])
    assert list(picked(rows, numbers)) == [ROWS[n] for n in numbers] == picked(ROWS, numbers)
    assert list(picked(picked(rows, numbers), np.array([1, 0]))) == [ROWS[999], ROWS[5]]
    assert kept(ROWS[:7]) == ROWS[:7]


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("count", [0, 1, 7, 8, 14, 1000])
def test_rows_are_sorted_as_lists_are(count: int) -> None:
    rows = random.Random(1).sample(ROWS, count)

    def key(row: Utterance) -> str:
        return row.target

    assert list(in_order(iter(rows), key)) == sorted(rows, key=key)  # equal ones as they came


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("split", [Split(), Split(folds=3), Split(test_speakers=["s1"])])
def test_rows_of_a_file_are_divided_as_those_of_a_list(split: Split) -> None:
    divided = divide(RowFile(ROWS), split)
    assert {name: list(rows) for name, rows in divided.items()} == divide(ROWS, split)
    assert sum(map(len, divided.values())) == len(ROWS)


def of_manifest(folder: Path) -> Data:
    with (folder / "m.jsonl").open("w") as file:
        for n in random.Random(2).sample(range(60), 60):
            (folder / f"{n}.wav").touch()
            row = {"audio_filepath": f"{n}.wav", "label": f"w{n % 3}", "speaker": f"s{n % 9}"}
            file.write(json.dumps(row | {"duration": 1.5}) + "\n")
            file.write(json.dumps(row | {"label": f"w{n % 4}", "offset": n % 2 * 1.0}) + "\n")
        file.write("no row\n" + json.dumps({"audio_filepath": "gone.wav", "label": "w1"}) + "\n")
    return Data(manifests="m.jsonl", labels=["w0", "w1", "w2"], cut=Cut())


def of_folder(folder: Path) -> Data:
    for n in range(60):
        place = folder / "clips" / f"w{n % 3}" / f"s{n % 9}_nohash_{n}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    (folder / "clips" / "testing_list.txt").write_text("w0/s0_nohash_0.wav\nw1/gone.wav\n")
    return Data(folder="clips")


@pytest.mark.parametrize("made", [of_manifest, of_folder])
def test_a_source_gives_the_same_rows_whatever_fits(
    made: Callable[[Path], Data], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = made(tmp_path)

    def listing() -> Listing:
        return list_utterances(data, tmp_path, is_forgotten=lambda speaker: speaker == "s4")

    few = listing()
    monkeypatch.setattr(row_file, "_MOST_IN_MEMORY", 7)
    many = listing()
    assert isinstance(many.utterances, RowFile)
    assert list(many.utterances) == few.utterances
    assert len(few.utterances) > 50
    for name in ("rejects", "forgotten", "ignored", "notes", "left_out"):
        assert getattr(many, name) == getattr(few, name)
