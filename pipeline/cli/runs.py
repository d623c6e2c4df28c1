"""Commands that run a workflow, and that look back at its runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.arguments import AsJson, WorkflowFile, load, show
from pipeline.cli.crash_report import explain_fault
from schemas.errors import AuricleError, InputError

app = typer.Typer()


@app.command()
def run(file: WorkflowFile) -> None:
    """Run a workflow: train, evaluate, gate and publish.

    Steps whose inputs did not change since the last run are reused. Exit code 0: a model was
    published, or the one published before is still current. Exit code 3: a gate refused the data or
    the model, and nothing was published.

    \b
      auricle run workflow.yaml
    """
    project = load(file)
    project.check_runs_here()
    from pipeline.cli.views.runs import print_result
    from pipeline.runners.local import run_workflow

    try:
        result = run_workflow(project)
    except AuricleError:
        raise
    except Exception as error:
        raise explain_fault(error, project.run_directory.logs) from error
    print_result(result, file)
    if result.pushed_to is None:
        raise typer.Exit(3)


@app.command()
def notify(
    file: WorkflowFile,
    test: Annotated[bool, typer.Option("--test", help="Send a test message.")] = False,
) -> None:
    """Send a test message to the webhook or command of `notify`.

    Runs send their messages by themselves; --test sends one now and reports whether it was
    delivered. Exit code 1 if it was not.

    \b
      auricle notify workflow.yaml --test
    """
    project = load(file)
    from pipeline import notifications as notifying

    if not test:
        raise InputError("runs send their messages by themselves; --test sends a test message")
    told = notifying.notify(project, notifying.trial_event(project.workflow))
    if not told:
        raise InputError(
            f"{file}: nobody to notify; `notify` names neither a webhook nor a command"
        )
    for delivery in told:
        typer.echo(f"{delivery.to}: {delivery.problem or 'delivered'}")
    if notifying.problems_of(told):
        raise typer.Exit(1)


@app.command()
def why(file: WorkflowFile, as_json: AsJson = False) -> None:
    """Explain why the last model was published, or not.

    Prints each rule of the gate, by how much it was missed, how many more test clips would decide
    it, and which clips to listen to.

    \b
      auricle why workflow.yaml
      auricle why workflow.yaml --json
    """
    project = load(file)
    from pipeline.cli.views.runs import print_reasons
    from pipeline.runs.records import list_records

    record = list_records(project)[-1]
    if as_json:
        typer.echo(record.verdict.model_dump_json(indent=2))
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
        typer.echo(f"[{','.join(record.model_dump_json() for record in records)}]")
    else:
        print_records(records, file)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="A number of `runs`, or its file.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Another.")],
    workflow: Annotated[
        Path, typer.Option(metavar="FILE", help="The workflow file that numbers are runs of.")
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


@app.command("compile")
def compile_(
    file: WorkflowFile,
    output: Annotated[Path, typer.Option(help="The file to write.")],
    target: Annotated[Literal["vertex"], typer.Option(help="The orchestrator.")] = "vertex",
) -> None:
    """Write the pipeline in the format of another orchestrator.

    \b
      auricle compile workflow.yaml --target vertex --output pipeline.json
    """
    project = load(file)
    from pipeline.runners.vertex import compile_workflow, vertex_registry

    compile_workflow(project, output)
    typer.echo(f"Wrote {output} for {target}")
    workflow = project.workflow
    if vertex_registry(workflow) is None and workflow.registry.kind != "none":
        typer.echo("  versions will not be registered: run.vertex names no project and region")
