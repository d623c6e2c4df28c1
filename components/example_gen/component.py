"""AudioExampleGen: what goes in and what comes out."""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import IngestReport, Rejects
from components.example_gen.executor import Executor


class AudioExampleGenSpec(ComponentSpec):
    """Labelled recordings in; examples, rejects and a report out."""

    PARAMETERS: ClassVar = {
        "index_uri": ExecutionParameter(type=str),
        "index_digest": ExecutionParameter(type=str),
        "store_uri": ExecutionParameter(type=str),
        "audio": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {}
    OUTPUTS: ClassVar = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "rejects": ChannelParameter(type=Rejects),
        "ingest_report": ChannelParameter(type=IngestReport),
    }


class AudioExampleGen(base_beam_component.BaseBeamComponent):
    """Decodes, conditions, measures and splits labelled recordings.

    Args:
        index_uri: the index that `components.example_gen.index.write_index` wrote.
        index_digest: its digest, which stands for the content of the recordings in the cache key.
        store_uri: a folder that keeps finished shards from one ingest to the next.
        audio: `schemas.workflow.Audio` as JSON.
    """

    SPEC_CLASS = AudioExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, index_uri: str, index_digest: str, store_uri: str, audio: str) -> None:
        spec = AudioExampleGenSpec(
            index_uri=index_uri,
            index_digest=index_digest,
            store_uri=store_uri,
            audio=audio,
            examples=types.Channel(type=standard_artifacts.Examples),
            rejects=types.Channel(type=Rejects),
            ingest_report=types.Channel(type=IngestReport),
        )
        super().__init__(spec=spec)
