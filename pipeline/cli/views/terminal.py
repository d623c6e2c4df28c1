"""What the views share: the console, and how a table looks.

No text is markup here: `[noise]` is a label, and what would act on the terminal is spelled out.
"""

import os
from collections.abc import Collection
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.text import visible


class _Screen(Console):
    """Shows text as it is written."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*map(_shown, objects), **options)


class _Rows(Table):
    """Shows cells as they are written."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*map(_shown, cells), **options)


def console() -> Console:
    """Of standard output as it is now: made when it is needed, since tests exchange it."""
    return _Screen(highlight=False, markup=False, emoji=False)


def headed(heading: str, text: str) -> Text:
    """`text` after a heading in bold."""
    return Text.assemble((visible(heading), "bold"), visible(text))


def _shown(item: Any) -> Any:
    return Text(visible(item)) if isinstance(item, str) else item


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
    made = _Rows(
        title=title and visible(title),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for heading in headings:
        made.add_column(
            visible(heading),
            justify="right" if heading in numbers else "left",
            overflow="fold" if heading in fold else "ellipsis",
            no_wrap=heading in whole,
        )
    return made
