"""Holds a compiled pipeline against the pipeline-spec schema, and against what it must not need."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from schemas.errors import AuricleError

_LOCAL_PATH = re.compile(r"^(/|[A-Za-z]:\\|file:)")


def check_spec(job: Mapping[str, Any], root: str) -> None:
    """Refuses a PipelineJob that Vertex AI would refuse, or that needs a file of this machine.

    Raises:
        AuricleError: says what is wrong; it is no fault of the workflow.
    """
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    try:
        parsed = json_format.ParseDict(job, pipeline_spec_pb2.PipelineJob())
        spec = json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
        deployment = json_format.ParseDict(
            job["pipelineSpec"]["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()
        )
    except (json_format.ParseError, KeyError) as error:
        raise AuricleError(f"the compiled pipeline is none by its schema: {error}") from error
    wrong = [
        *_dangling(spec, deployment),
        *(f"{where} is a path of this machine: {path}" for where, path in _local_paths(job)),
    ]
    if parsed.runtime_config.gcs_output_directory != root:
        wrong.append(f"its root is {parsed.runtime_config.gcs_output_directory}, not {root}")
    if wrong:
        raise AuricleError(f"the compiled pipeline cannot run: {'; '.join(wrong)}")


def _dangling(spec: Any, deployment: Any) -> Iterator[str]:
    """What tasks name that is not there."""
    tasks = spec.root.dag.tasks
    for name, task in tasks.items():
        component = task.component_ref.name
        if component not in spec.components:
            yield f"{name} has no component {component}"
            continue
        if spec.components[component].executor_label not in deployment.executors:
            yield f"{name} has no executor"
        for key, given in task.inputs.artifacts.items():
            source = given.task_output_artifact
            producer = spec.components[tasks[source.producer_task].component_ref.name]
            if source.output_artifact_key not in producer.output_definitions.artifacts:
                yield f"{name} takes {key} from {source.producer_task}, which has none"
        for other in task.dependent_tasks:
            if other not in tasks:
                yield f"{name} waits for {other}, which is no task"


def _local_paths(value: object, where: str = "job") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inside in value.items():
            yield from _local_paths(inside, f"{where}.{key}")
    elif isinstance(value, list):
        for number, inside in enumerate(value):
            yield from _local_paths(inside, f"{where}[{number}]")
    elif isinstance(value, str) and _LOCAL_PATH.match(value):
        yield where, value
