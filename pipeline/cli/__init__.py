"""The command line: arguments in, one call out. Everything heavy is imported by the command that
needs it, so that `auricle --help` and a refused workflow file answer at once.
"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import data, feedback, models, runs, schedule, vertex
from pipeline.cli.crash_report import explain_fault
from pipeline.cli.output import say, say_message
from pipeline.runners.console.lost_output import guard_outputs
from schemas.errors import AuricleError, InputError

INTERRUPTED = 130  # 128 + SIGINT, as shells report it

app = typer.Typer(
    name="auricle",
    help=(
        "Trains, evaluates and publishes spoken-command models from labelled recordings.\n\n"
        "\b\n"
        "  auricle init recordings/         write a workflow file for a folder or manifest\n"
        "  auricle fetch fsdd               download a public data set\n"
        "  auricle import kaldi data/train  write a manifest for another toolkit's data set\n"
        "  auricle plan workflow.yaml       show what a run would read, split, store and do\n"
        "  auricle run workflow.yaml        train, evaluate, gate and publish\n"
        "  auricle notify workflow.yaml --test\n"
        "  auricle rejects workflow.yaml    list what it could not use, and why\n"
        "  auricle why workflow.yaml        explain why the last model was published, or not\n"
        "  auricle runs workflow.yaml       list the runs; `compare` compares two\n"
        "  auricle predict workflow.yaml clip.wav\n"
        "  auricle infer workflow.yaml --input 's3://bucket/*.flac' --output answers/\n"
        "  auricle explain workflow.yaml clip.wav\n"
        "  auricle models workflow.yaml     list the published versions; `rollback`, `promote`\n"
        "  auricle schedule workflow.yaml   train again when there is something new\n"
        "  auricle submit workflow.yaml     start the pipeline on Vertex AI\n"
        "  auricle feedback workflow.yaml clip.wav --label stop    for later runs\n"
        "  auricle forget workflow.yaml --speaker ann\n\n"
        "Exit codes: 0 done, 1 internal error, 2 bad input, 3 stopped by a gate."
    ),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

for commands in (data, runs, models, schedule, feedback, vertex):
    app.add_typer(commands.app)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        import importlib.metadata  # reads e-mail headers: a fifth of what `--help` takes

        say(f"auricle {importlib.metadata.version('auricle')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Options of `auricle` itself; what `--help` says is above."""


def main() -> None:
    """Entry point of `auricle`: an error is a message and an exit code, never a traceback."""
    lost = guard_outputs()
    try:
        _answer()
    except SystemExit as stop:
        sys.stdout.flush()
        if lost.reason:
            say(
                f"standard output cannot be written ({lost.reason}): what the command did stays,"
                " but not all of its answer was shown",
                err=True,
            )
            sys.exit(stop.code or InputError.exit_code)
        raise


def _answer() -> None:
    """Does what was asked, and ends with the exit code."""
    try:
        app()
    except AuricleError as error:
        say_message(str(error), err=True)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            say("Interrupted. Run it again to go on from the last finished step.", err=True)
        raise
    except Exception as error:
        fault = explain_fault(error, Path(tempfile.gettempdir()))
        say_message(str(fault), err=True)
        sys.exit(fault.exit_code)
