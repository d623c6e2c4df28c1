"""Progress on a terminal and in a log."""

import io
import logging
import os
import pty
import re
import time

import pytest

from pipeline.runners.console.progress import Progress, _Step
from schemas.progress import LOGGER_NAME, report_news, report_progress
from schemas.text import duration_text


def test_plain_lines_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    with Progress(out, ["Read", "Train", "Push"]) as progress:
        progress.start("Read")
        for done in range(100):  # all within ten seconds: a log needs none of them
            report_progress(done, 100, "clips")
        assert 0 <= progress.finish("Read", "reused") < 10
        progress.start("Train")
        progress.finish("Train", "done")
    assert re.sub(r"\d\.\d s", "# s", out.getvalue()).splitlines() == [
        "Read: running",
        "Read: reused (# s)",
        "Train: running",
        "Train: done (# s)",
    ]


def test_news_of_a_step_is_said_at_once() -> None:
    out = io.StringIO()
    with Progress(out, ["Read", "Train"]) as progress:
        progress.start("Train")
        report_news("going on")
    assert out.getvalue().splitlines() == ["Train: running", "Train: going on"]


def test_a_plain_progress_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    now_s = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    with Progress(out, ["Read"]) as progress:
        progress.start("Read")
        for done in range(0, 301, 10):  # 10 clips a second for 30 seconds
            report_progress(done, 600, "clips", "fast")
            now_s += 1.0
    assert out.getvalue().splitlines() == [
        "Read: running",
        "Read: 100 of 600 clips, 50.0 s left, fast",
        "Read: 200 of 600 clips, 40.0 s left, fast",
        "Read: 300 of 600 clips, 30.0 s left, fast",
    ]


def test_a_step_that_an_error_ends_has_failed() -> None:
    out = io.StringIO()
    with pytest.raises(KeyError), Progress(out, ["Read", "Train"]) as progress:
        progress.start("Read")
        progress.finish("Read", "done")
        progress.start("Train")
        raise KeyError
    assert out.getvalue().splitlines()[-1].startswith("Train: failed")


def test_the_logger_is_left_as_it_was() -> None:
    logger = logging.getLogger(LOGGER_NAME)
    before = (logger.level, logger.propagate, list(logger.handlers))
    with Progress(io.StringIO(), ["Read"]):
        assert len(logger.handlers) == len(before[2]) + 1
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


def test_a_terminal_shows_every_step_and_where_the_running_one_is() -> None:
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as out, Progress(out, ["Read", "Train", "Push"]) as progress:
        progress.start("Read")
        progress.finish("Read", "done")
        progress.start("Train")
        report_progress(0, 4, "epochs")
        report_progress(1, 4, "epochs", "loss 0.5")
        raw = b""
        while not re.search(rb"1 of 4 epochs, \d+\.\d s left, loss 0\.5", raw):
            raw += os.read(controller, 1 << 16)
    shown = raw.decode(errors="replace")
    os.close(controller)
    assert "✓" in shown
    assert "waiting" in shown
    assert "━" in shown


def test_time_left_is_by_the_speed_since_the_first_report() -> None:
    step = _Step("Train")
    step.report(100.0, 5, 50, "steps", "")
    assert step.time_left_s(100.0) is None  # one report has no speed
    step.report(110.0, 10, 50, "steps", "")  # 5 steps in 10 seconds, 40 to go
    assert step.time_left_s(110.0) == pytest.approx(80.0)
    step.report(120.0, 1, 30, "epochs", "")  # something else is counted now
    assert step.time_left_s(120.0) is None
    step.report(130.0, 30, 30, "epochs", "")
    assert step.time_left_s(130.0) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (245.2, "4 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration_text(seconds) == words


def test_a_line_that_is_no_report_is_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    with Progress(out, ["Read"]) as progress:
        progress.start("Read")
        logging.getLogger(LOGGER_NAME).info("not JSON")
        progress.finish("Read", "done")
    assert "Read: done" in out.getvalue()
