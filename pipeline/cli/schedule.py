"""The command that keeps a model fresh."""

import sys
from typing import Annotated

import typer

from pipeline.cli.arguments import AsJson, WorkflowFile, load, output_kept
from pipeline.cli.output import say, say_json
from schemas.outcomes import NOT_PUSHED

app = typer.Typer()


@app.command()
def schedule(
    file: WorkflowFile,
    once: Annotated[bool, typer.Option("--once", help="Check once, now, and end.")] = False,
    log: Annotated[bool, typer.Option("--log", help="List the decisions so far.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train again when there is something new.

    Runs in the foreground, as a service, and checks at the times of the workflow's cron line. With
    --once it checks now and ends: for cron, a Kubernetes CronJob or Airflow. It trains when
    recordings are new or changed, settings or code changed, or the model is too old or has to be
    replaced. Each decision is kept. Exit code 0: published, nothing new, or another run is under
    way; 3: stopped by a gate.

    \b
      auricle schedule workflow.yaml
      auricle schedule workflow.yaml --once
      auricle schedule workflow.yaml --log
    """
    project = load(file)
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


def _say(line: str) -> None:
    """At once, also where the output is a pipe: a service's log is read while it runs."""
    say(line)
    sys.stdout.flush()
