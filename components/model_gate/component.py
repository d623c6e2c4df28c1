"""ModelGate: blesses or refuses a model by the workflow's thresholds on the Evaluator's counts."""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import ClipScores
from components.model_gate import executor

EVALUATION_KEY = "evaluation"
SCORES_KEY = "scores"
MODEL_KEY = "model"
BASELINE_KEY = "baseline"
BLESSING_KEY = "blessing"
GATE_KEY = "gate"
TASK_KEY = "task"


class ModelGateSpec(ComponentSpec):
    """What goes in and out of ModelGate."""

    PARAMETERS: ClassVar = {
        GATE_KEY: ExecutionParameter(type=str),
        TASK_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        EVALUATION_KEY: ChannelParameter(type=standard_artifacts.ModelEvaluation),
        SCORES_KEY: ChannelParameter(type=ClipScores),
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        BASELINE_KEY: ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar = {BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing)}


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
        baseline: types.BaseChannel | None = None,
    ) -> None:
        """Wires a gate.

        Args:
            evaluation: of Evaluator: TFMA's counts.
            scores: of Evaluator: the table that was counted, and what else the task measured.
            model: the candidate, a SavedModel with its model card.
            gate: JSON of the workflow's block `gate`.
            task: whose part `gate` judges.
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
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
