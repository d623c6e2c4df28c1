"""What the bytes of a file say of the audio in it, whatever a decoder then makes of them.

Decoders read what is there and say nothing of what is not: half a file becomes half a clip. The
parsers of the containers (`flac`, `mpeg`, `ogg`, `boxes`, `sizes`) look for what a header promises,
and for pieces that are not whole. They decode nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """What is to be decoded of a file, and what should come of it.

    `parts` are files to be decoded one after the other in place of the one; empty where it is fine
    as it is. `frames` is how many samples of each channel there should be, or None where only a
    decoder tells; `slack` fewer are no loss. `share` is the part of the promised bytes that is
    there. `missing` says in words what is not there, `missing_frames` how many samples of a channel
    that is, 0 where nobody knows; it may be anywhere with `has_holes`, or else is at the end.
    """

    parts: tuple[bytes, ...] = ()
    frames: int | None = None
    slack: int = 1
    share: float = 1.0
    missing: str = ""
    missing_frames: int = 0
    has_holes: bool = False


AS_IT_IS = Layout()
