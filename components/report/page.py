"""Renders the content as one HTML page that needs no server and no network."""

import functools
from pathlib import Path

from components.pages import drawing
from components.pages.clips import Clip
from components.pages.player import Players
from components.pages.section import html_environment
from components.report import view_model as content
from components.report.view_model import Content
from schemas.text import duration_text

_TEMPLATES = Path(__file__).parent / "templates"
# Of the players outside the task's sections; long clips beyond it are left out.
_AUDIO_BYTES = 3_000_000


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
        player=Players(report.sample_rate, _AUDIO_BYTES),
    )


def _spectrogram(clip: Clip, sample_rate: int) -> str:
    return drawing.data_uri(drawing.spectrogram_png(clip.waveform, sample_rate), "image/png")
