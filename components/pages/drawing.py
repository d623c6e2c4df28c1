"""Draws: spectrograms as PNG; waveforms and training curves as SVG in the colours of the page."""

import base64
import contextlib
import html
import io
import math
import re
from collections.abc import Callable, Iterator
from operator import itemgetter

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from components.audio.mel import fft_length, hann_window, mel_weight_matrix, num_frames
from components.audio.pcm16 import to_waveform
from schemas.reports.training import Epoch

_FRAME_S = 0.025
_STEP_S = 0.010
_NUM_MEL_BINS = 64
_MIN_FFT_LENGTH = 1024  # zero-padded, so that no mel band is left without a bin
_RANGE_DB = 70.0  # from the loudest band down to black
_MAX_COLUMNS = 240
_MAX_FRAMES = 4 * _MAX_COLUMNS  # of a long clip, four to a column
_MAX_POINTS = 120  # of a waveform
_WAVE_HEIGHT = 40

# Colours that stand for the page's own; a browser resolves them in light, dark and print.
_THEME = {"#010101": "currentColor", "#020202": "var(--line)", "#030303": "var(--train)"}
_THEME["#040404"] = "var(--eval)"
INK, _LINE, _TRAIN, EVAL = _THEME


def data_uri(content: bytes, media_type: str) -> str:
    """The content as a `data:` URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def spectrogram_png(waveform: NDArray[np.int16], sample_rate: int) -> bytes:
    """Log-mel spectrogram of int16 [samples] as a PNG: time to the right, frequency up.

    64 mel bands from 20 Hz to half the rate, 25 ms frames every 10 ms (fewer of a long clip),
    70 dB of range below the loudest. A silent clip, or one shorter than a frame, is black.
    """
    return _png(_log_mel_db(to_waveform(waveform), sample_rate))


def _log_mel_db(waveform: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Decibels below the loudest band, -70 to 0, float32 [bins, columns]."""
    frame_length = round(_FRAME_S * sample_rate)
    frame_step = max(round(_STEP_S * sample_rate), len(waveform) // _MAX_FRAMES)
    frames = num_frames(len(waveform), frame_length, frame_step)
    if frames == 0:
        return np.full((_NUM_MEL_BINS, 1), -_RANGE_DB, np.float32)
    starts = frame_step * np.arange(frames)[:, None]
    windowed = waveform[starts + np.arange(frame_length)] * hann_window(frame_length)
    size = max(_MIN_FFT_LENGTH, fft_length(frame_length))
    power = np.abs(np.fft.rfft(windowed, size)) ** 2
    mel = power @ mel_weight_matrix(_NUM_MEL_BINS, size // 2 + 1, sample_rate, 20, sample_rate / 2)
    step = -(-frames // _MAX_COLUMNS)
    columns = np.stack([mel[i : i + step].mean(axis=0) for i in range(0, frames, step)], axis=1)
    floor = max(columns.max() * 10 ** (-_RANGE_DB / 10), 1e-10)
    decibels: NDArray[np.float32] = 10 * np.log10(np.maximum(columns, floor) / floor) - _RANGE_DB
    return decibels


def _png(decibels: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    imsave(buffer, decibels, vmin=-_RANGE_DB, vmax=0, cmap="magma", origin="lower", format="png")
    return buffer.getvalue()


def waveform_svg(waveform: NDArray[np.int16], description: str) -> str:
    """The lowest and highest sample over time of int16 [samples], as an inline SVG element.

    As high as its loudest sample, so that quiet clips are seen too.
    """
    samples = waveform.astype(np.float64) if len(waveform) else np.zeros(1)
    starts = np.linspace(0, len(samples), min(_MAX_POINTS, len(samples)), endpoint=False).astype(
        int
    )
    loudest = np.abs(samples).max() or 1.0
    above, below = (
        [f"{x} {_WAVE_HEIGHT / 2 * (1 - value / loudest):.3g}" for x, value in enumerate(edge)]
        for edge in (np.maximum.reduceat(samples, starts), np.minimum.reduceat(samples, starts))
    )
    outline = "L".join([*above, *reversed(below)])
    return (
        f'<svg class="waveform" role="img" aria-label="{html.escape(description)}"'
        f' viewBox="0 0 {max(1, len(starts) - 1)} {_WAVE_HEIGHT}" preserveAspectRatio="none">'
        f'<path d="M{outline}Z"/></svg>'
    )


def loss_svg(epochs: list[Epoch]) -> str:
    """The loss by epoch on train and eval, as an inline SVG element."""
    return _curves_svg("Loss", epochs, [e.loss for e in epochs], [e.val_loss for e in epochs])


def metric_svg(epochs: list[Epoch]) -> str:
    """The task's metric by epoch on train and eval, as an inline SVG element."""
    name = epochs[0].metric.capitalize() if epochs else "Metric"
    return _curves_svg(name, epochs, [e.value for e in epochs], [e.val_value for e in epochs])


def best_epoch(epochs: list[Epoch]) -> Epoch | None:
    """The epoch of the lowest eval loss, whose weights are the model's; None without any."""
    losses = [(e.val_loss, e) for e in epochs if e.val_loss is not None]
    judged = [(loss, epoch) for loss, epoch in losses if math.isfinite(loss)]
    return min(judged, key=itemgetter(0))[1] if judged else None


def _curves_svg(
    what: str, epochs: list[Epoch], train: list[float], evaluated: list[float | None]
) -> str:
    numbers = [e.epoch for e in epochs]
    judged = [value for value in evaluated if value is not None]
    best = best_epoch(epochs)
    with drawn_axes(f"{what} by epoch", "epoch", what.lower()) as (axes, finish):
        marker = "o" if len(epochs) == 1 else ""
        axes.plot(numbers, train, color=_TRAIN, linewidth=2, marker=marker, label="train")
        if judged:
            axes.plot(numbers, judged, color=EVAL, linewidth=2, marker=marker, label="eval")
        if best is not None:
            axes.axvline(best.epoch, color=INK, linewidth=0.8, linestyle=":", label="kept")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    return finish(_description(what, numbers, train, judged))


@contextlib.contextmanager
def drawn_axes(title: str, across: str, up: str) -> Iterator[tuple[Axes, Callable[[str], str]]]:
    """Axes to draw on, and what makes the drawing an SVG element with a text alternative.

    `across` and `up` are the names of the axes.
    """
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 10}):
        figure = Figure(figsize=(5.2, 2.9), layout="constrained", facecolor="none")
        axes = figure.add_subplot(facecolor="none")
        yield axes, lambda description: _inline(buffer.getvalue(), description)
        axes.set_title(title, loc="left", color=INK, fontsize=10)
        axes.set_xlabel(across, color=INK)
        axes.set_ylabel(up, color=INK)
        axes.grid(color=_LINE, linewidth=0.8)
        axes.tick_params(colors=INK, length=0)
        axes.spines[:].set_visible(False)
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(buffer, metadata=no_metadata)


def _description(what: str, numbers: list[int], train: list[float], evaluated: list[float]) -> str:
    if not numbers:
        return f"{what} by epoch: no epochs"
    curves = [("train", train), ("eval", evaluated)]
    ends = [f"{name} {y[0]:.3f} to {y[-1]:.3f}" for name, y in curves if y]
    return f"{what} from epoch {numbers[0]} to {numbers[-1]}: {', '.join(ends)}"


def _inline(document: str, description: str) -> str:
    """The SVG element alone, in the page's colours and width, with a text alternative."""
    element = document[document.index("<svg") :]
    # Matplotlib counts most of its ids anew in each chart; a page may have an id only once.
    referred_to = set(re.findall(r'(?:url\(|href=")#([^")]+)', element))
    element = re.sub(
        r' id="([^"]*)"', lambda found: found[0] if found[1] in referred_to else "", element
    )
    for stand_in, colour in _THEME.items():
        element = element.replace(stand_in, colour)
    head = re.compile(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>')
    attributes = f'class="chart" role="img" aria-label="{html.escape(description)}"'
    return head.sub(rf'<svg xmlns="http://www.w3.org/2000/svg" \1 {attributes}>', element, count=1)
