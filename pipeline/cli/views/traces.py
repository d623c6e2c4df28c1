"""What is known of a speaker, on the terminal."""

from pipeline.cli.output import say
from pipeline.cli.views.terminal import console, table
from pipeline.erasure.forget import Traces
from schemas.splits import SPLITS


def print_traces(traces: Traces) -> None:
    """What is known of them, for people, and what forgetting them would do."""
    if traces.runs:
        others = {name for run in traces.runs for name in run.clips} - {*SPLITS}
        splits = (*SPLITS, *sorted(others))
        rows = table("run", "finished", *splits, "version", numbers=splits)
        for run in traces.runs:
            rows.add_row(
                str(run.run or "-"),
                f"{run.finished:%Y-%m-%d %H:%M}" if run.finished else "not judged",
                *(f"{len(run.clips.get(split, [])):,}" for split in splits),
                f"{run.version or '-'}{', served' if run.is_served else ''}",
            )
        console().print(rows)
    else:
        say(f"No run in this run directory used clips of {traces.speaker}")
    if traces.feedback:
        say(f"{traces.feedback:,} feedback clips are of {traces.speaker}")
    if traces.replace:
        say(f"To be replaced at the next retrain: {_versions(traces.replace)}")
    if traces.naming:
        say(
            f"{_versions(traces.naming)} names {traces.speaker} in verdict and model card, here and"
            " in the registry: what was published is never edited; it goes with the version"
        )
    for key in traces.named_in_workflow:
        say(f"The workflow names {traces.speaker} in {key}: take that out before a run")
    say(
        f"Your recordings and manifests stay as they are: {traces.rows:,} rows are of"
        f" {traces.speaker}; later runs leave them out"
    )


def _versions(numbers: list[int]) -> str:
    return f"version {', '.join(map(str, numbers))}"
