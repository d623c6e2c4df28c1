"""Spans by number and by date, the newest of them, and what is no span."""

from pathlib import Path

import pytest
from fake_store import FakeStore

from components.example_gen.patterns import matching_files
from components.example_gen.sources import list_utterances
from components.example_gen.spans import newest_spans
from components.storage.location import Location, location_of, register_scheme
from schemas.errors import DataError
from schemas.spans import why_no_spans
from schemas.workflow.data import Data


@pytest.fixture(params=["local", "fake"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    if request.param == "local":
        return location_of(tmp_path)
    register_scheme("fake", lambda: FakeStore(tmp_path / "objects"))
    return location_of("fake://bucket/data set")


def write_span(folder: Location, clip: str) -> None:
    (folder / clip).put(b"RIFF")
    row = f'{{"audio_filepath": "{clip}", "label": "yes"}}\n'
    (folder / "manifest.jsonl").put(row.encode())


def spans(folder: Location, pattern: str, window: int | None = None) -> list[str]:
    return [file.relative_to(folder) for file in newest_spans(folder, pattern, window)]


def test_numbers_are_numbers(folder: Location) -> None:
    for name in ("2", "10", "9", "x", "3b"):
        write_span(folder / "data" / name, "a.wav")
    (folder / "data" / "11" / "other").put(b"")  # without a manifest yet
    pattern = "data/{SPAN}/manifest.jsonl"
    found = spans(folder, pattern)
    assert found == [f"data/{number}/manifest.jsonl" for number in (2, 9, 10)]
    assert spans(folder, pattern, 2) == found[1:]
    assert spans(folder, pattern, 9) == found


def test_dates(folder: Location) -> None:
    for name in ("2026-02-01", "2025-12-31", "2026-1-1"):
        write_span(folder / name, "a.wav")
    found = spans(folder, "{YYYY}-{MM}-{DD}/manifest.jsonl")
    assert found == ["2025-12-31/manifest.jsonl", "2026-02-01/manifest.jsonl"]


def test_ids_stay_as_spans_come_and_go(folder: Location, tmp_path: Path) -> None:
    write_span(folder / "data" / "1", "a.wav")
    data = Data(manifests=f"{folder}/data/{{SPAN}}/manifest.jsonl", window=2)
    [first] = list_utterances(data, tmp_path).utterances
    assert first.id == "1/a.wav"
    for number in ("2", "3"):
        write_span(folder / "data" / number, "a.wav")
    ids = [row.id for row in list_utterances(data, tmp_path).utterances]
    assert ids == ["2/a.wav", "3/a.wav"]


def test_no_span_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        matching_files("data.manifests", ["data/{SPAN}/manifest.jsonl"], tmp_path)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("data/{SPAN}/m.jsonl", ""),
        ("data/{YYYY}/{MM}/{DD}/m.jsonl", ""),
        ("data/*/m.jsonl", ""),
        ("data/{SPAM}/m.jsonl", "{SPAM} in "),
        ("data/{SPAN}/{SPAN}.jsonl", "the same part twice"),
        ("data/{YYYY}/{MM}/m.jsonl", "{YYYY}, {MM} in "),
        ("data/{SPAN}/{YYYY}/m.jsonl", "{SPAN}, {YYYY} in "),
    ],
)
def test_patterns(pattern: str, why: str) -> None:
    assert why_no_spans(pattern).startswith(why)
    assert bool(why_no_spans(pattern)) == bool(why)
