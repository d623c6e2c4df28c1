"""The one place where a line, a message or a document is written to the terminal.

What people called their labels, speakers and files is shown as they wrote it, and acts on nothing.
"""

import typer

from schemas.secrets import masked
from schemas.text import json_on_a_terminal, visible


def say(line: str, *, err: bool = False) -> None:
    """Writes one line, whatever stands in it."""
    typer.echo(visible(masked(line)), err=err)


def say_message(text: str, *, err: bool = False) -> None:
    """Writes the lines of a message of ours."""
    typer.echo("\n".join(map(visible, masked(text).split("\n"))), err=err)


def say_json(document: str, *, nl: bool = True) -> None:
    """Writes JSON: exactly what was found, in which no character acts on a terminal."""
    typer.echo(json_on_a_terminal(document), nl=nl)
