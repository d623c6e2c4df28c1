"""Field clips on the terminal."""

from pipeline.cli.output import say
from pipeline.cli.views.terminal import console, table
from pipeline.datasets.feedback import Added, FeedbackClip


def print_added(added: Added) -> None:
    """A line for each file; what is wrong goes to stderr."""
    for clip in added.added:
        answered = f"; the served model says {clip.answered!r}" if clip.answered else ""
        kind = "must pass" if clip.must_pass else clip.split
        say(f"{clip.source}: {clip.label} ({kind}) as {clip.id}{answered}")
    for clip in added.known:
        say(f"{clip.source}: is there already as {clip.id}")
    for file, reason in added.refused.items():
        say(f"{file}: {reason}", err=True)
    for note in added.notes:
        say(f"  - {note}", err=True)


def print_feedback(clips: list[FeedbackClip]) -> None:
    """A table for people."""
    headings = ("id", "label", "answered", "speaker", "for", "origin", "added", "source")
    rows = table(*headings, fold=headings, whole=["id"])
    for clip in clips:
        rows.add_row(
            clip.id,
            clip.label,
            clip.answered or "",
            clip.speaker or "",
            "must pass" if clip.must_pass else clip.split,
            clip.origin,
            f"{clip.added.astimezone():%Y-%m-%d %H:%M}",
            clip.source,
        )
    console().print(rows)


def print_removed(gone: FeedbackClip) -> None:
    """What is there no longer."""
    say(f"Removed {gone.id}: {gone.label}, {gone.source}")
