"""The picture shows what it says: colour where something was attributed, times in its words."""

import io

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from components.explanation.attribution import Attribution, Frames
from components.explanation.picture import explanation_png, explanation_text

FRAMES = Frames(sample_rate=1000, frame_length=20, frame_step=20)


def attribution(start: int, weight: float = 0.1) -> Attribution:
    """`weight` in bins 2 and 3 of five frames from `start`."""
    values = np.zeros([50, 8])
    values[start : start + 5, 2:4] = weight
    return Attribution(
        frames=FRAMES,
        features=np.random.default_rng(0).normal(size=[50, 8]).astype(np.float32),
        pause=np.zeros(8, np.float32),
        values=values,
        score=0.9,
        silence_score=0.2,
        blur_frames=1,
    )


def redness(png: bytes) -> np.ndarray:
    """Red above blue in the upper panel, left of the colour bar: [rows, columns]."""
    pixels = imread(io.BytesIO(png), format="png")
    rows, columns = pixels.shape[:2]
    upper = pixels[: rows // 2, : int(columns * 0.8)]
    return upper[..., 0] - upper[..., 2]


@pytest.mark.parametrize(("start", "left_half"), [(5, True), (40, False)])
def test_red_lies_where_something_was_attributed(start: int, left_half: bool) -> None:
    red = redness(explanation_png({"gradients": attribution(start)}, "yes")) > 0.25
    columns = np.flatnonzero(red.any(axis=0))
    assert len(columns)
    assert (columns < red.shape[1] / 2).all() == left_half
    rows = np.flatnonzero(red.any(axis=1))
    assert rows.min() > red.shape[0] / 2  # bins 2 and 3 of 8, counted from below


def test_blue_speaks_against_the_label() -> None:
    red = redness(explanation_png({"gradients": attribution(5, weight=-0.1)}, "no"))
    assert red.min() < -0.25
    assert red.max() < 0.25


def test_the_words_say_which_times_decided() -> None:
    both = {"gradients": attribution(5), "occlusion": attribution(20)}
    assert explanation_text(both, "yes") == (
        "Decided most for yes (score 0.900, in silence 0.200): by gradients, 0.10 to 0.20 s (87%);"
        " by occlusion, 0.40 to 0.50 s (87%)."
    )


def test_the_words_lie_in_the_picture_and_its_bytes_repeat() -> None:
    found = {"gradients": attribution(5)}
    png = explanation_png(found, "ja, schön")
    with Image.open(io.BytesIO(png)) as image:
        assert image.text == {"Description": explanation_text(found, "ja, schön")}
    assert explanation_png(found, "ja, schön") == png


def test_a_page_shines_through_only_where_it_is_asked_to() -> None:
    def alpha(png: bytes) -> np.ndarray:
        return imread(io.BytesIO(png), format="png")[..., 3]

    found = {"gradients": attribution(5)}
    assert alpha(explanation_png(found, "yes")).min() == 1
    clear = alpha(explanation_png(found, "yes", ground="none"))
    assert clear[:5].max() == 0
    assert clear.max() == 1


def test_nothing_attributed_is_a_picture_too() -> None:
    assert redness(explanation_png({"gradients": attribution(5, weight=0.0)}, "x")).max() < 0.1


@pytest.mark.parametrize("label", ["$\\frac$", "\x1b[31m", "a\nb", "左", "[/b]"])
def test_any_label_can_be_drawn(label: str) -> None:
    assert explanation_png({"gradients": attribution(5)}, label).startswith(b"\x89PNG")
