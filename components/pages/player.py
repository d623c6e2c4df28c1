"""Recordings inside a page: small enough to be mailed, to be heard in every browser."""

import io

import soundfile

from components.pages.clips import Clip
from components.pages.drawing import data_uri


class Players:
    """Data URIs of FLAC files, which loses nothing, until a page has enough of them."""

    def __init__(self, sample_rate: int, limit_bytes: int) -> None:
        """Of clips at `sample_rate`; base64 adds a third to `limit_bytes`."""
        self._sample_rate = sample_rate
        self._left = limit_bytes

    def __call__(self, clip: Clip) -> str | None:
        """None where the clip does not fit any more."""
        file = io.BytesIO()
        soundfile.write(file, clip.waveform, self._sample_rate, format="FLAC", subtype="PCM_16")
        content = file.getvalue()
        if len(content) > self._left:
            return None
        self._left -= len(content)
        return data_uri(content, "audio/flac")
