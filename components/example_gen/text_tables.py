"""Text as other programs write it: the one reader of manifests, tables and lists.

UTF-8, or UTF-16 and UTF-32 with a byte order mark; lines that end in LF, CRLF or CR; gzipped or
not, whatever the name says. What is none of it is said with file and line, and never replaced.
"""

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import BinaryIO, cast

from components.storage.location import Location
from schemas.errors import ClipError, DataError
from schemas.manifest import is_text

Row = dict[str, object]
Found = tuple[int, Row | ClipError]  # the number of a line, and what it says or is refused for

_GZIP = b"\x1f\x8b"
_MARKS = {  # the longer first: that of UTF-32 begins as that of UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_MARK = "\ufeff"  # also where files were joined, and twice where one was saved twice
_LIST = re.compile(r"\s*\[\s*(\{|$)")
_BLANKS = re.compile(r"[ \t\v\f]+")
_EXPECTED = "expected UTF-8, or UTF-16 with a byte order mark"


def read_lines(place: Location) -> Generator[tuple[int, str], None, None]:
    """Each line without its end, with its number from 1 on. Bytes that are no UTF-8 are lone
    surrogates in it, which `check_text` names.

    Raises:
        DataError: the file cannot be read, or is damaged: with the line where that is.
    """
    number = 0
    try:
        with place.open() as file:
            for line in _as_utf8(_unpacked(file), place):
                for part in line.splitlines():
                    number += 1
                    yield number, part.decode("utf-8", "surrogateescape").lstrip(_MARK)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{place}:{number + 1}: a damaged gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"{place}: {error.strerror or error}") from error


def check_text(line: str) -> None:
    """Refuses a line that is no text.

    Raises:
        ClipError: `bad_row`, with what was found.
    """
    if "\0" in line:
        raise ClipError("bad_row", f"{_EXPECTED}; got a NUL byte")
    if not line.isascii() and not is_text(line):
        byte = next(ord(letter) & 0xFF for letter in line if not is_text(letter))
        raise ClipError("bad_row", f"{_EXPECTED}; got the byte 0x{byte:02x}")


def read_text(place: Location) -> Iterator[tuple[int, str]]:
    """Each line that says something, with its number; blanks at its ends are taken off.

    Raises:
        DataError: as `read_lines`, or a line is no text.
    """
    for number, line in _read_checked(place):
        if line := line.strip():
            yield number, line


def read_keyed(place: Location) -> Iterator[tuple[int, str, str]]:
    """Number, first word and the rest of each line that says something: words are divided by tabs
    and spaces, as many as there are.

    Raises:
        DataError: as `read_text`.
    """
    for number, line in read_text(place):
        key, *rest = _BLANKS.split(line, 1)
        yield number, key, "".join(rest)


def read_objects(place: Location, strict: bool = False) -> Generator[Found, None, None]:
    """The JSON object of each line that says something; or `bad_row`, where it is none.

    Raises:
        DataError: as `read_lines`; or the file is one JSON list; with `strict` also where a line
            is no text.
    """
    is_first = True
    for number, line in _read_checked(place) if strict else read_lines(place):
        if not line.strip():
            continue
        if is_first and _LIST.match(line):
            raise DataError(f"{place}:{number}: expected a JSON object in each line, got a list")
        is_first = False
        try:
            yield number, _parse_object(line)
        except ClipError as error:
            yield number, error


def read_table(
    place: Location,
    delimiter: str,
    needed: Iterable[str],
    quotes: bool = True,
    strict: bool = False,
) -> Iterator[Found]:
    """The cells of each row of a table by its first line, which names the columns; or `bad_row`.
    Empty cells are not there. With `quotes` a cell may stand in quotes, and hold ends of lines.

    Raises:
        DataError: as `read_lines`; or the first line does not name the columns, each once, among
            them those that are `needed`; with `strict` also where a line is no text.
    """
    lines = _Lines(_read_checked(place) if strict else read_lines(place))
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        skipinitialspace=True,
        strict=True,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
    )
    columns = _columns(reader, place, list(needed))
    while True:
        lines.begin()
        try:
            cells = next(reader)
            if any(cells):
                yield lines.first, _as_row(cells, columns)
        except StopIteration:
            return
        except (csv.Error, ClipError) as error:
            yield lines.first, ClipError("bad_row", getattr(error, "detail", f"no row: {error}"))
            lines.take_back()


