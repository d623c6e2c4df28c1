"""Damage to text files, as programs and people do it: seeded, so that a failure comes again."""

import codecs
import gzip
import json
import random
from collections.abc import Callable
from typing import Any

Mutation = Callable[[random.Random, bytes], bytes]

_VALUES: list[Any] = [
    *(None, "", " ", 0, 1, -1, 0.5, 1e999, float("nan"), 10**30, True, False, [], [0], [0, 1], {}),
    *("x", "0", "1.5", "f\u00fcnf", "fu\u0308nf ", "\ud800", "a\0b", "../x.wav", "s3://b/c.wav"),
    *({"a": [1]}, "u1", "average", "-1", "nan", ["a", {"b": 1}]),
]
_SEPARATORS = (b" ", b"\t", b"  ", b" \t", b",", b";", b"|", b"\xc2\xa0", b"")
_ENCODINGS = ("latin-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252")


def _place(rng: random.Random, data: bytes) -> int:
    return rng.randrange(len(data) + 1)


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: _place(rng, data)]


def _cut_head(rng: random.Random, data: bytes) -> bytes:
    return data[_place(rng, data) :]


def _double(rng: random.Random, data: bytes) -> bytes:
    start, end = sorted((_place(rng, data), _place(rng, data)))
    return data[:end] + data[start:]


def _flip(rng: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8)) if damaged else 0):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = _place(rng, data)
    odd = (b"\0", b"\r", b"\n", b"\xef\xbb\xbf", b'"', b"\xe2\x80\xa8", b"\xff", b"[", b"{", b"\\")
    return data[:at] + rng.choice(odd) + data[at:]


def _encode(rng: random.Random, data: bytes) -> bytes:
    return data.decode(errors="ignore").encode(rng.choice(_ENCODINGS), "replace")


def _separate(rng: random.Random, data: bytes) -> bytes:
    found = [each for each in _SEPARATORS if each and each in data] or [b" "]
    return data.replace(rng.choice(found), rng.choice(_SEPARATORS), rng.choice((1, 3, -1)))


def _end(rng: random.Random, data: bytes) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\n\r", b" \n", b"")))


def _lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if lines:
        line = rng.randrange(len(lines))
        lines[line : line + 1] = [lines[line]] * rng.choice((0, 2, 3))
        if rng.random() < 0.3:
            rng.shuffle(lines)
    return b"".join(lines)


def _swap_columns(rng: random.Random, data: bytes) -> bytes:
    separator = rng.choice((b"\t", b" ", b","))
    lines = []
    for line in data.splitlines():
        cells = line.split(separator)
        rng.shuffle(cells)
        lines.append(separator.join(cells) if rng.random() < 0.5 else line)
    return b"\n".join(lines)


def _pack(rng: random.Random, data: bytes) -> bytes:
    packed = gzip.compress(data, mtime=0)
    return rng.choice((lambda: packed, lambda: _cut(rng, packed), lambda: _flip(rng, packed)))()


def _join(rng: random.Random, data: bytes) -> bytes:
    return data + rng.choice((codecs.BOM_UTF8, b"", b"\n")) + data


def change_value(rng: random.Random, data: bytes) -> bytes:
    """One value, anywhere in one line of JSON, becomes another; or its key is gone."""
    lines = data.splitlines()
    at = rng.randrange(len(lines)) if lines else 0
    try:
        row = json.loads(lines[at])
        holder, key = rng.choice(list(_values(row)))
    except (ValueError, IndexError):
        return data
    if rng.random() < 0.3:
        del holder[key]
    else:
        holder[key] = rng.choice(_VALUES)
    lines[at] = json.dumps(row).encode()
    return b"\n".join(lines)


def _values(value: Any) -> Any:
    """(holder, key) of each value in it."""
    if not isinstance(value, dict | list):
        return
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _values(value[key])


MUTATIONS: tuple[Mutation, ...] = (
    *(_cut, _cut_head, _double, _flip, _insert, _encode, _separate, _end, _lines, _swap_columns),
    *(_pack, _join, change_value, change_value, change_value),
)


def mutate(rng: random.Random, data: bytes) -> bytes:
    """`data` with one to three mutations."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(MUTATIONS)(rng, data)
    return data
