"""Spans by number and by date, the newest of them, and what is no span."""

from pathlib import Path

import pytest

from components.example_gen.sources import list_utterances
from components.example_gen.spans import span_manifests
from schemas.errors import DataError
from schemas.spans import why_no_spans
from schemas.workflow.data import Data


def write_span(folder: Path, clip: str) -> None:
    folder.mkdir(parents=True)
    (folder / clip).write_bytes(b"RIFF")
    (folder / "manifest.jsonl").write_text(f'{{"audio_filepath": "{clip}", "label": "yes"}}\n')


def test_numbers_are_numbers(tmp_path: Path) -> None:
    for name in ("2", "10", "9", "x", "3b"):
        write_span(tmp_path / "data" / name, "a.wav")
    (tmp_path / "data" / "11").mkdir()  # without a manifest yet
    pattern = "data/{SPAN}/manifest.jsonl"
    found = span_manifests(pattern, tmp_path, None)
    assert found == [f"data/{number}/manifest.jsonl" for number in (2, 9, 10)]
    assert span_manifests(pattern, tmp_path, 2) == found[1:]
    assert span_manifests(pattern, tmp_path, 9) == found


def test_dates(tmp_path: Path) -> None:
    for name in ("2026-02-01", "2025-12-31", "2026-1-1"):
        write_span(tmp_path / name, "a.wav")
    found = span_manifests("{YYYY}-{MM}-{DD}/manifest.jsonl", tmp_path, None)
    assert found == ["2025-12-31/manifest.jsonl", "2026-02-01/manifest.jsonl"]


def test_ids_stay_as_spans_come_and_go(tmp_path: Path) -> None:
    write_span(tmp_path / "data" / "1", "a.wav")
    data = Data(manifests="data/{SPAN}/manifest.jsonl", window=2)
    [first] = list_utterances(data, tmp_path).utterances
    assert first.id == "1/a.wav"
    for number in ("2", "3"):
        write_span(tmp_path / "data" / number, "a.wav")
    ids = [row.id for row in list_utterances(data, tmp_path).utterances]
    assert ids == ["2/a.wav", "3/a.wav"]


def test_no_span_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        span_manifests("data/{SPAN}/manifest.jsonl", tmp_path, None)


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
