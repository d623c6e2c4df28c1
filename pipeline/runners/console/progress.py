"""Draws a run on the terminal: a line for each step, a bar for the one that is running.

Listens to what components say through `schemas.progress`. Where the output is not a terminal it
writes plain lines, few enough for a log. Knows nothing of what the steps do.
"""

import json
import logging
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipeline.dag.steps import STEPS
from schemas.outcomes import StepOutcome
from schemas.progress import LOGGER_NAME
from schemas.text import duration_text, visible

_PLAIN_INTERVAL_S = 10.0  # between two progress lines where there is no terminal
_MARKS = {
    "done": ("✓", "green"),
    "reused": ("=", "cyan"),
    "stopped": ("■", "yellow"),
    "failed": ("✗", "bold red"),
}


class _Step:
    """One step: how it stands, and since when."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcome: StepOutcome | None = None
        self.started_s: float | None = None
        self.seconds = 0.0
        self.done = 0
        self.total = 0
        self.unit = ""
        self.note = ""
        self.first_report: tuple[float, int] | None = None

    @property
    def is_running(self) -> bool:
        return self.started_s is not None and self.outcome is None

    def report(self, now_s: float, done: int, total: int, unit: str, note: str) -> None:
        if unit != self.unit or done < self.done:
            self.first_report = None
        if self.first_report is None:
            self.first_report = (now_s, done)
        self.done, self.total, self.unit, self.note = done, total, unit, note

    def time_left_s(self, now_s: float) -> float | None:
        """By the speed since the first report; None before there is one."""
        if self.first_report is None or self.done >= self.total:
            return None
        since_s, first = self.first_report
        if self.done <= first:
            return None
        return max(0.0, (now_s - since_s) / (self.done - first) * (self.total - self.done))


class Progress:
    """The steps of a run as they go by; use as a context manager around the run.

    Thread-safe as far as `logging` and rich's `Live` are: reports may come from any thread.
    """

    def __init__(self, terminal: TextIO | None = None, steps: Iterable[str] = STEPS) -> None:
        self._console = Console(file=terminal, highlight=False, markup=False, emoji=False)
        self._steps = {name: _Step(name) for name in steps}
        self._handler = _ReportHandler(self)
        self._spinner = Spinner("line", style="yellow")
        self._live: Live | None = None
        self._last_line_s = 0.0

    def __enter__(self) -> "Progress":
        logger = logging.getLogger(LOGGER_NAME)
        self._saved = (logger.level, logger.propagate)
        logger.setLevel(logging.INFO)
        logger.propagate = False  # drawn here; a log has no use for it
        logger.addHandler(self._handler)
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._draw,
                refresh_per_second=8,
                # A run redirects both to its log; rich must not take them back.
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        logger = logging.getLogger(LOGGER_NAME)
        logger.removeHandler(self._handler)
        logger.setLevel(self._saved[0])
        logger.propagate = self._saved[1]
        if error is not None:
            for step in self._steps.values():
                if step.is_running:
                    self.finish(step.name, "failed")
        if self._live is not None:
            self._live.stop()
            self._live = None

    def start(self, component: str) -> None:
        """Says that `component` runs now."""
        step = self._steps.setdefault(component, _Step(component))
        step.outcome, step.started_s = None, time.monotonic()
        self._say(f"{component}: running")

    def finish(self, component: str, outcome: StepOutcome) -> float:
        """Says how `component` ended; returns the seconds it took."""
        step = self._steps.setdefault(component, _Step(component))
        if step.started_s is not None:
            step.seconds = time.monotonic() - step.started_s
        step.outcome = outcome
        self._say(f"{component}: {outcome} ({duration_text(step.seconds)})")
        return step.seconds

    def report(self, done: int, total: int, unit: str, note: str) -> None:
        """Says how far the running step is."""
        now_s = time.monotonic()
        for step in self._steps.values():
            if step.is_running:
                step.report(now_s, done, total, unit, note)
                if now_s - self._last_line_s >= _PLAIN_INTERVAL_S:
                    self._say(f"{step.name}: {_how_far(step, now_s)}")

    def report_news(self, text: str) -> None:
        """Says a line of the running step, which stays."""
        for step in self._steps.values():
            if step.is_running:
                self._console.print(visible(f"{step.name}: {text}"), soft_wrap=True)
                self._console.file.flush()

    def _say(self, line: str) -> None:
        if self._live is None:
            self._last_line_s = time.monotonic()
            self._console.print(visible(line), soft_wrap=True)
            self._console.file.flush()

    def _draw(self) -> RenderableType:
        now_s = time.monotonic()
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(width=max(map(len, self._steps)))
        table.add_column(justify="right", width=9)
        table.add_column(overflow="ellipsis", no_wrap=True)
        bar: list[RenderableType] = []
        for step in self._steps.values():
            if step.outcome is not None:
                mark, style = _MARKS[step.outcome]
                took = Text(duration_text(step.seconds), style="dim")
                word = "" if step.outcome == "done" else step.outcome
                table.add_row(Text(mark, style=style), step.name, took, Text(word, style=style))
            elif step.started_s is not None:
                took = Text(duration_text(now_s - step.started_s))
                name, far = Text(step.name, style="bold"), Text(visible(_how_far(step, now_s)))
                table.add_row(self._spinner, name, took, far)
                if step.total:
                    bar = [ProgressBar(step.total, min(step.done, step.total), width=50)]
            else:
                table.add_row("", Text(step.name, style="dim"), "", Text("waiting", style="dim"))
        return Group(table, *bar)


class _ReportHandler(logging.Handler):
    """Hands the JSON lines of `schemas.progress` to a Progress."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.INFO)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = json.loads(record.getMessage())
            report = self._progress.report_news if "text" in said else self._progress.report
            report(**said)
        except (TypeError, ValueError):
            self.handleError(record)


def _how_far(step: _Step, now_s: float) -> str:
    if not step.total:
        return "running"
    parts = [f"{step.done:,} of {step.total:,} {step.unit}"]
    left_s = step.time_left_s(now_s)
    if left_s is not None:
        parts.append(f"{duration_text(left_s)} left")
    return ", ".join([*parts, *([step.note] if step.note else [])])
