"""ServingCheck: what goes in and what comes out."""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import ClipScores
from components.serving_check.executor import Executor


class ServingCheckSpec(ComponentSpec):
    """What goes in and out of ServingCheck."""

    PARAMETERS: ClassVar = {"limits": ExecutionParameter(type=str)}
    INPUTS: ClassVar = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "scores": ChannelParameter(type=ClipScores),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS: ClassVar = {
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
    }


class ServingCheck(base_component.BaseComponent):
    """Lets a blessed model be published only if it also answers outside of this process.

    Stands where TFX's InfraValidator does and leaves the same blessing; needs no Docker. What is
    not blessed is not asked.
    """

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        scores: types.BaseChannel,
        blessing: types.BaseChannel,
        limits: str,
    ) -> None:
        """Wires a check.

        Args:
            examples: of AudioExampleGen; test clips are asked.
            model: a SavedModel with its model card.
            scores: of Evaluator: what has to be answered.
            blessing: of ModelGate.
            limits: JSON of `schemas.workflow.ServingCheck`.
        """
        super().__init__(
            spec=ServingCheckSpec(
                examples=examples,
                model=model,
                scores=scores,
                blessing=blessing,
                limits=limits,
                infra_blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
