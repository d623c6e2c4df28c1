"""What an audio file is, told by its own first bytes, before any decoder sees it.

Only what is on the lists here is handed to a decoder: libsndfile's rarer parsers have been fuzzed
less than its common ones. A file's name says nothing.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from components.audio import flac, mpeg
from schemas.errors import ClipError

_WAV_CODECS = {1: "pcm", 3: "float", 6: "alaw", 7: "ulaw", 0x31: "gsm"}
_WAV_CODECS |= dict.fromkeys((0x02, 0x11, 0x40), "adpcm")  # of Microsoft, IMA and G.721
_WAV_EXTENSIBLE = 0xFFFE
_WAV_MOST_PCM_BITS = 32
_AIFF_CODECS = {
    **dict.fromkeys((b"NONE", b"twos", b"sowt", b"in24", b"in32", b"42n1", b"23ni"), "pcm"),
    **dict.fromkeys((b"fl32", b"FL32", b"fl64", b"FL64"), "float"),
    **dict.fromkeys((b"ulaw", b"ULAW"), "ulaw"),
    **dict.fromkeys((b"alaw", b"ALAW"), "alaw"),
    b"ima4": "adpcm",
    b"GSM ": "gsm",
}
_AU_CODECS = {1: "ulaw", **dict.fromkeys(range(2, 6), "pcm"), 6: "float", 7: "float", 27: "alaw"}
_AU_CODECS |= dict.fromkeys((23, 25, 26), "adpcm")  # G.721 and G.723
_OGG_CODECS = {b"\x01vorbis": "vorbis", b"OpusHead": "opus", b"\x7fFLAC": "flac"}
_OGG_HEADER = 27  # bytes of a page before its table of segments
_SPHERE_CODECS = ("pcm", "ulaw", "mu-law", "alaw")
_MOST_CHUNKS = 1000
HEAD_BYTES = 1 << 20  # of a file that is not read whole


@dataclass(frozen=True)
class Format:
    """Container and codec, by their common names: wav and pcm, ogg and opus, ...

    The codec of mp4 and webm is not told here: `components.audio.ffmpeg` has a list of its own.
    """

    container: str
    codec: str


def recognize(data: bytes) -> Format:
    """What the file `data` is.

    Raises ClipError: `unsupported` (not a format that is read here, or a codec in it that is not),
    `unreadable` (a container without the header that names its codec).
    """
    container = _container(data)
    if container is None:
        raise ClipError("unsupported", f"no audio format starts with the bytes {data[:12]!r}")
    codec = {
        "wav": _wav_codec,
        "aiff": _aiff_codec,
        "ogg": _ogg_codec,
        "au": _au_codec,
        "nist": _sphere_codec,
    }.get(container)
    return Format(container, codec(data) if codec else container)


def is_supported(head: bytes) -> bool:
    """Whether a file with these first bytes may be one that is read here.

    A few dozen are enough, but where the frames of an MP3 begin behind something else.
    """
    return _container(head) is not None


def _container(data: bytes) -> str | None:
    if data.startswith((b"RIFF", b"RIFX", b"RF64")):
        return "wav" if data[8:12] == b"WAVE" else None
    if data.startswith(b"FORM"):
        return "aiff" if data[8:12] in (b"AIFF", b"AIFC") else None
    if data[4:8] == b"ftyp":
        return "mp4"
    if data.startswith(b"ID3"):
        return "flac" if data.startswith(flac.MAGIC, mpeg.id3v2_end(data, 0)) else "mp3"
    for magic, container in (
        (flac.MAGIC, "flac"),
        (b"OggS", "ogg"),
        (b".snd", "au"),
        (b"NIST_1A", "nist"),
        (b"\x1aE\xdf\xa3", "webm"),
    ):
        if data.startswith(magic):
            return container
    if flac.starts_as_frame(data):
        return "flac"
    if _is_adts_frame(data):
        return "aac"
    return "mp3" if _is_mpeg_audio_frame(data) or mpeg.starts_as_mp3(data[:HEAD_BYTES]) else None


def _is_adts_frame(data: bytes) -> bool:
    """Whether a frame header of AAC in ADTS (ISO 13818-7, 6.2) comes first."""
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        return False
    return data[2] >> 2 & 0xF <= 12  # 13 sample rates


def _is_mpeg_audio_frame(data: bytes) -> bool:
    """Whether a frame header of MPEG-1/2/2.5 audio (ISO 11172-3, 2.4.1.3) comes first."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return False
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    bitrate, rate = data[2] >> 4, data[2] >> 2 & 3
    return version != 1 and layer != 0 and bitrate != 15 and rate != 3


