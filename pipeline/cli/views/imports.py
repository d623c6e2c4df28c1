"""What became of a data set that was imported, on the terminal."""

from pathlib import Path

import typer

from pipeline.datasets.importers import Imported


def print_import(imported: Imported, output: Path) -> None:
    """The manifest, and the rows that were left out, by reason."""
    typer.echo(f"Wrote {output}: {imported.rows:,} rows")
    if imported.root is not None:
        typer.echo(
            f"  recordings lie elsewhere: the workflow's `data` needs `root: {imported.root}`"
        )
    for reason, count in imported.skipped.most_common():
        first = next((s.place for s in imported.first_skipped if s.reason == reason), "")
        typer.echo(f"  left out {count:,}: {reason}{f', the first: {first}' if first else ''}")
