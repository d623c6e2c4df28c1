"""workflow.run.beam -> Beam's pipeline arguments, checked before anything starts."""

import argparse
from collections.abc import Iterable, Iterator
from typing import NoReturn

from schemas.errors import DataError, WorkflowError
from schemas.text import nearest
from schemas.utterance import Utterance
from schemas.workflow.beam_conflicts import sees_this_disk
from schemas.workflow.run import Beam, BeamRunner, Value

# On some platforms the name DirectRunner means a runner that downloads a program at run time.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"

# Where no image is named, TFX packs itself anew for the workers of every Beam step: seconds, and
# 50 MB that stay in the temporary folder. Workers have TFX; only Dataflow reads this option.
_NO_IMAGE = "--sdk_container_image=none"

# Beam would ask pip which packages are installed here, and send the list along with each job.
_NO_LIST = "--experiments=disable_logging_submission_environment"

# Another process takes 0.4 s of CPU to start, which it saves with about half as many clips.
CLIPS_THAT_EARN_A_PROCESS = 2_000

# Beam's groups of options that one kind of runner reads; those of all others every runner reads.
_PORTABLE = {"FlinkRunner", "SparkRunner", "PortableRunner"}
_READ_BY: dict[str, set[str]] = {
    "DirectOptions": {"DirectRunner"},
    "GoogleCloudOptions": {"DataflowRunner"},
    "WorkerOptions": {"DataflowRunner"},
    "PortableOptions": _PORTABLE,
    "JobServerOptions": {"FlinkRunner", "SparkRunner"},
    "FlinkRunnerOptions": {"FlinkRunner", "PortableRunner"},
    "SparkRunnerOptions": {"SparkRunner", "PortableRunner"},
    "PrismRunnerOptions": set(),
    "TestOptions": set(),
    "TestDataflowOptions": set(),
}
# What a client of Cloud Storage reads in a worker of any runner.
_READ_BY_ALL = {"project", "temp_location", "no_auth", "impersonate_service_account"}


def beam_pipeline_args(beam: Beam) -> list[str]:
    """Arguments for every Beam pipeline of the run.

    Raises:
        WorkflowError: an option that Beam or the runner does not know, or a value it cannot take.
    """
    is_local = beam.runner == "DirectRunner"
    arguments = [f"--runner={LOCAL_RUNNER if is_local else beam.runner}"]
    if not is_local:
        arguments.append(_NO_LIST)
    if beam.runner != "DataflowRunner":
        arguments.append(_NO_IMAGE)
    if beam.options:
        known, read = _beam_options(beam.runner)
        for name, value in beam.options.items():
            _refuse_unread(name, beam.runner, known, read)
            arguments += _as_arguments(name, value, known)
    return arguments


def ingest_pipeline_args(beam: Beam, clips: int, cores: int) -> list[str]:
    """What ingest adds: how many processes decode, on this machine as many as the work is worth."""
    earned = 1 + clips // CLIPS_THAT_EARN_A_PROCESS if beam.runner == "DirectRunner" else 1
    processes = beam.workers or min(cores, earned)
    return [f"--ingest_processes={processes}"]


def check_reach(beam: Beam, rows: Iterable[Utterance]) -> None:
    """Refuses recordings on this machine's disk where workers elsewhere would read them.

    Raises:
        DataError: names the first of them.
    """
    if sees_this_disk(beam):
        return
    here = sorted(row.path for row in rows if row.path and "://" not in row.path)
    if here:
        more = f" and {len(here) - 1:,} more" if len(here) > 1 else ""
        raise DataError(
            f"run.beam.runner: workers of the {beam.runner} do not see this machine's disk, where"
            f" {here[0]}{more} lie; put the recordings into an object store, and name them by"
            " gs:// or s3://"
        )


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would end the program."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message.partition(": ")[2] or message)


def _beam_options(runner: BeamRunner) -> tuple[dict[str, argparse.Action], set[str]]:
    """Every option of Beam by its name without dashes, and the names of those `runner` reads."""
    from apache_beam.options.pipeline_options import PipelineOptions

    known: dict[str, argparse.Action] = {}
    read = set(_READ_BY_ALL)
    for options in PipelineOptions.__subclasses__():
        if not options.__module__.startswith("apache_beam."):
            continue  # what a step adds for itself
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        options._add_argparse_args(parser)
        own = {flag.lstrip("-"): action for flag, action in parser._option_string_actions.items()}
        known |= own
        if runner in _READ_BY.get(options.__name__, {runner}):
            read |= set(own)
    return known, read


def _refuse_unread(name: str, runner: BeamRunner, known: Iterable[str], read: set[str]) -> None:
    if name in read:
        return
    near = nearest(name, sorted(read), cutoff=0.6)
    hint = f"; the nearest that it reads is '{near}'" if near else ""
    what = f"the {runner} does not read it"
    if name not in known:
        what = "not a pipeline option of Apache Beam"
    raise WorkflowError(f"run.beam.options.{name}: {what}{hint}")


def _as_arguments(name: str, value: Value, known: dict[str, argparse.Action]) -> Iterator[str]:
    """The arguments that give one option its value.

    Raises:
        WorkflowError: it is of another type, or none of the choices.
    """
    action, key = known[name], f"run.beam.options.{name}"
    is_switch = action.nargs == 0
    if is_switch != isinstance(value, bool):
        expected = "true or false" if is_switch else "a value"
        raise WorkflowError(f"{key}: got {value!r}, expected {expected}")
    if is_switch:
        if value or f"no_{name}" in known:
            yield f"--{name}" if value else f"--no_{name}"
        return  # else false is what it is without an argument
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser._add_action(action)
    for item in value if isinstance(value, list) else [value]:
        try:
            read = parser.parse_args([argument := f"--{name}={item}"])
        except ValueError as error:
            raise WorkflowError(f"{key}: {error}") from error
        if isinstance(value, list) and not isinstance(getattr(read, action.dest), list):
            raise WorkflowError(f"{key}: got a list, expected one value")
        yield argument
