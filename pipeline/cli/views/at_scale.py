"""An estimate for more hours of recordings, on the terminal."""

from rich.table import Table

from pipeline.cli.views.terminal import console, table
from pipeline.datasets.at_scale import AtScale


def print_at_scale(made: AtScale) -> None:
    """Prints the estimate for people: what was measured, what is assumed, what follows."""
    screen = console()
    sample, assumed = made.measured, made.assumed
    screen.print("", f"With {made.hours:,.6g} hours of such recordings:", "", sep="\n")
    screen.print(
        f"Measured here, on {sample.rows} rows: {1e3 * sample.ingest_cpu_s:.2f} ms of a core to"
        f" ingest a clip, {1e6 * sample.list_s:.0f} us to list it,"
        f" {1e3 * sample.train_s:.2f} ms on {sample.cores} cores to train on it once;"
        f" {sample.example_bytes:,.0f} bytes as an example, of {sample.clip_s:.2f} s.",
        f"Assumed: a worker is one such core with {assumed.worker_gb} GB and starts after"
        f" {assumed.worker_start_s:.0f} s; a store keeps {assumed.copies} copies of the examples;"
        f" list prices of {made.prices_as_of}, without discounts.",
        "",
        sep="\n",
    )
    screen.print(_amounts(made), "", _walls(made), "", _bill(made), sep="\n")
    screen.print("", "`--json` names the source of every price.", sep="\n")


def _amounts(made: AtScale) -> Table:
    rows = table("of", "amount", title="Amounts", numbers=["amount"])
    rows.add_row("clips", f"{made.clips:,}")
    rows.add_row("files", f"{made.files:,}")
    rows.add_row("shards", f"{made.shards:,}")
    if made.source_bytes is not None:
        rows.add_row("recordings, GB", f"{made.source_bytes / 1e9:,.1f}")
    rows.add_row("examples, GB", f"{made.example_bytes / 1e9:,.1f}")
    rows.add_row("index, GB", f"{made.index_bytes / 1e9:,.2f}")
    rows.add_row("ingest, hours of a worker", f"{made.ingest_worker_hours:,.2f}")
    rows.add_row("training, hours of this machine at most", f"{made.training_hours:,.2f}")
    return rows


def _walls(made: AtScale) -> Table:
    numbers = ("workers", "hours", "efficiency")
    rows = table(*numbers, title="Ingest by number of workers", numbers=numbers)
    for wall in made.walls:
        rows.add_row(f"{wall.workers:,}", f"{wall.hours:,.2f}", f"{wall.efficiency:.0%}")
    return rows


def _bill(made: AtScale) -> Table:
    headings = ("part", "price", "unit", "amount", "dollars")
    rows = table(*headings, title="Money, storage for a month", numbers=["amount", "dollars"])
    for cost in made.costs:
        price = cost.price
        unit = f"${price.dollars:g} a {price.unit}"
        rows.add_row(cost.what, price.name, unit, f"{cost.amount:,.2f}", f"{cost.dollars:,.2f}")
    rows.add_row("all", "", "", "", f"{made.dollars:,.2f}")
    return rows
