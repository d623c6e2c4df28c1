"""ModelGate: blesses or refuses a model by the workflow's thresholds on the Evaluator's counts."""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import ClipScores
from components.model_gate import executor


class ModelGateSpec(ComponentSpec):
    """What goes in and out of ModelGate."""

    PARAMETERS: ClassVar = {
        "gate": ExecutionParameter(type=str),
        "task": ExecutionParameter(type=str),
        "judgements": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "scores": ChannelParameter(type=ClipScores),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar = {"blessing": ChannelParameter(type=standard_artifacts.ModelBlessing)}


class ModelGate(base_component.BaseComponent):
    """Decides on a model; the blessing says it to TFX, `verdict.json` in it to people."""

    SPEC_CLASS = ModelGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        evaluation: types.BaseChannel,
        scores: types.BaseChannel,
        model: types.BaseChannel,
        gate: str,
        task: str,
        judgements: str = "",
        baseline: types.BaseChannel | None = None,
    ) -> None:
        """Wires a gate.

        Args:
            evaluation: of Evaluator: TFMA's counts.
            scores: of Evaluator: the table that was counted, and what else the task measured.
            model: the candidate, a SavedModel with its model card.
            gate: JSON of the workflow's block `gate`.
            task: whose part `gate` judges.
            judgements: the file in which verdicts are kept by their test clips; none if empty.
            baseline: the last blessed model, the one that the Evaluator was given; may be empty.
        """
        super().__init__(
            spec=ModelGateSpec(
                evaluation=evaluation,
                scores=scores,
                model=model,
                baseline=baseline,
                gate=gate,
                task=task,
                judgements=judgements,
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
