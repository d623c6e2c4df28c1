"""Renders the content as one HTML page that needs no server and no network."""

import functools
from pathlib import Path

import jinja2
import numpy as np
from numpy.typing import NDArray

from components.audio.pcm16 import wav_file
from components.evaluation.curves import detection_errors, reliability
from components.evaluation.formatting import amount_text, score_text
from components.report import charts
from components.report import view_model as content
from components.report.clips import Clip
from components.report.view_model import Content

_TEMPLATES = Path(__file__).parent / "templates"
# Players beyond this are left out, so that long clips do not make the page heavy: base64 adds a
# third to it.
_AUDIO_BYTES = 4_000_000


def render(report: Content) -> str:
    """The whole page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(share=_share, signed=_signed, duration=_duration)
    environment.filters.update(amount=amount_text, score=score_text)
    return environment.get_template("report.html.jinja").render(
        report=report,
        limits=content,
        style=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
        best_epoch=charts.best_epoch(report.epochs),
        curves=[
            draw(report.epochs) for draw in (charts.loss_svg, charts.accuracy_svg) if report.epochs
        ],
        reliability=charts.reliability_svg(reliability(report.scores)),
        detection=charts.detection_svg(detection_errors(report.scores)),
        spectrogram=functools.partial(_spectrogram, sample_rate=report.sample_rate),
        picture=functools.partial(charts.data_uri, media_type="image/png"),
        player=_Players(report.sample_rate),
        confusion_image=_confusion_image,
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
        return charts.data_uri(wav, "audio/wav")


def _spectrogram(clip: Clip, sample_rate: int) -> str:
    return charts.data_uri(charts.spectrogram_png(clip.waveform, sample_rate), "image/png")


def _confusion_image(shares: list[list[float]]) -> str:
    matrix: NDArray[np.float64] = np.array(shares)
    return charts.data_uri(charts.confusion_png(matrix), "image/png")


def _share(value: float | None) -> str:
    """A share with three decimals, as thresholds are written; a dash for none."""
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    """A change of a share with its sign; a dash for none."""
    return "-" if value is None else f"{value:+.3f}"


def _duration(seconds: float) -> str:
    """`47 s`, `3 min 20 s` or `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