def _wav_codec(data: bytes) -> str:
    order: Literal[">", "<"] = ">" if data.startswith(b"RIFX") else "<"
    at = 20 if data[12:16] == b"fmt " else _find_chunk(data, b"fmt ", order)
    if at is None or len(data) < at + 16:
        raise ClipError("unreadable", "a WAV file without a format chunk")
    (tag,) = struct.unpack_from(f"{order}H", data, at)
    (bits,) = struct.unpack_from(f"{order}H", data, at + 14)
    if tag == _WAV_EXTENSIBLE and len(data) >= at + 28:
        (tag,) = struct.unpack_from(f"{order}I", data, at + 24)  # the subformat begins with it
    if tag not in _WAV_CODECS:
        raise ClipError("unsupported", f"a WAV file with the codec {tag:#06x}")
    if _WAV_CODECS[tag] == "pcm" and bits > _WAV_MOST_PCM_BITS:
        raise ClipError("unsupported", f"a WAV file with integers of {bits} bits")
    return _WAV_CODECS[tag]


def _aiff_codec(data: bytes) -> str:
    if data[8:12] == b"AIFF":
        return "pcm"
    at = _find_chunk(data, b"COMM", ">")
    if at is None:
        raise ClipError("unreadable", "an AIFC file without a common chunk")
    compression = data[at + 18 : at + 22]
    if compression not in _AIFF_CODECS:
        raise ClipError("unsupported", f"an AIFC file with the codec {compression!r}")
    return _AIFF_CODECS[compression]


def _find_chunk(data: bytes, name: bytes, order: Literal[">", "<"]) -> int | None:
    """Where the content of the first chunk `name` begins."""
    for found, at in iff_chunks(data, order):
        if found == name:
            return at
    return None


def iff_chunks(data: bytes, order: Literal[">", "<"]) -> Iterator[tuple[bytes, int]]:
    """Name and content's place of the chunks of an IFF file, as far as their sizes make sense."""
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            return
        yield data[at : at + 4], at + 8
        (size,) = struct.unpack_from(f"{order}I", data, at + 4)
        at += 8 + size + size % 2


def _ogg_codec(data: bytes) -> str:
    segments = data[_OGG_HEADER - 1] if len(data) >= _OGG_HEADER else 0
    packet = data[_OGG_HEADER + segments : _OGG_HEADER + segments + 8]
    for magic, codec in _OGG_CODECS.items():
        if packet.startswith(magic):
            return codec
    raise ClipError("unsupported", f"an Ogg file with a codec that begins with {packet!r}")


def _au_codec(data: bytes) -> str:
    encoding = int.from_bytes(data[12:16], "big")
    if encoding not in _AU_CODECS:
        raise ClipError("unsupported", f"an AU file with the encoding {encoding}")
    return _AU_CODECS[encoding]


def _sphere_codec(data: bytes) -> str:
    """From the header's line `sample_coding -s3 pcm`; PCM where there is none."""
    for line in data[:1024].splitlines():
        if line.startswith(b"sample_coding"):
            coding = line.split()[-1].decode("latin-1")
            if coding not in _SPHERE_CODECS:
                raise ClipError("unsupported", f"a NIST SPHERE file with the coding {coding!r}")
            return coding
    return "pcm"
