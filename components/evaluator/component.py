"""Evaluator: what goes in and what comes out."""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import ClipScores
from components.evaluator.executor import Executor


class EvaluatorSpec(ComponentSpec):
    """What goes in and out of Evaluator."""

    PARAMETERS: ClassVar = {
        "task": ExecutionParameter(type=str),
        "background_uri": ExecutionParameter(type=str),
        "background_digest": ExecutionParameter(type=str),
        "noise_uri": ExecutionParameter(type=str),
        "noise_digest": ExecutionParameter(type=str),
        "conditions": ExecutionParameter(type=str),
        "earlier": ExecutionParameter(type=str, optional=True),
    }
    INPUTS: ClassVar = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar = {
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "scores": ChannelParameter(type=ClipScores),
    }


class Evaluator(base_beam_component.BaseBeamComponent):
    """Scores the test clips once with each exported model; TFMA measures the table of scores.

    In the place of TFX's Evaluator, which keeps no answer to a single clip: those are what models
    are compared by, and what a person listens to.
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        task: str,
        baseline_model: types.BaseChannel | None = None,
        background_uri: str = "",
        background_digest: str = "",
        noise_uri: str = "",
        noise_digest: str = "",
        conditions: str = "",
        earlier: str | None = None,
    ) -> None:
        """Wires an evaluator.

        Args:
            examples: of AudioExampleGen.
            model: the candidate, a SavedModel with its model card.
            task: whose part `scoring` says what is an error.
            baseline_model: the last blessed model; may be empty.
            background_uri: a list of recordings, `schemas.background`; empty where there is none.
            background_digest: stands for their content in the cache key.
            noise_uri: a list of recordings of noise, in the same way.
            noise_digest: stands for their content in the cache key.
            conditions: what test clips are also heard under, `schemas.workflow.conditions` as JSON.
            earlier: where the last blessed model is looked up if no resolver says it; JSON of
                `schemas.workflow.training.Earlier`.
        """
        super().__init__(
            spec=EvaluatorSpec(
                examples=examples,
                model=model,
                task=task,
                baseline_model=baseline_model,
                background_uri=background_uri,
                background_digest=background_digest,
                noise_uri=noise_uri,
                noise_digest=noise_digest,
                conditions=conditions,
                earlier=earlier,
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                scores=types.Channel(type=ClipScores),
            )
        )
