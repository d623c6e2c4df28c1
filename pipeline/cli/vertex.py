"""Commands that hand a workflow to Vertex AI."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.arguments import AsJson, WorkflowFile, checked_path, load, output_kept, show
from pipeline.cli.output import say

app = typer.Typer()

Target = Annotated[Literal["vertex"], typer.Option(help="The orchestrator.")]


@app.command("compile")
def compile_(
    file: WorkflowFile,
    output: Annotated[Path, typer.Option(help="The file to write.", callback=checked_path)],
    target: Target = "vertex",
    upload: Annotated[
        bool,
        typer.Option("--upload", help="Write what the steps read to the run directory as well."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the pipeline in the format of another orchestrator.

    Needs no network, unless manifests or recordings lie in a bucket. What the steps read (the list
    of recordings, and their schema) is written to a folder beside the file, and has to be copied to
    the run directory; --upload writes it there. `submit` does both, and starts the pipeline.

    \b
      auricle compile workflow.yaml --target vertex --output pipeline.json
    """
    project = load(file)
    from pipeline.cli.views.vertex import print_compiled
    from pipeline.runners.vertex import compile_workflow

    with output_kept(as_json):
        compiled = compile_workflow(project, output, upload=upload)
    wants_registry = project.workflow.registry.kind != "none"
    show(compiled, as_json, lambda found: print_compiled(found, wants_registry))


@app.command()
def submit(
    file: WorkflowFile,
    target: Target = "vertex",
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end; say what each step does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start the pipeline on Vertex AI.

    Compiles the workflow, writes what its steps read to the run directory, and starts a pipeline
    job. With --wait it watches the job, and ends as `run` does. Exit code 0: it was started; with
    --wait, a model was published, or the one published before is still current. 2: Vertex AI
    refused it, or a step died. 3: a gate refused the data or the model.

    \b
      auricle submit workflow.yaml --target vertex
      auricle submit workflow.yaml --target vertex --wait
    """
    project = load(file)
    from pipeline.cli.views.vertex import print_ended, print_submitted
    from pipeline.runners.vertex_submit import submit as start
    from pipeline.runners.vertex_submit import wait_for

    with output_kept(as_json):
        submitted = start(project)
        if wait:
            if not as_json:
                print_submitted(submitted)
            submitted = wait_for(project, submitted, lambda line: say(f"  {line}", err=as_json))
    show(submitted, as_json, print_ended if wait else print_submitted)
    if submitted.outcome == "not published":
        raise typer.Exit(3)
