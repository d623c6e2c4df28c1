"""How many bytes of sound the header of a WAV, AIFF, AU or SPHERE file promises, and are there.

A recorder that writes to a pipe, or is killed, leaves a size of 0 or one that no file has: such a
header says nothing, and the sound goes on to the end of the file.
"""

import struct
from typing import Literal, NamedTuple

from components.audio.formats import iff_chunks
from components.audio.layout import AS_IT_IS, Layout

CONTAINERS = ("wav", "aiff", "au", "nist")
ANY_SIZE = 0x7FFF0000  # and above: what programs write before they know the size
_RF64_SIZE = 0xFFFFFFFF  # the true one is in the chunk `ds64`
_SPHERE_SIZES = (b"sample_count", b"channel_count", b"sample_n_bytes")


class _Sound(NamedTuple):
    """Where the sound begins and how many bytes its header promises; None where it does not say.

    `size_at` is where a size of 0 stands that has to be filled in for a decoder.
    """

    start: int
    promised: int | None
    size_at: int | None = None


def lay_out(data: bytes, container: str, size: int | None = None) -> Layout:
    """The layout of a file of `size` bytes that begins with `data`, which mostly is all of it."""
    size = len(data) if size is None else size
    sound = {"wav": _find_wav, "aiff": _find_aiff, "au": _find_au, "nist": _find_sphere}[container](
        data, size
    )
    if sound is None or sound.start > size:
        return AS_IT_IS
    there = size - sound.start
    if sound.promised is None:
        is_filled_in = sound.size_at is not None and there and size == len(data)
        return Layout(parts=(_fill_in(data, sound),)) if is_filled_in else AS_IT_IS
    # Some programs write the size of the whole file, or of all that follows its own first size.
    if sound.promised <= there or sound.promised in (size, size - 8):
        return AS_IT_IS
    missing = f"{there:,} of {sound.promised:,} bytes of sound are there"
    return Layout(share=there / sound.promised, missing=missing)


def _fill_in(data: bytes, sound: _Sound) -> bytes:
    at, order = sound.size_at or 0, ">" if data.startswith(b"RIFX") else "<"
    return data[:at] + struct.pack(f"{order}I", len(data) - sound.start) + data[at + 4 :]


def _find_wav(data: bytes, size: int) -> _Sound | None:
    order: Literal[">", "<"] = ">" if data.startswith(b"RIFX") else "<"
    true_size: int | None = None
    for name, at in iff_chunks(data, order):
        (stated,) = struct.unpack_from(f"{order}I", data, at - 4)
        if name == b"ds64" and len(data) >= at + 16:
            (true_size,) = struct.unpack_from("<Q", data, at + 8)
        if name != b"data":
            continue
        if stated == _RF64_SIZE and true_size:
            return _Sound(at, true_size)
        if stated == 0:
            return None if _are_chunks(data, at, order) else _Sound(at, None, at - 4)
        return _Sound(at, None if _is_any_size(stated, size) else stated)
    return None


def _are_chunks(data: bytes, at: int, order: Literal[">", "<"]) -> bool:
    """Whether all that is left are chunks, as behind sound that really has no bytes."""
    while at + 8 <= len(data) and data[at : at + 4].isascii() and data[at : at + 4].isalnum():
        (size,) = struct.unpack_from(f"{order}I", data, at + 4)
        at += 8 + size + size % 2
    return at in (len(data), len(data) + 1)


def _find_aiff(data: bytes, size: int) -> _Sound | None:
    for name, at in iff_chunks(data, ">"):
        if name == b"SSND" and len(data) >= at + 8:
            stated, offset = struct.unpack_from(">II", data, at - 4)
            is_unknown = stated <= 8 or _is_any_size(stated, size)
            return _Sound(at + 8 + offset, None if is_unknown else stated - 8 - offset)
    return None


def _find_au(data: bytes, size: int) -> _Sound | None:
    if len(data) < 12:
        return None
    start, stated = struct.unpack_from(">II", data, 4)
    return _Sound(start, None if not stated or _is_any_size(stated, size) else stated)


def _find_sphere(data: bytes, size: int) -> _Sound | None:
    lines = data[:1024].splitlines()
    found = {words[0]: words[-1] for words in map(bytes.split, lines) if len(words) == 3}
    numbers = [int(found[key]) for key in _SPHERE_SIZES if found.get(key, b"").isdigit()]
    if len(numbers) < len(_SPHERE_SIZES) or len(lines) < 2 or not lines[1].strip().isdigit():
        return None
    return _Sound(int(lines[1]), numbers[0] * numbers[1] * numbers[2] or None)


def _is_any_size(stated: int, size: int) -> bool:
    return stated >= ANY_SIZE and stated > size
