"""Spectrograms against closed forms; curves as well-formed SVG that follows the theme."""

import io
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from components.pages.drawing import (
    best_epoch,
    loss_svg,
    metric_svg,
    spectrogram_png,
    waveform_svg,
)
from schemas.reports.training import Epoch

RATE = 16000


def brightness(png: bytes) -> np.ndarray:
    """Sum of the colours, [rows from the top, columns]."""
    return imread(io.BytesIO(png), format="png")[..., :3].sum(axis=-1)


def tone(hertz: float, samples: int = RATE) -> np.ndarray:
    return (20_000 * np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)).astype(np.int16)


@pytest.mark.parametrize("hertz", [300, 1000, 4000])
def test_a_tone_is_a_line_at_its_mel(hertz: float) -> None:
    picture = brightness(spectrogram_png(tone(hertz), RATE))
    assert picture.shape == (64, 98)  # 1 + (16000 - 400) // 160 frames
    mel = np.array([1127 * math.log(1 + f / 700) for f in (20, hertz, 8000)])
    band = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 65 - 1  # of 64 triangles
    rows = picture.mean(axis=1)[::-1].argmax()
    assert abs(rows - band) <= 1


def test_time_goes_to_the_right() -> None:
    later = np.concatenate([np.zeros(RATE // 2, np.int16), tone(1000, RATE // 2)])
    picture = brightness(spectrogram_png(later, RATE))
    assert picture[:, :40].max() < 0.1
    assert picture[:, 60:].max() > 2


@pytest.mark.parametrize("samples", [0, 1, 399, RATE])
def test_silence_and_less_than_a_frame_are_black(samples: int) -> None:
    assert brightness(spectrogram_png(np.zeros(samples, np.int16), RATE)).max() < 0.1


def test_a_long_clip_stays_narrow() -> None:
    png = spectrogram_png(tone(1000, 60 * RATE), RATE)
    assert brightness(png).shape[1] <= 240
    assert len(png) < 100_000


def outline(svg: str) -> tuple[np.ndarray, np.ndarray]:
    """Height of both edges of a waveform, 1 for its loudest sample, from left to right."""
    element = ElementTree.fromstring(svg)
    points = element.find("path").get("d").strip("MZ").split("L")
    x, y = np.array([list(map(float, point.split())) for point in points]).T
    half = len(points) // 2
    assert x.tolist() == [*range(half), *reversed(range(half))]
    heights = 1 - y / float(element.get("viewBox").split()[3]) * 2
    return heights[:half], heights[half:][::-1]


def test_a_waveform_is_as_high_as_its_samples() -> None:
    clip = np.concatenate([np.zeros(RATE // 2), np.linspace(0, 1000, RATE // 2)])
    above, below = outline(waveform_svg((clip * np.resize([1, -0.5], RATE)).astype(np.int16), "x"))
    assert len(above) == 120
    expected = np.concatenate([np.zeros(60), np.linspace(0, 1, 61)[1:]])
    np.testing.assert_allclose(above, expected, atol=0.02)
    np.testing.assert_allclose(below, -expected / 2, atol=0.02)


@pytest.mark.parametrize("clip", [[], [0] * 500, [-32768], [5, -5]])
def test_a_waveform_of_next_to_nothing_lies_inside_its_frame(clip: list[int]) -> None:
    svg = waveform_svg(np.array(clip, np.int16), 'of "a" <b>')
    assert ElementTree.fromstring(svg).get("aria-label") == 'of "a" <b>'
    for edge in outline(svg):
        assert np.abs(edge).max() <= 1


def epoch(number: int, val_loss: float) -> Epoch:
    return Epoch(
        epoch=number,
        loss=1.0,
        metric="accuracy",
        value=0.5,
        val_loss=val_loss,
        val_value=0.5,
        learning_rate=0.1,
        seconds=1.0,
    )


@pytest.mark.parametrize("draw", [loss_svg, metric_svg])
@pytest.mark.parametrize("losses", [[3.0, 2.0, 2.5], [1.0], [math.nan, 2.0], [math.nan]])
def test_curves_are_one_svg_element_in_the_colours_of_the_page(draw, losses) -> None:
    svg = draw([epoch(i + 1, loss) for i, loss in enumerate(losses)])
    element = ElementTree.fromstring(
        svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1)
    )
    assert element.tag == "{http://www.w3.org/2000/svg}svg"
    assert element.get("role") == "img"
    assert f"from epoch 1 to {len(losses)}" in element.get("aria-label")
    assert "currentColor" in svg
    assert "var(--eval)" in svg
    assert "<metadata" not in svg
    assert "#0" not in svg.replace("url(#", "").replace('href="#', "")
    axis = {"loss", "epoch"} if draw is loss_svg else {"accuracy", "epoch"}
    assert {e.text for e in element.iter() if e.tag.endswith("text")} >= {"train", "eval"} | axis


def test_the_best_epoch_has_the_lowest_eval_loss() -> None:
    assert best_epoch([epoch(1, 3.0), epoch(2, math.nan), epoch(3, 1.0), epoch(4, 2.0)]).epoch == 3
    assert best_epoch([epoch(1, math.nan)]) is None
    assert best_epoch([]) is None
