"""A plan on the terminal."""

from collections import Counter
from collections.abc import Iterator

from rich.table import Table

from components.evaluation.formatting import amount_text
from pipeline.cli.views.at_scale import print_at_scale
from pipeline.cli.views.terminal import console, headed, table
from pipeline.datasets.dry_run import Plan
from pipeline.datasets.rows import left_out_text
from schemas.text import some

_MOST_CLASSES = 40  # shown on the terminal
_MOST_NAMED = 5  # of the files that are ignored
_MOST_RECORDINGS = 10  # of the background, likewise


def print_plan(plan: Plan) -> None:
    """Prints the plan for people."""
    screen = console()
    speakers = len({name for counts in plan.splits.values() for name in counts.speakers})
    labels = sorted({name for counts in plan.splits.values() for name in counts.labels})
    about = "about " if plan.hours_are_estimated else ""
    speech = " of generated speech" if plan.generated else ""
    screen.print(
        headed(
            plan.name,
            f": {plan.clips:,} clips{speech}, {about}{plan.hours:.2f} hours, {len(labels)} classes,"
            f" {speakers or 'unknown'} speakers",
        )
    )
    if plan.feedback:
        screen.print(f"{plan.feedback:,} rows are feedback from the field")
    if plan.forgotten:
        screen.print(f"{plan.forgotten:,} rows of forgotten speakers are left out")
    for line in _left_out(plan):
        screen.print(line)
    screen.print("", _splits_table(plan), sep="\n")
    if plan.split_by == "clip":
        screen.print("Split by clip, since some rows name no speaker: voices can leak into test.")
    screen.print("", _classes_table(plan, labels), sep="\n")
    if plan.rejects:
        screen.print("", _rejects_table(plan), sep="\n")
    if plan.background:
        screen.print("", _background_table(plan), sep="\n")
    for outlook in plan.outlooks:
        screen.print(outlook.message)
    screen.print("", _steps_table(plan), "", sep="\n")
    free = "" if plan.free_bytes is None else f" ({plan.free_bytes / 1e6:,.0f} MB free)"
    screen.print(
        f"Writes about {plan.needed_bytes / 1e6:,.0f} MB to {plan.run_directory}{free}",
        soft_wrap=True,
    )
    if plan.at_scale is not None:
        print_at_scale(plan.at_scale)


def _left_out(plan: Plan) -> Iterator[str]:
    """What is no part of any count, and what to know of the rest, in words."""
    if plan.left_out:
        yield left_out_text(plan.left_out)
    if plan.ignored:
        yield f"Ignored, no recordings: {some(plan.ignored, _MOST_NAMED)}"
    yield from plan.notes


def _splits_table(plan: Plan) -> Table:
    numbers = ("clips", "hours", "classes", "speakers")
    rows = table("split", *numbers, title=f"Splits, by {plan.split_by}", numbers=numbers)
    for name, counts in plan.splits.items():
        speakers = f"{len(counts.speakers):,}" if counts.speakers else "-"
        rows.add_row(
            name, f"{counts.clips:,}", f"{counts.hours:.2f}", f"{len(counts.labels):,}", speakers
        )
    return rows


def _classes_table(plan: Plan, labels: list[str]) -> Table:
    numbers = (*plan.splits, "all")
    rows = table("label", *numbers, title="Clips by class", numbers=numbers)
    for label in labels[:_MOST_CLASSES]:
        clips = [counts.labels.get(label, 0) for counts in plan.splits.values()]
        rows.add_row(label, *(f"{count:,}" for count in clips), f"{sum(clips):,}")
    if len(labels) > _MOST_CLASSES:
        rows.add_row(f"and {len(labels) - _MOST_CLASSES} more")
    return rows


def _background_table(plan: Plan) -> Table:
    rows = table("recording", "hours", title="Background", numbers=["hours"])
    for recording in plan.background[:_MOST_RECORDINGS]:
        rows.add_row(recording.name, amount_text(recording.hours))
    if len(plan.background) > _MOST_RECORDINGS:
        rows.add_row(f"and {len(plan.background) - _MOST_RECORDINGS} more")
    rows.add_row("all", amount_text(sum(recording.hours for recording in plan.background)))
    return rows


def _rejects_table(plan: Plan) -> Table:
    headings = ("reason", "rows", "the first of them")
    found = table(*headings, title="Would be rejected", numbers=["rows"])
    counts = Counter(reject.reason for reject in plan.rejects)
    first = {reject.reason: reject for reject in reversed(plan.rejects)}
    for reason, rows in counts.most_common():
        example = first[reason]
        # A reject of a manifest's row already begins with its place.
        detail = (
            example.detail
            if example.detail.startswith(example.id)
            else f"{example.id}: {example.detail}"
        )
        found.add_row(reason, f"{rows:,}", detail)
    return found


def _steps_table(plan: Plan) -> Table:
    rows = table("step", "does", title="Steps")
    for step in plan.steps:
        rows.add_row(step.name, step.does)
    return rows
