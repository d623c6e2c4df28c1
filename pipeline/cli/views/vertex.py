"""Pipelines on Vertex AI, on the terminal."""

from typing import TYPE_CHECKING

from pipeline.cli.output import say

if TYPE_CHECKING:
    from pipeline.runners.vertex import Compiled
    from pipeline.runners.vertex_submit import Submitted
    from pipeline.scheduling.vertex_schedule import Scheduled


def print_compiled(compiled: "Compiled", wants_registry: bool) -> None:
    """What was written for another orchestrator."""
    say(f"Wrote {compiled.file} for {compiled.target}")
    if compiled.index:
        say(f"  copy {compiled.index} to the run directory before it starts")
    if wants_registry and not compiled.has_registry:
        say("  versions will not be registered: run.vertex names no project and region")


def print_submitted(submitted: "Submitted") -> None:
    """What was started, and where to watch it."""
    say(f"Started {submitted.job}")
    say(f"  {submitted.page}")


def print_scheduled(scheduled: "Scheduled") -> None:
    """A schedule that Vertex AI keeps."""
    say(f"Vertex AI keeps {scheduled.schedule}")
    next_look = f"; next look {scheduled.next_look} UTC" if scheduled.next_look else ""
    say(f"  {scheduled.cron}{next_look}")


def print_ended(submitted: "Submitted") -> None:
    """What became of a job."""
    if submitted.outcome == "not published":
        say("Nothing was published: a gate refused the model; the report says why")
    else:
        say(f"Published version {submitted.version}: {submitted.pushed_to}")
