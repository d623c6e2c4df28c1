"""What a container on Vertex AI runs: TFX's entry point of a step.

    python -m components.container --executor_class_path ... --json_serialized_invocation_args ...

A step that dies leaves its last words beside where its output would be: what Vertex AI says of it
is an exit code.
"""

import sys
import traceback
from argparse import Namespace

from absl import app
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

from components.storage.location import location_of
from schemas.errors import AuricleError
from schemas.reports.last_words import LAST_WORDS_FILE

_KEPT = 4000  # characters of a traceback


def main(parsed: tuple[Namespace, list[str]]) -> None:
    """Runs one step; ends the process with the exit code of an error that Auricle can name."""
    try:
        kubeflow_v2_run_executor.main(parsed)
    except Exception as error:
        _leave(parsed[0].json_serialized_invocation_args, error)
        if isinstance(error, AuricleError):
            sys.exit(error.exit_code)
        raise


def _leave(invocation: str, error: Exception) -> None:
    words = str(error)
    if not isinstance(error, AuricleError):
        words = "".join(traceback.format_exception(error))[-_KEPT:]
    print(words, file=sys.stderr, flush=True)  # noqa: T201 - the container's log
    step = pipeline_spec_pb2.ExecutorInput()
    json_format.Parse(invocation, step, ignore_unknown_fields=True)
    folder = step.outputs.output_file.rpartition("/")[0]
    try:
        location_of(f"{folder}/{LAST_WORDS_FILE}").put(words.encode())
    except (OSError, ValueError) as refused:  # the error itself counts
        print(f"its last words cannot be kept: {refused}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    app.run(main, flags_parser=kubeflow_v2_run_executor._parse_flags)
