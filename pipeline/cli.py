"""The command line: arguments in, one call out. Everything heavy is imported by the command that
needs it, so that `auricle --help` and a refused workflow file answer at once.
"""

import datetime
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from schemas.errors import AuricleError, DataError, InputError

if TYPE_CHECKING:
    from pipeline.importers import Imported
    from pipeline.runners.local import RunResult

INTERRUPTED = 130  # 128 + SIGINT, as shells report it

app = typer.Typer(
    name="auricle",
    help=(
        "Labelled recordings in, a judged and pushed speech model out.\n\n"
        "\b\n"
        "  auricle init recordings/         write a workflow file for a folder or manifest\n"
        "  auricle fetch fsdd               download a public data set\n"
        "  auricle import kaldi data/train  write a manifest for another toolkit's data set\n"
        "  auricle plan workflow.yaml       what a run would read, split, store and do\n"
        "  auricle run workflow.yaml        train, evaluate, judge and push\n"
        "  auricle rejects workflow.yaml    list what it could not use, and why\n"
        "  auricle why workflow.yaml        why the last model was pushed, or not\n"
        "  auricle runs workflow.yaml       list the judged runs; `compare` compares two\n"
        "  auricle predict workflow.yaml clip.wav\n"
        "  auricle explain workflow.yaml clip.wav\n\n"
        "Exit codes: 0 done, 1 a fault, 2 bad input, 3 stopped by a gate."
    ),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)

