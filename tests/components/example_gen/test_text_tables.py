"""The one reader of text: encodings, ends of lines, packed files, and what is damaged."""

import gzip
import re
from pathlib import Path

import pytest

from components.example_gen.text_tables import (
    read_keyed,
    read_lines,
    read_objects,
    read_table,
    read_text,
)
from components.storage.location import Location, location_of
from schemas.errors import ClipError, DataError


def placed(folder: Path, content: bytes, name: str = "table.txt") -> Location:
    (folder / name).write_bytes(content)
    return location_of(folder / name)


TEXT = "eins f\u00fcnf\r\n\n\u2028drei\tvier\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_every_encoding_that_says_which_it_is(tmp_path: Path, encoding: str, pack: type) -> None:
    mark = "\ufeff" if encoding.endswith("e") else ""
    place = placed(tmp_path, pack((mark + TEXT).encode(encoding)))
    lines = ["eins f\u00fcnf", "", "\u2028drei\tvier"]
    assert list(read_lines(place)) == list(enumerate(lines, 1))


def test_lines_end_as_in_windows_unix_and_old_macs(tmp_path: Path) -> None:
    place = placed(tmp_path, b"a\rb\r\nc\n\rd")
    assert list(read_text(place)) == [(1, "a"), (2, "b"), (3, "c"), (5, "d")]
    assert list(read_lines(placed(tmp_path, b""))) == []


def test_joined_files_have_marks_inside(tmp_path: Path) -> None:
    place = placed(tmp_path, b"\xef\xbb\xbf" * 2 + b"a 1\n\xef\xbb\xbfb 2\n")
    assert list(read_keyed(place)) == [(1, "a", "1"), (2, "b", "2")]


def test_words_are_divided_by_any_blanks(tmp_path: Path) -> None:
    place = placed(tmp_path, "u1\tgo  on \n  u2 \t a\u00a0b\u3000c\n\t\nu3\n".encode())
    assert list(read_keyed(place)) == [
        (1, "u1", "go  on"), (2, "u2", "a\u00a0b\u3000c"), (4, "u3", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"a\nf\xfcnf\n", 2, "0xfc"),
        ("a\nb\n".encode("utf-16-le"), 1, "NUL"),
        (b"a\n\xff\xfe", 2, "0xff"),
        (b"\xff\xfea\0\n\0b\0\0\xd8", 2, "utf-16"),
        (gzip.compress(b"a\nb\n" * 999, mtime=0)[:-9], None, "gzip"),
        (gzip.compress(b"a\nb\n" * 99, mtime=0)[:-2], 199, "gzip"),
        (gzip.compress(b"a\n", mtime=0)[:12] + b"\xff" * 9, 1, "gzip"),
        (gzip.compress(b"a\nb\n", mtime=0) + b"more", 3, "gzip"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(
    tmp_path: Path, content: bytes, line: int | None, words: str
) -> None:
    with pytest.raises(DataError) as refused:
        list(read_text(placed(tmp_path, content)))
    assert re.match(f"{tmp_path}/table.txt:{line or '[0-9]+'}: ", str(refused.value))
    assert words in str(refused.value)


def test_what_cannot_be_opened_is_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match=path.name):
            list(read_lines(location_of(path)))


@pytest.mark.parametrize("content", [b"[\n{}\n]", b'\n[{"a": 1},\n{"a": 2}]', b'[ {"a": 1} ]'])
def test_one_json_list_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"table\.txt:[12]: expected a JSON object in each line"):
        list(read_objects(placed(tmp_path, content)))


def test_only_a_key_that_is_there_twice_in_one_object_is_refused(tmp_path: Path) -> None:
    place = placed(
        tmp_path,
        b'{"a": "x:y", "b": {"a": 1, "b": [{"a": "::"}]}}\n'
        b'{"a" : 1,"\\u0061":2}\n'
        b'{"b": [{"c": 1, "c": 1}]}\n',
    )
    first, *others = read_objects(place)
    assert first == (1, {"a": "x:y", "b": {"a": 1, "b": [{"a": "::"}]}})
    assert [number for number, _ in others] == [2, 3]
    assert all(isinstance(row, ClipError) and "twice" in row.detail for _, row in others)


def test_quotes_of_a_table_without_quoting_are_letters(tmp_path: Path) -> None:
    place = placed(tmp_path, b'path\tsentence\n1\t"yes\n2\t\n\t\n3\tno\tmore\n')
    rows = list(read_table(place, "\t", ["path"], quotes=False))
    assert rows[:2] == [(2, {"path": "1", "sentence": '"yes'}), (3, {"path": "2"})]
    assert [number for number, _ in rows] == [2, 3, 5]
    assert isinstance(rows[2][1], ClipError)


@pytest.mark.parametrize(
    ("rows", "faulty"),
    [
        ('1,"go\n2,go\n3,go\n', {2}),
        ('1,"go\n2,go\n3,"go\n4,go\n', {2, 4}),
        ('1,go\n2,"go"on\n3,"go ""on"" ."\n4,"go\non"\n', {3}),
        ('1,"go\n2",go,go\n3,go\n', {2, 3}),
    ],
)
def test_an_open_quote_costs_its_line_only(tmp_path: Path, rows: str, faulty: set[int]) -> None:
    found = dict(read_table(placed(tmp_path, f"path,label\n{rows}".encode()), ",", ["path"]))
    assert {number for number, row in found.items() if isinstance(row, ClipError)} == faulty
    read = [row["path"] for row in found.values() if not isinstance(row, ClipError)]
    assert read == [str(n - 1) for n in range(2, 6) if n in found and n not in faulty]
