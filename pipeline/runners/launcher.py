"""Launches a TFX pipeline node by node, with a safe cache. Importing this imports TFX.

The loop is that of TFX's LocalDagRunner, taken apart to say which component is running, to tell
reused results from new ones, and to seal what was written.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from components.storage.digests import FileDigests
from components.storage.location import Location, location_of
from pipeline.dag.cache import (
    abandon_unfinished,
    key_components,
    seal_outputs,
    withdraw_changed,
)
from schemas.errors import DataGateError
from schemas.outcomes import StepOutcome

_Execution = metadata_store_pb2.Execution


@dataclass(frozen=True)
class Outcome:
    """What one component left: its artifacts by output key, and whether they were reused."""

    artifacts: dict[str, metadata_store_pb2.Artifact]
    is_reused: bool


def launch_pipeline(
    pipeline: Pipeline,
    fingerprints: Mapping[str, str],
    digests: FileDigests,
    serving: Location,
    started: Callable[[str], None],
    finished: Callable[[str, StepOutcome], None],
    produced: Callable[[str, Outcome], None],
) -> dict[str, Outcome]:
    """Runs `pipeline`; calls `started(name)` and `finished(name, "done" | "reused" | ...)`.

    `produced` gets what each component left, before the next one starts. Nodes without a
    fingerprint (resolvers) run without being announced.
    """
    graph = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        graph, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: datetime.datetime.now().isoformat()}
    )
    key_components(graph, fingerprints)
    connection = pipeline.metadata_connection_config
    with metadata.Metadata(connection) as handle:
        abandon_unfinished(
            handle.store,
            location_of(graph.runtime_spec.pipeline_root.field_value.string_value),
        )
        withdraw_changed(handle.store, digests, serving)
    outcomes: dict[str, Outcome] = {}
    for node in graph.nodes:
        name = node.pipeline_node.node_info.id
        if name not in fingerprints:
            _launch(graph, node.pipeline_node, connection)
            continue
        started(name)
        try:
            outcomes[name] = _launch_component(graph, node.pipeline_node, connection, digests)
        except BaseException as error:
            finished(name, "stopped" if isinstance(error, DataGateError) else "failed")
            raise
        produced(name, outcomes[name])
        finished(name, "reused" if outcomes[name].is_reused else "done")
    return outcomes


def _launch_component(
    graph: pipeline_pb2.Pipeline,
    node: pipeline_pb2.PipelineNode,
    connection: metadata_store_pb2.ConnectionConfig,
    digests: FileDigests,
) -> Outcome:
    execution_id = _launch(graph, node, connection)
    with metadata.Metadata(connection) as handle:
        store = handle.store
        [execution] = store.get_executions_by_id([execution_id])
        if execution.last_known_state not in (_Execution.COMPLETE, _Execution.CACHED):
            raise RuntimeError(f"{node.node_info.id} did not run: its inputs are missing")
        is_reused = execution.last_known_state == _Execution.CACHED
        if not is_reused:
            seal_outputs(store, execution_id, digests)
        events = store.get_events_by_execution_ids([execution_id])
        keys = {
            event.artifact_id: event.path.steps[0].key
            for event in events
            if event.type == metadata_store_pb2.Event.OUTPUT
        }
        artifacts = {keys[a.id]: a for a in store.get_artifacts_by_id(list(keys))}
    return Outcome(artifacts=artifacts, is_reused=is_reused)


def _launch(
    graph: pipeline_pb2.Pipeline,
    node: pipeline_pb2.PipelineNode,
    connection: metadata_store_pb2.ConnectionConfig,
) -> int:
    deployment = runner_utils.extract_local_deployment_config(graph)
    node_id = node.node_info.id
    info = launcher.Launcher(
        pipeline_node=node,
        mlmd_connection=metadata.Metadata(connection),
        pipeline_info=graph.pipeline_info,
        pipeline_runtime_spec=graph.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
    ).launch()
    return int(info.execution_id)
