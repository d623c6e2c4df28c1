"""What was written for recordings, on the terminal: a manifest, or a workflow."""

from pipeline.cli.output import say
from pipeline.datasets.download import KnownDataSets
from pipeline.datasets.importers import Imported
from pipeline.datasets.scaffold import NewWorkflow, data_text


def print_workflow(new: NewWorkflow) -> None:
    """The workflow file, what to know of the recordings, and what comes next."""
    print_written(new)
    say(f"Next: auricle plan {new.file}")


def print_written(new: NewWorkflow, *, err: bool = False) -> None:
    """The workflow file, and what to know of the recordings."""
    say(f"Wrote {new.file}: {data_text(new.clips, new.labels, new.speakers)}", err=err)
    for remark in new.remarks:
        say(f"  {remark}", err=err)


def print_data_sets(known: KnownDataSets) -> None:
    """A line for each data set that can be fetched."""
    for name, data_set in known.data_sets.items():
        size = f"{data_set.size_bytes / 1e6:,.0f} MB"
        say(f"{name:<28} {size:>9}  {data_set.licence:<13}  {data_set.url}")


def print_import(imported: Imported) -> None:
    """The manifest, and the rows that were left out, by reason."""
    say(f"Wrote {imported.manifest}: {imported.rows:,} rows")
    if imported.root is not None:
        say(f"  recordings lie elsewhere: the workflow's `data` needs `root: {imported.root}`")
    first = {skipped.reason: skipped for skipped in imported.first_skipped}
    for reason, count in imported.skipped.most_common():
        got = f" (got {first[reason].got})" if first[reason].got else ""
        say(f"  left out {count:,}: {reason}, the first: {first[reason].place}{got}")
    places = {noted.note: noted.place for noted in imported.first_noted}
    for note, count in imported.noted.most_common():
        say(f"  note {count:,}: {note}, the first: {places[note]}")
    for sentence in imported.notes:
        say(f"  {sentence}")
