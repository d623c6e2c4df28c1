"""Manifests that are tables: CSV, and TSV with tabs."""

from pathlib import Path

import pytest

from components.example_gen.sources import Listing, list_utterances
from schemas.errors import DataError
from schemas.utterance import Utterance
from schemas.workflow.data import Data


def listed(folder: Path, content: bytes, name: str = "clips.csv", clips: int = 5) -> Listing:
    """The rows of a table with this content, beside clips `1.wav`, `2.wav` and so on."""
    for number in range(1, clips + 1):
        (folder / f"{number}.wav").touch()
    (folder / name).write_bytes(content)
    return list_utterances(Data(manifests=name), folder)


def said(row: Utterance) -> tuple[str, str, str, float, float | None, str]:
    return row.id, row.target, row.speaker, row.offset_s, row.duration_s, row.split


def test_the_cells_are_what_json_would_say(tmp_path: Path) -> None:
    found = listed(
        tmp_path,
        b"audio_filepath,label,speaker,offset,duration,id,split,room\n"
        b"1.wav,7,42,0.5,1.25,first,validation,3\n"
        b"2.wav,no,,,,,,\n",
    )
    assert found.rejects == []
    first, second = sorted(found.utterances, key=lambda row: row.uri)
    assert said(first) == ("first", "7", "42", 0.5, 1.25, "eval")
    assert said(second) == ("2.wav", "no", "", 0.0, None, "")
    assert (first.metadata, second.metadata) == ({"room": "3"}, {})


def test_a_channel_is_a_number(tmp_path: Path) -> None:
    table = b"audio_filepath,label,channel\n1.wav,go,1\n2.wav,go,\n3.wav,go,left\n"
    found = listed(tmp_path, table)
    assert {row.uri: row.channel for row in found.utterances} == {"1.wav": 1, "2.wav": None}
    assert [reject.id for reject in found.rejects] == ["clips.csv:4"]


@pytest.mark.parametrize(
    "content",
    [
        b'audio_filepath,label\r\n1.wav,go on\r\n2.wav,"no, ""thanks"""\r\n',
        b'\xef\xbb\xbfaudio_filepath,label\n1.wav,go on\n\n2.wav,"no, ""thanks"""',
        b'label, audio_filepath\ngo on, 1.wav\n"no, ""thanks""", 2.wav\n,\n',
        b'"audio_filepath","label"\n"1.wav","go on"\n2.wav,"no, ""thanks"""\n',
    ],
)
def test_quotes_line_ends_and_marks_of_other_programs(tmp_path: Path, content: bytes) -> None:
    found = listed(tmp_path, content)
    assert found.rejects == []
    targets = {row.uri: row.target for row in found.utterances}
    assert targets == {"1.wav": "go on", "2.wav": 'no, "thanks"'}


def test_tabs(tmp_path: Path) -> None:
    found = listed(tmp_path, b"audio_filepath\tlabel\n1.wav\tgo, on\n", "clips.tsv")
    assert [(row.uri, row.target) for row in found.utterances] == [("1.wav", "go, on")]


def test_rows_that_cannot_be_read_are_rejects_of_their_line(tmp_path: Path) -> None:
    found = listed(
        tmp_path,
        b"audio_filepath,label,duration\n"
        b"1.wav,go\n"  # line 2
        b"1.wav,go,1,more\n"
        b'2.wav,"go\non",1\n'  # lines 4 and 5
        b"3.wav,go,long\n"
        b"4.wav,,1\n"
        b"5.wav,g\xf6,1\n"
        b"gone.wav,go,1\n"
        b"2.wav,go,nan\n"
        b"1.wav,go,1\n",
    )
    assert {row.uri: row.target for row in found.utterances} == {"1.wav": "go", "2.wav": "go\non"}
    reasons = {reject.id: reject.reason for reject in found.rejects}
    assert reasons == {
        "clips.csv:2": "bad_row",
        "clips.csv:3": "bad_row",
        "clips.csv:6": "bad_row",
        "clips.csv:7": "bad_row",
        "clips.csv:8": "bad_row",
        "clips.csv:9": "missing",
        "clips.csv:10": "bad_row",
    }
    assert all(reject.detail.startswith(f"{reject.id}: ") for reject in found.rejects)


def test_a_field_without_end_costs_itself(tmp_path: Path) -> None:
    cell = b"x" * 200_000
    found = listed(tmp_path, b"audio_filepath,label\n1.wav," + cell + b"\n2.wav,go\n3.wav,no\n")
    assert [row.uri for row in found.utterances] == ["2.wav", "3.wav"]
    assert [reject.reason for reject in found.rejects] == ["bad_row"]


@pytest.mark.parametrize(
    "content", [b"", b"1.wav,go\n2.wav,no\n", b"audio_filepath;label\n1.wav;go\n"]
)
def test_a_table_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"clips\.csv: .*audio_filepath"):
        listed(tmp_path, content)


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="each once"):
        listed(tmp_path, b"audio_filepath,label,label\n1.wav,go,no\n")


def test_tables_and_json_lines_together(tmp_path: Path) -> None:
    listed(tmp_path, b"audio_filepath,label\n1.wav,go\n")
    (tmp_path / "more.jsonl").write_text('{"audio_filepath": "2.wav", "label": "no"}\n')
    found = list_utterances(Data(manifests=["clips.csv", "more.jsonl"]), tmp_path)
    assert {row.uri: row.target for row in found.utterances} == {"1.wav": "go", "2.wav": "no"}
