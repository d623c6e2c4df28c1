"""What the views share: the console, and how a table looks."""

import os
from collections.abc import Collection

from rich.console import Console
from rich.table import Table


def console() -> Console:
    """Of standard output as it is now: made when it is needed, since tests exchange it."""
    return Console(highlight=False)


def shown_place(place: object) -> str:
    """A path as it is called from here; a URI as it is."""
    return str(place) if "://" in str(place) else os.path.relpath(str(place))


def table(
    *headings: str,
    title: str | None = None,
    numbers: Collection[str] = (),
    fold: Collection[str] = (),
    whole: Collection[str] = (),
) -> Table:
    """An empty table with these columns: `numbers` are set to the right, `fold` go on in the next
    line where they are too long, and `whole` are never broken.
    """
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for heading in headings:
        made.add_column(
            heading,
            justify="right" if heading in numbers else "left",
            overflow="fold" if heading in fold else "ellipsis",
            no_wrap=heading in whole,
        )
    return made