class _Lines:
    """Lines for a reader of tables: of a row that cannot be read only the first line is lost, for
    the others may be rows that an open quote took in.
    """

    def __init__(self, numbered: Iterator[tuple[int, str]]) -> None:
        self._numbered = numbered
        self._again: deque[tuple[int, str]] = deque()
        self._taken: list[tuple[int, str]] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        taken = self._again.popleft() if self._again else next(self._numbered)
        self._taken.append(taken)
        return f"{taken[1]}\n"

    @property
    def first(self) -> int:
        """The number of the line that this row begins on."""
        return self._taken[0][0]

    def begin(self) -> None:
        """A row begins."""
        self._taken = []

    def take_back(self) -> None:
        """All but the first line of this row are read again."""
        self._again.extendleft(reversed(self._taken[1:]))


def _as_row(cells: list[str], columns: list[str]) -> Row:
    check_text("".join(cells))
    if len(cells) != len(columns):
        expected = f"expected {len(columns)} cells as in the first line, got {len(cells)}"
        raise ClipError("bad_row", expected)
    return {name: cell for name, cell in zip(columns, cells, strict=True) if cell}


def _columns(reader: Iterator[list[str]], place: Location, needed: list[str]) -> list[str]:
    columns: list[str] = []
    try:
        columns = [name.strip() for name in next(reader, [])]
        check_text("".join(columns))
    except (csv.Error, ClipError) as error:
        raise DataError(f"{place}:1: {getattr(error, 'detail', error)}") from error
    if not set(needed) <= set(columns) or len(set(columns)) < len(columns):
        raise DataError(
            f"{place}: its first line has to name the columns, each once, among them"
            f" {' and '.join(needed)}; got {columns!r:.200}"
        )
    return columns


def _read_checked(place: Location) -> Iterator[tuple[int, str]]:
    for number, line in read_lines(place):
        try:
            check_text(line)
        except ClipError as error:
            raise DataError(f"{place}:{number}: {error.detail}") from error
        yield number, line


def _parse_object(line: str) -> Row:
    check_text(line)
    try:
        row = json.loads(line)
        # Each key has a colon: where there are no more colons than keys, no key is there twice.
        if isinstance(row, dict) and line.count(":") > len(row):
            json.loads(line, object_pairs_hook=_refuse_twice)
    except (ValueError, RecursionError) as error:
        raise ClipError("bad_row", f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ClipError("bad_row", f"expected a JSON object, got {type(row).__name__}")
    return row


def _refuse_twice(pairs: list[tuple[str, object]]) -> None:
    """Raises ValueError where a key of an object is there twice."""
    if len(dict(pairs)) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} is there twice")


def _unpacked(file: BinaryIO) -> BinaryIO:
    """The content of `file`, at its start."""
    is_packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_packed else file


def _as_utf8(file: BinaryIO, place: Location) -> Iterable[bytes]:
    """The lines of `file`, each up to a LF."""
    lines = iter(file)
    first = next(lines, b"")
    encoding = next((name for mark, name in _MARKS.items() if first.startswith(mark)), None)
    if encoding is None:
        yield first
        yield from lines
        return
    content = first + b"".join(lines)
    try:
        yield from io.BytesIO(content.decode(encoding).encode())
    except UnicodeDecodeError as error:
        number = content[: error.start].decode(encoding).count("\n") + 1
        raise DataError(f"{place}:{number}: expected {encoding}; {error.reason}") from error
