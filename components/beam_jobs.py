"""A Beam pipeline as a job that somebody else runs: what can go wrong there, in words.

A cluster, its quota, its image and its permissions are the person's; a traceback through our own
code is ours. No TFX: whatever has Beam can use it.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from types import TracebackType

import apache_beam as beam
import grpc  # type: ignore[import-untyped]
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)

from components.storage.location import location_of
from schemas import errors
from schemas.errors import AuricleError, InputError, JobError

_LOCAL = ("DirectRunner", "FnApiRunner")
_NAMED_ERROR = re.compile(r"^schemas\.errors\.(\w+): (.*?)(?: \[while running .*)?$", re.MULTILINE)
_STORE_ERROR = re.compile(
    r"^components\.storage\.trouble\.\w+: (?:\[Errno \d+\] )?(.*?)(?: \[while running .*)?$",
    re.MULTILINE,
)
_OURS = re.compile(r'File ".*[/\\](components|schemas|pipeline)[/\\].*", line \d+')
_ENDED = re.compile(
    r"(?:failed in state|finished in state|State:) (\w+)[:,]?\s*(?:Error:)?\s*", re.DOTALL
)
_MOST_TEXT = 600
_CURES = {
    401: "say who you are: `gcloud auth application-default login`, or a service account",
    403: "give the account the right to do this, or name another one",
    404: "check project, region and bucket under run.beam.options",
    429: "wait, ask for more, or take fewer workers (max_num_workers)",
}


class Job(beam.Pipeline):
    """A pipeline that, as a context manager, runs and waits, and says in words why it did not.

    Google's client offers a job again that was refused for its quota, with growing waits of half a
    minute together: nothing of it has begun.

    Raises:
        AuricleError: the error of ours that a worker raised.
        InputError: what a store of objects refused a worker.
        JobError: the runner refused the job, does not answer, or could not finish it.
    """

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            _check_staging(self._options)
        with _in_words(self._options):
            super().__exit__(kind, error, trace)


class RunsJobs:
    """Gives TFX's executor, of which it comes first among the bases, a `Job` for its pipeline."""

    _beam_pipeline_args: list[str]

    def _make_beam_pipeline(self) -> Job:
        return Job(argv=self._beam_pipeline_args)


def named_error(error: BaseException) -> AuricleError | None:
    """The error of ours that a worker raised; Beam hands on its traceback as text only."""
    if isinstance(error, AuricleError):
        return error
    for name, text in _NAMED_ERROR.findall(str(error)):
        kind = getattr(errors, name, None)
        if kind in (AuricleError, errors.DataError, errors.RunDirectoryError):
            named: AuricleError = kind(text)
            return named
    if (refused := _STORE_ERROR.search(str(error))) is not None:
        return InputError(refused[1])
    return None


def _check_staging(options: PipelineOptions) -> None:
    """Looks where Dataflow's client will write: without credentials it would open a browser, and
    without the bucket try for a minute.
    """
    if _runner(options) != "DataflowRunner":
        return
    google = options.view_as(GoogleCloudOptions)
    for name in ("temp_location", "staging_location"):
        if (place := getattr(google, name)) is None:
            continue
        try:
            location_of(place).entry()
        except OSError as error:
            raise JobError(f"run.beam.options.{name}: {place}: {error.strerror}") from error


def _runner(options: PipelineOptions) -> str:
    name: str = options.view_as(StandardOptions).runner or ""
    return name.rpartition(".")[2]


@contextlib.contextmanager
def _in_words(options: PipelineOptions) -> Iterator[None]:
    name = _runner(options)  # which Beam takes out of them when it runs
    try:
        yield
    except Exception as error:
        if named := named_error(error):
            raise named from error
        if name in _LOCAL or _OURS.search(str(error)):
            raise
        raise JobError(f"run.beam.runner: {name} {_what(error, options)}") from error


def _what(error: Exception, options: PipelineOptions) -> str:
    """What became of a job, after the name of its runner."""
    status, text = _status(error), str(error)
    if status is not None:
        cure = f"; {_CURES[status]}" if status in _CURES else ""
        return f"refused the job: {status} {_said(error)}{cure}"
    if (ended := _ENDED.search(text)) is not None:
        return f"could not finish the job ({ended[1]}): {_last_line(text[ended.end() :])}"
    if isinstance(error, grpc.FutureTimeoutError):
        address = options.view_as(PortableOptions).job_endpoint
        return f"does not answer at {address}: no job service, or none that this machine reaches"
    return f"did not take the job: {_last_line(text) or type(error).__name__}"


def _status(error: Exception) -> int | None:
    """The HTTP status of a refusal; clients of Google's name it in two ways."""
    for name in ("status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    return None


def _said(error: Exception) -> str:
    """What the other side says, without addresses and headers."""
    content = getattr(error, "content", None)
    if isinstance(content, bytes | str):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return str(json.loads(content)["error"]["message"])[:_MOST_TEXT]
    return str(getattr(error, "message", error))[:_MOST_TEXT]


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_MOST_TEXT] if lines and lines != ["None"] else "it does not say why"
