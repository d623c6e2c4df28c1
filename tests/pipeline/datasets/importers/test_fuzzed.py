"""Importers and the manifest reader on damaged input: never a fault, and no row without a word.

The rows of the damaged input are counted here by other means, and lines that the damage left as
they were have to come out whole. `AURICLE_FUZZ_INPUTS` is the number of inputs of each kind.
"""

import gzip
import json
import os
import random
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mutations import mutate

from components.example_gen.sources import list_utterances
from pipeline.datasets.importers import import_manifest
from schemas.errors import DataError
from schemas.workflow.data import Data

INPUTS = int(os.environ.get("AURICLE_FUZZ_INPUTS", "60"))
WORDS = ("yes", "no", "f\u00fcnf", "\u0645\u0631\u062d\u0628\u0627", "0", "go on")
NUMBERS = range(1, 7)
Rows = dict[str, dict[str, Any]]


def as_json(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def nemo_rows(label: str = "command", channel: str = "channel_selector") -> list[dict[str, Any]]:
    return [
        {"audio_filepath": f"{n}.wav", "offset": n / 2, "duration": 1.5, label: WORDS[n - 1],
         "speaker": f"s{n % 3}", channel: n % 2, "id": f"u{n}"}
        for n in NUMBERS
    ]  # fmt: skip


def cuts() -> list[dict[str, Any]]:
    source = {"type": "file", "channels": [0, 1], "source": "call.wav"}
    recording = {"id": "r", "sources": [source], "duration": 60.0, "channel_ids": [0, 1]}
    return [
        {"id": f"c{n}", "start": float(n), "duration": 2.0, "channel": n % 2, "type": "MonoCut",
         "recording": recording, "supervisions": [
             {"id": f"u{n}", "start": 0.5, "duration": 1.0, "channel": n % 2,
              "text": WORDS[n - 1], "speaker": f"s{n % 3}"}]}
        for n in NUMBERS
    ]  # fmt: skip


def lhotse_parts() -> dict[str, bytes]:
    supervisions = [
        cut["supervisions"][0] | {"recording_id": "r", "start": cut["start"] + 0.5}
        for cut in cuts()
    ]
    return {"supervisions.jsonl": as_json(supervisions),
            "recordings.jsonl": as_json([cuts()[0]["recording"]])}  # fmt: skip


def table(rows: list[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


COMMON_VOICE = table(
    ["client_id\tpath\tsentence\tsegment"]
    + [f"s{n % 3}\tu{n}\t{WORDS[n - 1]}\tSingleword" for n in NUMBERS]
)
KALDI = {
    "segments": table([f"u{n} call {n} {n + 1.5} {n % 2}" for n in NUMBERS]),
    "wav.scp": table(["call call.wav", "other x.wav"]),
    "text": table([f"u{n} {WORDS[n - 1]}" for n in NUMBERS]),
    "utt2spk": table([f"u{n} s{n % 3}" for n in NUMBERS]),
}
LIBRI = {
    "84/121/84-121.trans.txt": table([f"u{n} {WORDS[n - 1]}" for n in NUMBERS]),
    "SPEAKERS.TXT": table(["; ID | SEX", "84 | F | dev | 8 | A"]),
}


def lines_of(data: bytes) -> list[str] | None:
    """The lines that say something; None of what is no text."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return None
    marks = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16",
             b"\xfe\xff": "utf-16"}  # fmt: skip
    encoding = next((name for mark, name in marks.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    lines = [line.lstrip("\ufeff") for line in re.split("\r\n|\r|\n", text)]
    return None if "\0" in text else [line for line in lines if line.strip()]


def intact(before: bytes, after: bytes, key: Callable[[str], str]) -> set[str]:
    """Keys of the lines that are as they were, and whose key no other line has."""
    lines = lines_of(after) or []
    counts = Counter(map(key, lines))
    return {
        key(line) for line in set(lines_of(before) or []) & set(lines) if counts[key(line)] == 1
    }


def first_word(line: str) -> str:
    return (line.split() or [""])[0]


def second_cell(line: str) -> str:
    return [*line.split("\t"), ""][1]


def last_cell(line: str) -> str:
    return re.split("[,\t]", line)[-1].strip()


def json_id(line: str) -> str:
    try:
        row = json.loads(line)
        while "supervisions" in row:
            row = row["supervisions"][0]
        return str(row["id"]).strip()
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""


def count_cuts(lines: list[str]) -> int:
    """Supervisions, and lines without any."""
    total = 0
    for line in lines:
        try:
            cut = json.loads(line, object_pairs_hook=_once)
            found = [each for inner in _inner(cut) for each in _listed(inner.get("supervisions"))]
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            found = []
        total += max(1, len(found))
    return total


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def _inner(cut: dict[str, Any]) -> list[dict[str, Any]]:
    return [track["cut"] for track in cut["tracks"]] if cut.get("tracks") else [cut]


def _listed(value: object) -> list[Any]:
    if value is None or (isinstance(value, str) and not value.strip()):
        return []
    if not isinstance(value, list):
        raise TypeError
    return value


class Source(NamedTuple):
    """A layout, its files, the one of them whose rows are counted, and what a line of it is of."""

    layout: str
    files: dict[str, bytes]
    counted: str
    key: Callable[[str], str]


SOURCES = {
    "nemo": Source("nemo", {"m.json": as_json(nemo_rows())}, "m.json", json_id),
    "cuts": Source("lhotse", {"cuts.jsonl": as_json(cuts())}, "cuts.jsonl", json_id),
    "supervisions": Source("lhotse", lhotse_parts(), "supervisions.jsonl", json_id),
    "commonvoice": Source(
        "commonvoice", {"validated.tsv": COMMON_VOICE}, "validated.tsv", second_cell
    ),
    "kaldi": Source("kaldi", KALDI, "segments", first_word),
    "librispeech": Source("librispeech", LIBRI, "84/121/84-121.trans.txt", first_word),
}


def inputs(name: str) -> Iterator[random.Random]:
    for number in range(INPUTS):
        yield random.Random(f"{name} {number}")


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def imported_rows(layout: str, source: Path, output: Path) -> tuple[int, int, Rows] | None:
    """Rows, rows skipped, and rows by id; None where the source is refused in words."""
    output.unlink(missing_ok=True)
    try:
        imported = import_manifest(layout, source, output)
    except DataError as error:
        assert source.name in str(error)
        assert not output.exists()
        return None
    rows = [json.loads(line) for line in output.read_text("utf-8").split("\n") if line]
    assert len(rows) == imported.rows
    by_id = {row["id"]: row for row in rows if "id" in row}
    assert len(by_id) == sum("id" in row for row in rows)
    return imported.rows, sum(imported.skipped.values()), by_id


def facts(row: dict[str, Any]) -> tuple[object, ...]:
    keys = ("label", "text", "speaker", "offset", "duration", "channel", "split")
    return tuple(row.get(key) for key in keys)


@pytest.mark.parametrize("name", SOURCES)
def test_importers_say_what_they_leave_out(tmp_path: Path, name: str) -> None:
    layout, files, counted, key = SOURCES[name]
    output = tmp_path / "out.jsonl"
    source = written(tmp_path / "source", files)
    whole = imported_rows(layout, source, output)
    assert whole is not None and whole[:2] == (len(NUMBERS), 0)
    for rng in inputs(name):
        damaged = rng.choice(list(files))
        content = mutate(rng, files[damaged])
        written(source, files | {damaged: content})
        found = imported_rows(layout, source, output)
        if found is None:
            continue
        rows, skipped, by_id = found
        lines = lines_of(content)
        assert lines is not None, "what is no text is refused"
        _check_count(name, damaged, lines, counted, rows + skipped)
        if damaged == counted and has_header(name, files[damaged], lines):
            for each in intact(files[damaged], content, key) & whole[2].keys():
                assert facts(by_id[each]) == facts(whole[2][each])


def has_header(name: str, before: bytes, lines: list[str]) -> bool:
    """Whether the columns, if there are any, are those that were there before."""
    has_columns = name.endswith(("commonvoice", ".csv", ".tsv"))
    return not has_columns or lines[:1] == (lines_of(before) or [])[:1]


def _check_count(name: str, damaged: str, lines: list[str], counted: str, total: int) -> None:
    if damaged != counted:
        broken = _broken_recordings(lines) if damaged == "recordings.jsonl" else 0
        assert total == len(NUMBERS) + broken or damaged == "wav.scp"
    elif name == "cuts":
        assert total == count_cuts(lines)
    elif name == "commonvoice":
        assert total == sum(bool(line.strip("\t ")) for line in lines) - 1  # of the columns
    else:
        assert total == len(lines)


def _broken_recordings(lines: list[str]) -> int:
    """Lines that are no recording with a name."""
    broken = 0
    for line in lines:
        try:
            name = json.loads(line, object_pairs_hook=_once)["id"]
        except (ValueError, KeyError, TypeError, RecursionError):
            name = None
        is_name = isinstance(name, str) and name.strip() and "\0" not in name and name != "\ud800"
        is_number = isinstance(name, int | float) and not isinstance(name, bool)
        broken += not (is_name or (is_number and abs(name) < 1e300))
    return broken


MANIFESTS = {
    "m.jsonl": as_json(nemo_rows("label", "channel")),
    "m.csv": table(
        ["audio_filepath,label,speaker,offset,duration,channel,id"]
        + [f'{n}.wav,"{WORDS[n - 1]}",s{n % 3},{n / 2},1.5,{n % 2},u{n}' for n in NUMBERS]
    ),
    "m.tsv": table(
        ["audio_filepath\tlabel\tspeaker\toffset\tduration\tchannel\tid"]
        + [f"{n}.wav\t{WORDS[n - 1]}\ts{n % 3}\t{n / 2}\t1.5\t{n % 2}\tu{n}" for n in NUMBERS]
    ),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_each_row_of_a_manifest_becomes_a_clip_or_a_reject(tmp_path: Path, name: str) -> None:
    for n in NUMBERS:
        (tmp_path / f"{n}.wav").touch()
    place = tmp_path / name
    place.write_bytes(MANIFESTS[name])
    data = Data(manifests=name)
    whole = {row.id: row for row in list_utterances(data, tmp_path).utterances}
    assert len(whole) == len(NUMBERS)
    for rng in inputs(name):
        content = mutate(rng, MANIFESTS[name])
        place.write_bytes(content)
        try:
            listing = list_utterances(data, tmp_path)
        except DataError as error:
            assert name in str(error)
            continue
        lines = lines_of(content)
        if lines is None:
            continue  # a row that is no text is a reject of its own
        total = len(listing.utterances) + len(listing.rejects)
        if name == "m.jsonl":
            assert total == len(lines)
        elif b'"' not in content:
            separator = "," if name.endswith("csv") else "\t"
            assert total == sum(bool(line.strip(f" {separator}")) for line in lines) - 1
        if has_header(name, MANIFESTS[name], lines):
            rows = {row.id: row for row in listing.utterances}
            key = json_id if name == "m.jsonl" else last_cell
            for each in intact(MANIFESTS[name], content, key) & whole.keys():
                assert rows[each] == whole[each]


def test_clips_keep_the_split_that_an_intact_list_says(tmp_path: Path) -> None:
    clips = {f"f\u00fcnf/s{n}_nohash_0.wav": b"" for n in range(8)}
    names = sorted(clips)
    lists = {"testing_list.txt": table(names[:3]), "validation_list.txt": table(names[3:5])}
    output = tmp_path / "out.jsonl"
    for rng in inputs("speech_commands"):
        damaged = rng.choice(list(lists))
        content = mutate(rng, lists[damaged])
        source = written(tmp_path / "source", clips | lists | {damaged: content})
        found = imported_rows("speech_commands", source, output)
        if found is None:
            assert lines_of(content) is None
            continue
        rows, skipped, by_id = found
        assert rows + skipped == len(clips)
        other = lines_of(lists["validation_list.txt" if "test" in damaged else "testing_list.txt"])
        for name in intact(lists[damaged], content, str.strip) - set(other or []):
            assert by_id[name]["split"] == ("test" if "test" in damaged else "eval")
