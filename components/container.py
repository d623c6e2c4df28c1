"""What a container on Vertex AI runs: TFX's entry point of a step.

    python -m components.container --executor_class_path ... --json_serialized_invocation_args ...

A step that dies leaves its last words beside where its output would be: what Vertex AI says of it
is an exit code.
"""

import contextlib
import sys
import traceback
from argparse import Namespace
from logging import INFO, LogRecord

from absl import app, logging
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

from components.storage.interface import ABSENT, StaleError
from components.storage.location import location_of
from schemas.errors import AuricleError
from schemas.reports.last_words import LAST_WORDS_FILE, LastWords
from schemas.secrets import masked

# Files of libraries that print artifacts, or every name of a graph.
_CHATTY = ("kubeflow_v2_run_executor.py", "udf_utils.py", "signature_serialization.py")
_KEPT = 4000  # characters of a traceback


def main(parsed: tuple[Namespace, list[str]]) -> None:
    """Runs one step; ends the process with the exit code of an error that Auricle can name."""
    logging.get_absl_handler().addFilter(_is_worth_a_line)
    try:
        kubeflow_v2_run_executor.main(parsed)
    except Exception as error:
        sys.exit(_leave(parsed[0].json_serialized_invocation_args, error))


def _is_worth_a_line(record: LogRecord) -> bool:
    """Whether a record belongs in the container's log: what a library says of all its arguments, on
    a page for each step, does not.
    """
    return record.levelno > INFO or record.filename not in _CHATTY


def leave_words(arguments: list[str], error: Exception) -> None:
    """Leaves the last words of a step that was to be run with these arguments."""
    parsed, _ = kubeflow_v2_run_executor._parse_flags(["", *arguments])
    _leave(parsed.json_serialized_invocation_args, error)


def _leave(invocation: str, error: Exception) -> int:
    """Writes them to the container's log, and to the step's folder unless another container of the
    step left some before; returns the exit code.
    """
    words = _last_words(error)
    print(words.words, file=sys.stderr, flush=True)  # noqa: T201 - the container's log
    step = pipeline_spec_pb2.ExecutorInput()
    json_format.Parse(invocation, step, ignore_unknown_fields=True)
    folder = step.outputs.output_file.rpartition("/")[0]
    try:
        file = location_of(f"{folder}/{LAST_WORDS_FILE}")
        with contextlib.suppress(StaleError):
            file.put(words.model_dump_json().encode(), if_match=ABSENT)
    except (OSError, ValueError) as refused:  # the error itself counts
        print(f"its last words cannot be kept: {refused}", file=sys.stderr)  # noqa: T201
    return words.exit_code


def _last_words(error: Exception) -> LastWords:
    if isinstance(error, AuricleError):
        return LastWords(exit_code=error.exit_code, words=masked(str(error)))
    trace = "".join(traceback.format_exception(error))[-_KEPT:]
    return LastWords(exit_code=AuricleError.exit_code, words=masked(trace))


if __name__ == "__main__":
    app.run(main, flags_parser=kubeflow_v2_run_executor._parse_flags)
