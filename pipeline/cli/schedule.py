"""The command that keeps a model fresh."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli.arguments import AsJson, WorkflowFile, load, output_kept, show
from pipeline.cli.output import say, say_json
from schemas.errors import InputError
from schemas.outcomes import NOT_PUSHED

if TYPE_CHECKING:
    from pipeline.workspace.project import Project

app = typer.Typer()


@app.command()
def schedule(
    file: WorkflowFile,
    once: Annotated[bool, typer.Option("--once", help="Check once, now, and end.")] = False,
    log: Annotated[bool, typer.Option("--log", help="List the decisions so far.")] = False,
    target: Annotated[
        Literal["local", "vertex"] | None,
        typer.Option(help="Where it runs; `run.orchestrator` if not given."),
    ] = None,
    stop: Annotated[
        bool, typer.Option("--stop", help="End the schedule that Vertex AI keeps.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train again when there is something new.

    Runs in the foreground, as a service, and checks at the times of the workflow's cron line. With
    --once it checks now and ends: for cron, a Kubernetes CronJob or Airflow. It trains when
    recordings are new or changed, settings or code changed, or the model is too old or has to be
    replaced. Each decision is kept. Exit code 0: published, nothing new, or another run is under
    way; 3: stopped by a gate.

    With --target vertex, Vertex AI keeps the schedule and starts the pipeline where there is reason
    to: this command makes it, or changes it to what the file says now, and --stop ends it.

    \b
      auricle schedule workflow.yaml
      auricle schedule workflow.yaml --once
      auricle schedule workflow.yaml --log
      auricle schedule workflow.yaml --target vertex
    """
    project = load(file)
    is_elsewhere = (target or project.workflow.run.orchestrator) == "vertex"
    if stop and not is_elsewhere:
        raise InputError("--stop is for a schedule on Vertex AI; end one of this machine itself")
    if is_elsewhere and not log:
        _schedule_elsewhere(project, once, stop, as_json)
        return
    from pipeline.cli.views.decisions import print_decisions
    from pipeline.scheduling import scheduler as schedules

    if log:
        decisions = schedules.read_decisions(project)
        if as_json:
            say_json("".join(f"{d.model_dump_json()}\n" for d in decisions), nl=False)
        else:
            print_decisions(decisions)
    elif once:
        with output_kept(as_json):
            decision = schedules.run_once(project)
        if as_json:
            say_json(decision.model_dump_json(indent=2))
        else:
            say(str(decision))
        if decision.outcome in NOT_PUSHED:
            raise typer.Exit(3)
    else:
        schedules.serve(project, file, _say)


def _schedule_elsewhere(project: "Project", once: bool, stop: bool, as_json: bool) -> None:
    from pipeline.cli.views.vertex import print_scheduled
    from pipeline.scheduling import vertex_schedule

    if stop:
        if not vertex_schedule.end_schedule(project):
            raise InputError(f"Vertex AI keeps no schedule of {project.name}")
        say(f"{project.name}: the schedule has ended", err=as_json)
    elif once:
        with output_kept(as_json):
            decision = vertex_schedule.look(project)
        show(decision, as_json, lambda found: say(str(found)))
    else:
        show(vertex_schedule.keep_schedule(project), as_json, print_scheduled)


def _say(line: str) -> None:
    """At once, also where the output is a pipe: a service's log is read while it runs."""
    say(line)
    sys.stdout.flush()
