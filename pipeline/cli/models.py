"""Commands about pushed models: ask one, list them, go back to one."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.arguments import AsJson, WorkflowFile, load

app = typer.Typer()


@app.command()
def predict(
    file: WorkflowFile,
    audio: Annotated[list[Path], typer.Argument(metavar="AUDIO...", help="Audio files.")],
    top: Annotated[int, typer.Option(min=1, help="Answers for each file.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Ask the published model what is said in audio files.

    The last pushed model of the workflow answers. Prints file, label and score. A file that cannot
    be used is named, and the exit code is 2.

    \b
      auricle predict workflow.yaml clip.wav
      auricle predict workflow.yaml *.flac --top 3 --json
    """
    project = load(file)
    from pipeline.cli.views.predictions import print_predictions
    from pipeline.inference.predict import load_model

    predictions = load_model(project).predict(audio, top)
    if as_json:
        typer.echo(predictions.model_dump_json(indent=2))
    else:
        print_predictions(predictions)
    if predictions.failed:
        raise typer.Exit(2)


@app.command()
def explain(
    file: WorkflowFile,
    audio: Annotated[Path, typer.Argument(metavar="AUDIO", help="An audio file.")],
    output: Annotated[Path, typer.Option(help="The picture to write.")] = Path("explain.png"),
    as_json: AsJson = False,
) -> None:
    """Show which times of a clip decided the answer.

    Two methods look for them in the last pushed model: integrated gradients, and occlusion as a
    check. Times are of the clip as the model hears it, trimmed and of one length.

    \b
      auricle explain workflow.yaml clip.wav
      auricle explain workflow.yaml clip.wav --output why.png --json
    """
    project = load(file)
    from pipeline.cli.views.explanation import print_explanation
    from pipeline.inference.explain import explain_file

    explanation = explain_file(project, audio, output)
    if as_json:
        typer.echo(explanation.model_dump_json(indent=2))
    else:
        print_explanation(explanation)


@app.command()
def models(file: WorkflowFile, as_json: AsJson = False) -> None:
    """List the published versions of a model.

    What is served (champion), what a rollback goes back to (previous), what failed, and the
    registry's number of each.

    \b
      auricle models workflow.yaml
    """
    project = load(file)
    from pipeline.cli.views.models import print_models
    from pipeline.releases.rollout import list_versions, read_verdicts

    ledger = list_versions(project)
    if as_json:
        typer.echo(ledger.model_dump_json(indent=2))
    else:
        print_models(ledger, read_verdicts(ledger, project.run_directory))


@app.command()
def rollback(
    file: WorkflowFile,
    reason: Annotated[str, typer.Option(help="Why; kept with the version.")] = "rolled back",
) -> None:
    """Serve the previous version again.

    The one served now is marked as failed and never pushed again by a run. The older files get a
    new version number, so that servers take them up; serving directory and registry go together.

    \b
      auricle rollback workflow.yaml --reason "takes noise for stop"
    """
    project = load(file)
    from pipeline.cli.views.models import print_rollout
    from pipeline.releases.rollout import roll_back

    print_rollout(roll_back(project, reason))


@app.command()
def promote(
    file: WorkflowFile,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="A number of `models`.")],
    force: Annotated[bool, typer.Option("--force", help="Also one that failed.")] = False,
) -> None:
    """Serve a version again, whatever is served now.

    \b
      auricle promote workflow.yaml 3
    """
    project = load(file)
    from pipeline.cli.views.models import print_rollout
    from pipeline.releases import rollout

    print_rollout(rollout.promote(project, version, force=force))


@app.command()
def export(
    file: WorkflowFile,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="A number of `models`.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")],
) -> None:
    """Copy a version to a folder and verify every file.

    \b
      auricle export workflow.yaml 3 digits-3/
    """
    project = load(file)
    from pipeline.releases import rollout

    typer.echo(f"Wrote {rollout.export(project, version, directory)}")
