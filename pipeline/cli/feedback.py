"""Commands about what comes back from the field: clips that were answered wrong, and speakers who
want to be forgotten.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.arguments import AsJson, WorkflowFile, load, show
from pipeline.cli.output import say, say_json
from schemas.errors import InputError
from schemas.text import visible

app = typer.Typer()


@app.command()
def feedback(
    file: WorkflowFile,
    audio: Annotated[
        list[Path] | None, typer.Argument(metavar="[AUDIO...]", help="Audio files.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="The label of the clips.")] = None,
    speaker: Annotated[str | None, typer.Option(help="The speaker.")] = None,
    origin: Annotated[str, typer.Option(help="Where the clips come from.")] = "field",
    must_pass: Annotated[
        bool, typer.Option("--must-pass", help="Refuse every model that answers them wrong.")
    ] = False,
    ask: Annotated[
        bool | None, typer.Option(help="Store what the published model answers to them.")
    ] = None,
    relabel: Annotated[
        bool, typer.Option("--relabel", help="Replace the label of a clip that is there.")
    ] = False,
    new_label: Annotated[
        bool, typer.Option("--new-label", help="Allow a label that the workflow does not know.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the clips.")] = False,
    remove: Annotated[
        str | None, typer.Option(metavar="ID", help="Remove the clip with this id.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add clips from the field to the data of later runs.

    Clips are copied to the run directory and used for training. With --must-pass they are used for
    testing instead: they do not count in the accuracy, but no model that answers one of them wrong
    is published. Clips that cannot be read are named, and the exit code is then 2.

    \b
      auricle feedback workflow.yaml clip.wav --label stop --speaker ann
      auricle feedback workflow.yaml clip.wav --label stop --must-pass
      auricle feedback workflow.yaml --list
      auricle feedback workflow.yaml --remove feedback-6f1ed002ab559585
    """
    project = load(file)
    from pipeline.cli.views.feedback import print_added, print_feedback, print_removed
    from pipeline.datasets import feedback as feedbacks

    if remove is not None:
        gone = feedbacks.remove_feedback(project, remove)
        show(gone, as_json, print_removed)
        return
    if list_:
        clips = feedbacks.list_feedback(project)
        if as_json:
            say_json(feedbacks.clips_as_json(clips))
        else:
            print_feedback(clips)
        return
    if not audio or not (label or "").strip():
        raise InputError("feedback takes audio files and their --label; or --list, or --remove ID")
    assert label is not None
    given = feedbacks.Feedback(label=label, speaker=speaker, must_pass=must_pass, origin=origin)
    added = feedbacks.add_feedback(
        project, audio, given, ask=ask, relabel=relabel, new_label=new_label
    )
    if as_json:
        say_json(added.model_dump_json(indent=2, exclude_none=True))
    else:
        print_added(added)
    if added.refused:
        raise typer.Exit(2)


@app.command()
def forget(
    file: WorkflowFile,
    speaker: Annotated[str, typer.Option(help="The name of the speaker.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove them without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget a speaker: list where their clips are, and remove them.

    Lists every run that used their clips, by split (with --json also the clips' ids), and the
    versions that were trained on them. With --yes those versions are marked to be replaced, and
    served until the next training does; the clips are removed from examples, shards, feedback,
    score tables and reports, logs that name the speaker are deleted, and later runs leave them out.
    Your own recordings and manifests are not changed. Without --yes it asks on a terminal, and
    elsewhere only lists.

    \b
      auricle forget workflow.yaml --speaker ann
      auricle forget workflow.yaml --speaker ann --yes
    """
    project = load(file)
    from pipeline.cli.views.traces import print_traces
    from pipeline.erasure import forget as forgetting

    traces = forgetting.trace(project, speaker)
    show(traces, as_json, print_traces)
    if not traces.is_left and not yes:
        say(f"{speaker} is forgotten already", err=True)
        return
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Forget {visible(speaker)}?")):
        say("Nothing was changed; --yes does it", err=True)
        return
    given = forgetting.forget(project, speaker)
    for line in given:
        say(f"  - {line}", err=as_json)
    say(f"Forgotten: {speaker}; the next `auricle run` trains without them", err=as_json)
