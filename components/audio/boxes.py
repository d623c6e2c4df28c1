"""Whether an MP4, WebM or AAC file is there to its end: none of its pieces reaches beyond it."""

from components.audio.layout import Layout

_CUT = "the file ends before its last {} does"
_SEGMENT = b"\x18\x53\x80\x67"  # which holds all of a WebM file but its first element
_SLACK_FRAMES = 6144  # two frames of AAC and its delay, or the longest one of Opus
_LARGE, _TO_THE_END = 1, 0  # sizes of an MP4 box that are none
_ADTS_HEAD = 7


def lay_out(data: bytes, container: str) -> Layout:
    """The layout of a file with the content `data`."""
    is_cut = {"mp4": _is_mp4_cut, "webm": _is_webm_cut, "aac": _is_adts_cut}[container]
    what = {"mp4": "box", "webm": "segment", "aac": "frame"}[container]
    return Layout(missing=_CUT.format(what) if is_cut(data) else "", slack=_SLACK_FRAMES)


def _is_mp4_cut(data: bytes) -> bool:
    at = 0
    while at + 8 <= len(data):
        size, name, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == _TO_THE_END or not name.isalnum():
            return False
        if size == _LARGE:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if size < head:
            return False
        at += size
    return at > len(data)


def _is_webm_cut(data: bytes) -> bool:
    at = data.find(_SEGMENT) + len(_SEGMENT)
    if at < len(_SEGMENT) or at >= len(data) or not data[at]:
        return False
    length = 9 - data[at].bit_length()
    size = int.from_bytes(data[at : at + length], "big") & (1 << 7 * length) - 1
    is_known = size != (1 << 7 * length) - 1
    return is_known and at + length + size > len(data)


def _is_adts_cut(data: bytes) -> bool:
    at = 0
    while at + _ADTS_HEAD <= len(data) and data[at] == 0xFF and data[at + 1] & 0xF6 == 0xF0:
        size = int.from_bytes(data[at + 3 : at + 6], "big") >> 5 & 0x1FFF
        if size < _ADTS_HEAD:
            return False
        at += size
    return at > len(data)
