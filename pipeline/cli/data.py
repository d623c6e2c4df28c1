"""Commands about recordings: what comes before a run, and what it could not use."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli.arguments import (
    AsJson,
    WorkflowFile,
    WorkflowOrRecordings,
    checked_path,
    is_no_workflow,
    load,
    show,
)
from pipeline.cli.output import say, say_json
from schemas.errors import DataGateError, InputError

if TYPE_CHECKING:
    from pipeline.datasets.dry_run import Plan
    from pipeline.workspace.project import Project

app = typer.Typer()


@app.command()
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The recordings.", callback=checked_path)
    ],
    name: Annotated[
        str | None, typer.Option(help="The workflow's name; by default that of DIR.")
    ] = None,
    output: Annotated[Path, typer.Option(help="The file to write.", callback=checked_path)] = Path(
        "workflow.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a workflow file for recordings.

    DIR holds JSON-lines manifests (*.jsonl), or one folder of clips for each label.

    \b
      auricle init recordings/ --name digits --output digits.yaml
    """
    from pipeline.cli.views.imports import print_workflow
    from pipeline.datasets.scaffold import write_workflow

    show(write_workflow(directory, output, name=name, force=force), as_json, print_workflow)


@app.command("import")
def import_(
    layout: Annotated[
        Literal["commonvoice", "fsdd", "kaldi", "lhotse", "librispeech", "nemo", "speech_commands"],
        typer.Argument(metavar="LAYOUT", help="The layout of the data set."),
    ],
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="The data set.", callback=checked_path)
    ],
    output: Annotated[
        Path, typer.Option(help="The manifest to write.", callback=checked_path)
    ] = Path("manifest.jsonl"),
    as_json: AsJson = False,
) -> None:
    """Write a manifest for a data set in another toolkit's layout.

    Layouts: commonvoice, fsdd, kaldi, lhotse, librispeech, nemo, speech_commands. Speakers,
    channels and official splits are kept; audio is neither read nor copied.

    \b
      auricle import speech_commands speech_commands_v2/ --output commands.jsonl
      auricle init . --name commands
    """
    from pipeline.cli.views.imports import print_import
    from pipeline.datasets.importers import import_manifest

    show(import_manifest(layout, source, output), as_json, print_import)


@app.command()
def fetch(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The data set.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The folder to write; by default NAME.", callback=checked_path),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download a public data set.

    Without NAME those known are listed. What is there is not fetched again, and a download that
    was cut off goes on.

    \b
      auricle fetch speech_commands_v2
      auricle init speech_commands_v2
    """
    from pipeline.cli.views.download import download_bar
    from pipeline.cli.views.imports import print_data_sets, print_import
    from pipeline.datasets import download as fetching

    if name is None:
        show(fetching.KnownDataSets(data_sets=fetching.DATA_SETS), as_json, print_data_sets)
        return
    folder = output or Path(name)
    data_set = fetching.find_data_set(name)
    with download_bar() as received:
        imported = fetching.fetch(data_set, folder, received)
    show(imported, as_json, print_import)


@app.command()
def plan(
    file: WorkflowOrRecordings,
    scale: Annotated[
        str | None,
        typer.Option(metavar="HOURS", help="What it would take with so many hours, as in 1000h."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a run would do, without doing it.

    Prints clips, hours, classes and splits, the rows that would be rejected as far as can be told
    without decoding, what accuracy would be enough, the disk space needed, and the steps. Where a
    run would stop, the exit code is the run's: 2 for input that cannot be used, 3 for a gate.

    With --scale a sample is ingested and trained on, in a folder that goes away again, and its cost
    extrapolated: storage, hours of workers, time by number of workers, money at list prices.

    \b
      auricle plan workflow.yaml
      auricle plan workflow.yaml --scale 1000h
      auricle plan recordings/            what `run` would do with them; no file is written
      auricle plan workflow.yaml --json
    """
    project = _planned(file)
    from pipeline.cli.views.plan import print_plan
    from pipeline.datasets.dry_run import make_plan

    hours = None if scale is None else _parsed_hours(scale)
    made = make_plan(project)
    if hours is not None and made.refused is None:
        made = _with_scale(made, project, hours)
    show(made, as_json, print_plan)
    if made.refused is not None:
        kind = DataGateError if made.exit_code == DataGateError.exit_code else InputError
        raise kind(f"A run would be refused. {made.refused}")


def _parsed_hours(scale: str) -> float:
    from pipeline.datasets.at_scale import parse_hours

    return parse_hours(scale)


def _with_scale(made: "Plan", project: "Project", hours: float) -> "Plan":
    from pipeline.datasets.at_scale import estimate

    say("Ingesting a sample of the recordings, and training on it", err=True)
    return made.model_copy(update={"at_scale": estimate(project, made.splits, hours)})


def _planned(file: Path) -> "Project":
    if not is_no_workflow(file):
        return load(file)
    from pipeline.datasets.scaffold import plan_beside

    return plan_beside(file)


@app.command()
def rejects(
    file: WorkflowFile,
    reason: Annotated[
        str | None, typer.Option(help="Only rows rejected for this reason, all of them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the rows that the last run could not use, by reason.

    Fix the files or the manifest and run again: only what changed is processed again.

    \b
      auricle rejects workflow.yaml
      auricle rejects workflow.yaml --reason unreadable
      auricle rejects workflow.yaml --json
    """
    project = load(file)
    from pipeline.cli.views.rejects import print_rejects
    from pipeline.datasets.rejects import read_rejects

    found = read_rejects(project, reason)
    if as_json:
        say_json("".join(f"{reject.model_dump_json()}\n" for reject in found), nl=False)
    else:
        print_rejects(found, everything=reason is not None)
