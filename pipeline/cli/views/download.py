"""A download as it goes on, on the terminal."""

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from pipeline.datasets.download import Received


@contextlib.contextmanager
def download_bar() -> Iterator[Received]:
    """Yields what draws a bar on standard error when it is told of bytes; nothing in a pipe."""
    console = Console(stderr=True, quiet=not sys.stderr.isatty())
    with Progress(BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("", total=None, visible=False)

        def received(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield received
