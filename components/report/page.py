"""Renders the content as one HTML page that needs no server and no network."""

import functools
from pathlib import Path

from components.audio.pcm16 import wav_file
from components.pages import drawing
from components.pages.clips import Clip
from components.pages.section import html_environment
from components.report import view_model as content
from components.report.view_model import Content
from schemas.text import duration_text

_TEMPLATES = Path(__file__).parent / "templates"
# Players beyond this are left out, so that long clips do not make the page heavy: base64 adds a
# third to it.
_AUDIO_BYTES = 4_000_000


def render(report: Content) -> str:
    """The whole page."""
    environment = html_environment(_TEMPLATES)
    environment.filters["duration"] = duration_text
    return environment.get_template("report.html.jinja").render(
        report=report,
        limits=content,
        style=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
        best_epoch=drawing.best_epoch(report.epochs),
        curves=[
            draw(report.epochs) for draw in (drawing.loss_svg, drawing.metric_svg) if report.epochs
        ],
        spectrogram=functools.partial(_spectrogram, sample_rate=report.sample_rate),
        player=_Players(report.sample_rate),
    )


class _Players:
    """Data URIs of WAV files, until the page has enough of them."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._left = _AUDIO_BYTES

    def __call__(self, clip: Clip) -> str | None:
        wav = wav_file(clip.waveform.astype("<i2").tobytes(), self._sample_rate)
        if len(wav) > self._left:
            return None
        self._left -= len(wav)
        return drawing.data_uri(wav, "audio/wav")


def _spectrogram(clip: Clip, sample_rate: int) -> str:
    return drawing.data_uri(drawing.spectrogram_png(clip.waveform, sample_rate), "image/png")
