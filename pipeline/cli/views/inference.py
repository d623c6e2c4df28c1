"""What a batch inference did, on the terminal."""

from pipeline.cli.output import say
from pipeline.inference.batch import Inference


def print_inference(found: Inference) -> None:
    """Prints how many clips were answered, how fast, and where answers and rejects are."""
    if found.generated:
        say(f"{found.model} was trained on generated speech", err=True)
    speed = f", {found.clips_per_s:,.0f} clips/s" if found.clips_per_s else ""
    reused = f", {found.reused:,} of them before" if found.reused else ""
    say(
        f"{found.clips:,} clips answered by version {found.version} of {found.model}"
        f"{reused}{speed}: {found.output}"
    )
    if found.rejects:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.rejects.items())
        say(f"{sum(found.rejects.values()):,} rejected ({reasons}): {found.rejects_file}")
