"""Commands about published models: ask one, list them, go back to one."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.arguments import (
    AsJson,
    Candidate,
    RunNumber,
    WorkflowFile,
    checked_path,
    load,
    load_asked,
    output_kept,
    show,
)
from pipeline.cli.output import say_json
from schemas.errors import InputError

app = typer.Typer()

_STDIN = Path("-")


@app.command()
def predict(
    file: WorkflowFile,
    audio: Annotated[
        list[Path], typer.Argument(metavar="AUDIO...", help="Audio files, folders of them, or -.")
    ],
    top: Annotated[int, typer.Option(min=1, help="Answers for each file.")] = 1,
    candidate: Candidate = False,
    run: RunNumber = None,
    as_json: AsJson = False,
) -> None:
    """Classify audio files with the published model.

    Prints file, label and score, or "none of them" where the model can tell. A folder stands for
    the audio files in it and one level below, - for one audio file from standard input. With
    --candidate or --run it asks a model that was trained and not published. Files that cannot be
    read are named, and the exit code is then 2.

    \b
      auricle predict workflow.yaml clip.wav
      auricle predict workflow.yaml clips/
      ffmpeg -i clip.mov -f wav - | auricle predict workflow.yaml -
      auricle predict workflow.yaml *.flac --top 3 --json
      auricle predict workflow.yaml clip.wav --candidate
    """
    project = load(file)
    from pipeline.cli.views.predictions import print_predictions
    from pipeline.inference.reading import find_audio
    from pipeline.inference.tensorflow_import import import_tensorflow_alone

    model = load_asked(project, candidate, run)
    sounds = [_standard_input() if path == _STDIN else path for path in find_audio(audio)]
    import_tensorflow_alone()
    predictions = model.predict(sounds, top)
    show(predictions, as_json, print_predictions)
    if predictions.failed:
        raise typer.Exit(2)


@app.command()
def infer(
    file: WorkflowFile,
    inputs: Annotated[
        list[str],
        typer.Option(
            "--input",
            metavar="PLACE",
            help="A file, folder, pattern or manifest: a path, gs:// or s3://; more than once for"
            " several.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(metavar="PLACE", help="A folder; or one file, .jsonl or .parquet."),
    ],
    version: Annotated[
        int | None,
        typer.Option(metavar="N", help="A published version; by default the one that is served."),
    ] = None,
    form: Annotated[
        Literal["jsonl", "parquet"] | None,
        typer.Option("--format", help="Of the answers; by default by the ending, or jsonl."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Classify any number of audio files, by Beam.

    Writes a row for each clip: what it is, label and score, and the score of every label. Clips
    that cannot be used go into a file of rejects, with reasons. Workers are those of `run.beam`.
    One that was stopped goes on where it was when it is run again.

    \b
      auricle infer workflow.yaml --input clips/ --output answers.jsonl
      auricle infer workflow.yaml --input 's3://bucket/2026/*.flac' --output s3://bucket/answers
      auricle infer workflow.yaml --input calls.jsonl --output answers.parquet --version 3
    """
    project = load(file)
    from pipeline.cli.views.inference import print_inference
    from pipeline.runners.inference import infer_with

    with output_kept(as_json):
        inference = infer_with(project, inputs, output, version=version, form=form)
    show(inference, as_json, print_inference)
    if not inference.clips:
        raise typer.Exit(2)


@app.command()
def explain(
    file: WorkflowFile,
    audio: Annotated[
        Path, typer.Argument(metavar="AUDIO", help="An audio file.", callback=checked_path)
    ],
    output: Annotated[
        Path, typer.Option(help="The picture to write.", callback=checked_path)
    ] = Path("explain.png"),
    candidate: Candidate = False,
    run: RunNumber = None,
    as_json: AsJson = False,
) -> None:
    """Show which times and frequencies of a clip decided the answer.

    Two methods find them: integrated gradients, and occlusion as a check. Times refer to the clip
    as the model gets it: trimmed, and cropped or padded to one length.

    \b
      auricle explain workflow.yaml clip.wav
      auricle explain workflow.yaml clip.wav --output why.png --json
    """
    project = load(file)
    from pipeline.cli.views.explanation import print_explanation
    from pipeline.inference.explain import explain_file

    explanation = explain_file(load_asked(project, candidate, run), audio, output)
    show(explanation, as_json, print_explanation)


@app.command()
def models(file: WorkflowFile, as_json: AsJson = False) -> None:
    """List the published versions of a model.

    Marks the version that is served (champion), the one that a rollback would serve (previous),
    those that failed, and those whose files are not what was published (damaged), and prints the
    number of each in the registry.

    \b
      auricle models workflow.yaml
    """
    project = load(file)
    from pipeline.cli.views.models import print_models
    from pipeline.releases.rollout import Versions, find_damage, list_versions, read_verdicts

    ledger = list_versions(project)
    damage = find_damage(ledger, project.run_directory)
    if as_json:
        say_json(Versions(**dict(ledger), damaged=damage).model_dump_json(indent=2))
    else:
        verdicts = read_verdicts(ledger, project.run_directory)
        has_registry = project.workflow.registry.kind != "none"
        print_models(ledger, verdicts, damage, has_registry=has_registry)


@app.command()
def rollback(
    file: WorkflowFile,
    reason: Annotated[
        str, typer.Option(help="The reason, which is stored with the version.")
    ] = "rolled back",
    as_json: AsJson = False,
) -> None:
    """Serve the previous version again.

    The version that is served now is marked as failed, and no run publishes it again. The files of
    the previous one get a new version number, so that model servers load them; the registry is
    updated with the serving directory.

    \b
      auricle rollback workflow.yaml --reason "takes noise for stop"
    """
    project = load(file)
    from pipeline.cli.views.models import print_rollout
    from pipeline.releases.rollout import roll_back

    show(roll_back(project, reason), as_json, print_rollout)


@app.command()
def promote(
    file: WorkflowFile,
    version: Annotated[
        int, typer.Argument(metavar="VERSION", help="A version number, as `models` prints it.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Also a version that is marked as failed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serve an earlier version again.

    \b
      auricle promote workflow.yaml 3
    """
    project = load(file)
    from pipeline.cli.views.models import print_rollout
    from pipeline.releases import rollout

    show(rollout.promote(project, version, force=force), as_json, print_rollout)


@app.command()
def export(
    file: WorkflowFile,
    version: Annotated[
        int, typer.Argument(metavar="VERSION", help="A version number, as `models` prints it.")
    ],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="An empty or new folder.", callback=checked_path)
    ],
    as_json: AsJson = False,
) -> None:
    """Copy a version to a folder and verify every file.

    \b
      auricle export workflow.yaml 3 digits-3/
    """
    project = load(file)
    from pipeline.cli.views.models import print_export
    from pipeline.releases import rollout

    show(rollout.export(project, version, directory), as_json, print_export)


def _standard_input() -> bytes:
    """What comes in, to its end.

    Raises:
        InputError: nothing comes in, or more than any recording.
    """
    if sys.stdin.isatty():
        raise InputError("-: standard input is a terminal; expected an audio file from a pipe")
    from pipeline.inference.reading import MOST_BYTES

    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError("-: got more than 1 GiB from standard input, expected one audio file")
    return content