WorkflowFile = Annotated[Path, typer.Argument(metavar="FILE", help="The workflow file.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The recordings.")],
    name: Annotated[str | None, typer.Option(help="Name; that of DIR if not given.")] = None,
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("workflow.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a workflow file for recordings.

    DIR holds JSON-lines manifests (*.jsonl), or one folder of clips for each label.

    \b
      auricle init recordings/ --name digits --output digits.yaml
    """
    from pipeline.init import write_workflow

    for line in write_workflow(directory, output, name=name, force=force):
        typer.echo(line)


@app.command("import")
def import_(
    layout: Annotated[
        Literal["commonvoice", "fsdd", "kaldi", "lhotse", "librispeech", "nemo", "speech_commands"],
        typer.Argument(metavar="LAYOUT", help="How the data set is laid out."),
    ],
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The data set.")],
    output: Annotated[Path, typer.Option(help="The manifest to write.")] = Path("manifest.jsonl"),
) -> None:
    """Write a manifest for a data set in another toolkit's layout.

    Layouts: commonvoice, fsdd, kaldi, lhotse, librispeech, nemo, speech_commands. Speakers and
    official splits are kept; audio is neither read nor copied.

    \b
      auricle import speech_commands speech_commands_v2/ --output commands.jsonl
      auricle init . --name commands
    """
    from pipeline.importers import import_manifest

    _print_import(import_manifest(layout, source, output), output)


@app.command()
def fetch(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The data set.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder; NAME if not given.")] = None,
) -> None:
    """Download a public data set.

    Without NAME those known are listed. What is there is not fetched again, and a download that
    was cut off goes on.

    \b
      auricle fetch speech_commands_v2
      auricle init speech_commands_v2
    """
    from pipeline import fetch as fetching

    if name is None:
        for each, data_set in fetching.DATA_SETS.items():
            size = f"{data_set.size_bytes / 1e6:,.0f} MB"
            typer.echo(f"{each:<28} {size:>9}  {data_set.licence:<13}  {data_set.url}")
        return
    folder = output or Path(name)
    imported = fetching.fetch(fetching.find_data_set(name), folder)
    _print_import(imported, folder / "manifest.jsonl")


def _print_import(imported: "Imported", output: Path) -> None:
    typer.echo(f"Wrote {output}: {imported.rows:,} rows")
    if imported.root is not None:
        typer.echo(
            f"  recordings lie elsewhere: the workflow's `data` needs `root: {imported.root}`"
        )
    for reason, count in imported.skipped.most_common():
        first = next((s.place for s in imported.first_skipped if s.reason == reason), "")
        typer.echo(f"  left out {count:,}: {reason}{f', the first: {first}' if first else ''}")


@app.command()
def plan(file: WorkflowFile, as_json: AsJson = False) -> None:
    """Say what a run would do, without doing it.

    Clips, hours, classes, splits, what would be rejected for what can be seen without decoding,
    storage and steps. Exit code 2 where a run would be refused.

    \b
      auricle plan workflow.yaml
      auricle plan workflow.yaml --json
    """
    from pipeline.workflow import read_workflow, workflow_base

    workflow = read_workflow(file)
    from pipeline.plan import make_plan, print_plan

    made = make_plan(workflow, workflow_base(file))
    if as_json:
        typer.echo(made.model_dump_json(indent=2))
    else:
        print_plan(made)
    if made.refused is not None:
        raise DataError(f"A run would be refused. {made.refused}")


@app.command()
def run(file: WorkflowFile) -> None:
    """Run a workflow: a pushed model, or why not.

    What did not change since the last run is reused. Exit code 0: pushed, or pushed before and
    unchanged. Exit code 3: refused by a gate, nothing pushed.

    \b
      auricle run workflow.yaml
    """
    from pipeline.workflow import read_workflow, workflow_base

    workflow, base = read_workflow(file), workflow_base(file)
    if workflow.run.orchestrator != "local" or "://" in (workflow.run.directory or ""):
        raise InputError(
            f"{file}: its `run` block is for Vertex AI, for which `auricle compile` writes it; to"
            " run here it needs `orchestrator: local` and a `directory` of this machine"
        )
    from pipeline.run_directory import locate_run_directory
    from pipeline.runners.local import run_workflow

    try:
        result = run_workflow(workflow, base)
    except AuricleError:
        raise
    except Exception as error:
        raise _explain_fault(error, locate_run_directory(workflow, base).logs) from error
    _print_result(result)
    if result.pushed_to is None:
        raise typer.Exit(3)


@app.command()
def rejects(
    file: WorkflowFile,
    reason: Annotated[
        str | None, typer.Option(help="Only this reason, and all of its rows.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the rows that the last run could not use, by reason.

    Mend the files, or the manifest, and run again: only what changed is taken in anew.

    \b
      auricle rejects workflow.yaml
      auricle rejects workflow.yaml --reason unreadable
      auricle rejects workflow.yaml --json
    """
    from pipeline.workflow import read_workflow, workflow_base

    workflow = read_workflow(file)
    from pipeline.rejects import print_rejects, read_rejects

    found = read_rejects(workflow, workflow_base(file), reason)
    if as_json:
        typer.echo("".join(f"{reject.model_dump_json()}\n" for reject in found), nl=False)
    else:
        print_rejects(found, everything=reason is not None)


@app.command()
def predict(
    file: WorkflowFile,
    audio: Annotated[list[Path], typer.Argument(metavar="AUDIO...", help="Audio files.")],
    top: Annotated[int, typer.Option(min=1, help="Answers for each file.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Answer what is said in audio files.

    The last pushed model of the workflow answers. Prints file, label and score. A file that cannot
    be used is named, and the exit code is 2.

    \b
      auricle predict workflow.yaml clip.wav
      auricle predict workflow.yaml *.flac --top 3 --json
    """
    from pipeline.workflow import read_workflow, workflow_base

    workflow = read_workflow(file)
    from pipeline.predict import predict_files, render_predictions

    predictions = predict_files(workflow, workflow_base(file), audio, top)
    if as_json:
        typer.echo(predictions.model_dump_json(indent=2))
    else:
        render_predictions(predictions)
    if predictions.failed:
        raise typer.Exit(2)


@app.command()
def why(file: WorkflowFile, as_json: AsJson = False) -> None:
    """Say why the last run pushed its model, or did not.

    Every rule of the gate, by how much it was missed, how many more clips would decide, and which
    clips to listen to.

    \b
      auricle why workflow.yaml
      auricle why workflow.yaml --json
    """
    from pipeline.workflow import read_workflow, workflow_base

    workflow = read_workflow(file)
    from pipeline.history import list_records, print_reasons

    _, record = list_records(workflow, workflow_base(file))[-1]
    if as_json:
        typer.echo(record.verdict.model_dump_json(indent=2))
    else:
        print_reasons(record)


@app.command()
def runs(file: WorkflowFile, as_json: AsJson = False) -> None:
    """List the judged runs of a workflow.

    When, model, accuracy with its interval, outcome; runs that a data gate stopped are not there.

    \b
      auricle runs workflow.yaml
    """
    from pipeline.workflow import read_workflow, workflow_base

    workflow = read_workflow(file)
    from pipeline.history import list_records, print_records

    records = list_records(workflow, workflow_base(file))
    if as_json:
        typer.echo(f"[{','.join(record.model_dump_json() for _, record in records)}]")
    else:
        print_records(records)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="A file that `runs` names.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Another.")],
    as_json: AsJson = False,
) -> None:
    """Compare two runs clip by clip: paired differences, by slice.

    Only clips that both were tested on count, so the data may have grown in between.

    \b
      auricle compare runs/digits/history/1.json runs/digits/history/2.json
    """
    from pipeline.compare import compare_runs, print_comparison
    from pipeline.history import read_record

    comparison = compare_runs(read_record(first), read_record(second))
    if as_json:
        typer.echo(comparison.model_dump_json(indent=2))
    else:
        print_comparison(comparison)


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
    from pipeline.workflow import read_workflow, workflow_base

    workflow = read_workflow(file)
    from pipeline.explain import explain_file, render_explanation

    explanation = explain_file(workflow, workflow_base(file), audio, output)
    if as_json:
        typer.echo(explanation.model_dump_json(indent=2))
    else:
        render_explanation(explanation)


@app.command("compile")
def compile_(
    file: WorkflowFile,
    output: Annotated[Path, typer.Option(help="The file to write.")],
    target: Annotated[Literal["vertex"], typer.Option(help="What it is for.")] = "vertex",
) -> None:
    """Write the pipeline for another orchestrator.

    \b
      auricle compile workflow.yaml --target vertex --output pipeline.json
    """
    from pipeline.workflow import read_workflow, workflow_base

    workflow = read_workflow(file)
    from pipeline.runners.vertex import compile_workflow

    compile_workflow(workflow, workflow_base(file), output)
    typer.echo(f"Wrote {output} for {target}")


def main() -> None:
    """Entry point of `auricle`: an error is a message and an exit code, never a traceback."""
    try:
        app()
    except AuricleError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            typer.echo("Interrupted. Run it again to go on from the last finished step.", err=True)
        raise
    except Exception as error:
        typer.echo(str(_explain_fault(error, Path(tempfile.gettempdir()))), err=True)
        sys.exit(AuricleError.exit_code)


def _explain_fault(error: Exception, folder: Path) -> AuricleError:
    """`error` in two lines, its traceback in a file in `folder`, which may not be there yet."""
    folder = folder if folder.is_dir() else Path(tempfile.gettempdir())
    log = folder / f"fault-{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    log.write_text(f"{' '.join(sys.argv)}\n{''.join(traceback.format_exception(error))}")
    what = str(error).strip().partition("\n")[0][:300]
    return AuricleError(f"auricle met a fault: {type(error).__name__}: {what}\nTraceback: {log}")


def _print_result(result: "RunResult") -> None:
    from pipeline.progress import in_words

    verdict = result.verdict
    speech = " of generated speech" if verdict.generated else ""
    outcome = verdict.outcome.capitalize()
    typer.echo("Pushed" if result.pushed_to else f"{outcome}: nothing was pushed")
    failed = [
        f"serving, {rule.name}: {rule.said}" for rule in result.serving.rules if not rule.passed
    ]
    for reason in [*verdict.reasons, *failed]:
        typer.echo(f"  - {reason}")
    baseline = ""
    if verdict.baseline_accuracy is not None:
        baseline = f" (last blessed model: {verdict.baseline_accuracy:.3f})"
    interval = f"{verdict.accuracy_interval.low:.3f} to {verdict.accuracy_interval.high:.3f}"
    rows = {
        "accuracy": f"{verdict.accuracy:.3f} ({interval}) on {verdict.clips:,} test clips{speech}"
        f"{baseline}",
        "model": str(result.pushed_to) if result.pushed_to else "",
        "report": str(result.report),
        "log": str(result.log),
        "steps": f"{len(result.ran)} ran, {len(result.reused)} reused",
        "time": in_words(result.seconds),
    }
    for key, value in rows.items():
        if value:
            typer.echo(f"{key:>10}  {value}")
