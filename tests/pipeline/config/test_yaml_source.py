"""Values as YAML 1.2's core schema has them (its chapter 10.3), each with the line it stands on."""

import math
from pathlib import Path

import pytest

from pipeline.config.yaml_source import Document, Problem, dotted, parse_document
from schemas.errors import WorkflowError


def parse(folder: Path, text: str | bytes) -> Document:
    file = folder / "w.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return parse_document(file)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("yes", "No", "on", "OFF", "y")),
        *((word, word) for word in ("1:30", "1_000", "0b1", "2026-01-01")),
        *((word, None) for word in ("~", "null", "Null", "NULL", "")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        ("0", 0), ("-19", -19), ("+7", 7), ("0o14", 12), ("0x3A", 58), ("010", 10),
        ("0.", 0.0), ("-0.0", -0.0), (".5", 0.5), ("+12e03", 12000.0), ("1e-3", 0.001),
        (".inf", math.inf), ("-.Inf", -math.inf), ("'12'", "12"), ('"true"', "true"),
        ("[1, [no], {a: 1.5}]", [1, ["no"], {"a": 1.5}]),
    ],
)  # fmt: skip
def test_plain_scalars(tmp_path: Path, text: str, value: object) -> None:
    document = parse(tmp_path, f"key: {text}\n")
    assert document.value == {"key": value}
    assert type(document.value["key"]) is type(value)
    assert document.problems == []


def test_not_a_number_is_a_float(tmp_path: Path) -> None:
    assert math.isnan(parse(tmp_path, "key: .NaN").value["key"])


def test_keys_are_names_whatever_they_look_like(tmp_path: Path) -> None:
    assert parse(tmp_path, "1: a\non: b\nnull: c").value == {"1": "a", "on": "b", "null": "c"}


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    document = parse(tmp_path, "# a comment\na:\n  b: 1\n  c:\n  - x\n  - y: 2\n")
    assert document.lines == {
        (): 2, ("a",): 2, ("a", "b"): 3, ("a", "c"): 4, ("a", "c", 0): 5, ("a", "c", 1): 6,
        ("a", "c", 1, "y"): 6,
    }  # fmt: skip
    assert document.at(("a", "c", 1, "y")) == 2
    assert document.line(("a", "b", "not there")) == 3
    assert document.line(("nor", "this")) == 2
    assert document.has_key("a.b")
    assert not document.has_key("a.d")
    assert document.locate(("a", "function-after[x]", "c", 1, "y")) == ("a", "c", 1, "y")
    assert dotted(("a", "c", 1, "y")) == "a.c[1].y"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a: 1\nb: 2\na: 3\n", [3]),
        ("a: !!python/name:os.system x\n", [1]),
        ("a: !mine 3\n", [1]),
        ("? [a, b]\n: 1\nc: 2\n", [1]),
    ],
)
def test_what_can_be_read_past_is_a_problem(tmp_path: Path, text: str, lines: list[int]) -> None:
    assert [problem.line for problem in parse(tmp_path, text).problems] == lines


def test_the_first_of_two_counts_and_the_second_is_named(tmp_path: Path) -> None:
    document = parse(tmp_path, "a:\n  b: 1\n  b: 2\n")
    assert document.value == {"a": {"b": 1}}
    got, expected = "the key again (first on line 2)", "each key once"
    assert document.problems == [Problem(3, "a.b", got, expected)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &x 1\nb: *x\n", 2),
        ("a: 1\n\tb: 2\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: [1, 2\n", 2),
        ("- a\n- b\n", 1),
        ("\njust words\n", 2),
        ("a: 1\nb: \x07\n", 2),
    ],
)
def test_what_cannot_be_read_at_all_is_refused_at_its_line(
    tmp_path: Path, text: str, line: int
) -> None:
    with pytest.raises(WorkflowError) as raised:
        parse(tmp_path, text)
    assert str(raised.value).startswith(f"{tmp_path / 'w.yaml'}:{line}: ")


@pytest.mark.parametrize("text", ["", "# nothing\n", b"\xff\xfe\0", b"a" * (1 << 21), "[" * 9999])
def test_no_workflow_at_all(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(WorkflowError):
        parse(tmp_path, text)


def test_no_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "other.txt").touch()
    with pytest.raises(WorkflowError) as raised:
        parse_document(tmp_path / "mime.yaml")
    assert "mine.yaml" in str(raised.value)
    assert "other.txt" not in str(raised.value)
    with pytest.raises(WorkflowError):
        parse_document(tmp_path)


def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path: Path) -> None:
    assert parse(tmp_path, b"\xef\xbb\xbfname: a\n").value == {"name": "a"}
