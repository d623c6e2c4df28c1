"""Commands that run a workflow, and that look back at its runs."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.arguments import (
    AsJson,
    WorkflowFile,
    WorkflowOrRecordings,
    checked_path,
    is_no_workflow,
    load,
    output_kept,
    show,
)
from pipeline.cli.crash_report import explain_fault
from pipeline.cli.output import say, say_json
from schemas.errors import AuricleError, InputError

app = typer.Typer()


@app.command()
def run(file: WorkflowOrRecordings, as_json: AsJson = False) -> None:
    """Run a workflow: train, evaluate, gate and publish.

    Steps whose inputs did not change since the last run are reused. Exit code 0: a model was
    published, or the one published before is still current. Exit code 3: a gate refused the data or
    the model, and nothing was published.

    For a folder of recordings, or a manifest, the workflow file beside it is run, which has its
    name, and is written first if it is not there. With --json the progress goes to standard error.

    \b
      auricle run workflow.yaml
      auricle run recordings/
    """
    if is_no_workflow(file):
        file = _workflow_of(file, as_json)
    project = load(file)
    project.check_runs_here()
    from pipeline.cli.views.runs import print_result
    from pipeline.runners.local import run_workflow

    try:
        with output_kept(as_json):
            result = run_workflow(project)
    except AuricleError:
        raise
    except Exception as error:
        raise explain_fault(error, project.run_directory.logs) from error
    show(result, as_json, lambda found: print_result(found, file))
    if result.pushed_to is None:
        raise typer.Exit(3)


def _workflow_of(recordings: Path, as_json: bool) -> Path:
    from pipeline.cli.views.imports import print_written
    from pipeline.datasets.scaffold import workflow_beside

    file, new = workflow_beside(recordings)
    if new is None:
        say(f"Running {file}", err=as_json)
    else:
        print_written(new, err=as_json)
    return file


@app.command()
def notify(
    file: WorkflowFile,
    test: Annotated[bool, typer.Option("--test", help="Send a test message.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a test message to the webhook or command of `notify`.

    Runs send their messages by themselves; --test sends one now and reports whether it was
    delivered. Exit code 1 if it was not.

    \b
      auricle notify workflow.yaml --test
    """
    project = load(file)
    from pipeline import notifications as notifying
    from pipeline.cli.views.runs import print_deliveries

    if not test:
        raise InputError("runs send their messages by themselves; --test sends a test message")
    told = notifying.notify(project, notifying.trial_event(project.workflow))
    if not told:
        raise InputError(
            f"{file}: nobody to notify; `notify` names neither a webhook nor a command"
        )
    show(notifying.Deliveries(deliveries=told), as_json, print_deliveries)
    if notifying.problems_of(told):
        raise typer.Exit(1)


@app.command()
def why(
    file: WorkflowFile,
    run: Annotated[
        int | None,
        typer.Option("--run", metavar="N", help="Another run than the last, as `runs` lists it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain why the last model was published, or not.

    Prints each rule of the gate, by how much it was missed, how many more test clips would decide
    it, and which clips to listen to.

    \b
      auricle why workflow.yaml
      auricle why workflow.yaml --run 3
      auricle why workflow.yaml --json
    """
    project = load(file)
    from pipeline.cli.views.runs import print_reasons
    from pipeline.runs.records import find_record, list_records

    record = list_records(project)[-1] if run is None else find_record(project, run)
    if as_json:
        say_json(record.verdict.model_dump_json(indent=2))
    else:
        print_reasons(record)


@app.command()
def runs(file: WorkflowFile, as_json: AsJson = False) -> None:
    """List the runs of a workflow.

    Prints date, architecture, accuracy with its interval, and outcome of each run. Runs that the
    data gate stopped are not listed.

    \b
      auricle runs workflow.yaml
    """
    project = load(file)
    from pipeline.cli.views.runs import print_records
    from pipeline.runs.records import list_records

    records = list_records(project)
    if as_json:
        say_json(f"[{','.join(record.model_dump_json() for record in records)}]")
    else:
        print_records(records, file)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="A number of `runs`, or its file.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Another.")],
    workflow: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The workflow file that numbers are runs of.",
            callback=checked_path,
        ),
    ] = Path("workflow.yaml"),
    as_json: AsJson = False,
) -> None:
    """Compare two runs clip by clip: paired differences, by slice.

    Only clips that both runs were tested on count, so the data may have grown in between.

    \b
      auricle compare 1 2
      auricle compare 1 2 --workflow digits.yaml
      auricle compare runs/digits/history/1.json other/history/2.json
    """
    from pipeline.cli.views.comparison import print_comparison
    from pipeline.runs.compare import compare_runs
    from pipeline.runs.records import RunRecord, find_record, read_record

    def record_of(run: str) -> RunRecord:
        return find_record(load(workflow), int(run)) if run.isdecimal() else read_record(Path(run))

    comparison = compare_runs(record_of(first), record_of(second))
    show(comparison, as_json, print_comparison)
