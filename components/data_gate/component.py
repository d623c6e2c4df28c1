"""DataGate: lets training begin, or stops the run and says in words what is wrong with the data."""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import DataVerdict, IngestReport, Rejects
from components.data_gate import executor


class DataGateSpec(ComponentSpec):
    """What goes in and out of DataGate."""

    PARAMETERS: ClassVar = {
        "gate": ExecutionParameter(type=str),
        "max_reject_fraction": ExecutionParameter(type=float),
        "task": ExecutionParameter(type=str, optional=True),
        "passed": ExecutionParameter(type=str, optional=True),
    }
    INPUTS: ClassVar = {
        "ingest_report": ChannelParameter(type=IngestReport),
        "rejects": ChannelParameter(type=Rejects),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "passed_before": ChannelParameter(type=DataVerdict, optional=True),
    }
    OUTPUTS: ClassVar = {"verdict": ChannelParameter(type=DataVerdict)}


class DataGate(base_component.BaseComponent):
    """Judges the data; a verdict is there only where training may begin."""

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        ingest_report: types.BaseChannel,
        rejects: types.BaseChannel,
        statistics: types.BaseChannel,
        anomalies: types.BaseChannel,
        passed_before: types.BaseChannel | None,
        gate: str,
        max_reject_fraction: float,
        task: str | None = None,
        passed: str | None = None,
    ) -> None:
        """Wires a gate.

        Args:
            ingest_report: of AudioExampleGen.
            rejects: of AudioExampleGen.
            statistics: of StatisticsGen.
            anomalies: of ExampleValidator.
            passed_before: the last verdict on other data, whose statistics drift is measured from.
            gate: JSON of `schemas.workflow.DataGate`.
            max_reject_fraction: `schemas.workflow.Data.max_reject_fraction`.
            task: of the model; the first one if not given.
            passed: the file in which verdicts are kept, and the last one on other data is looked up
                if no resolver says it.
        """
        super().__init__(
            spec=DataGateSpec(
                ingest_report=ingest_report,
                rejects=rejects,
                statistics=statistics,
                anomalies=anomalies,
                passed_before=passed_before,
                gate=gate,
                max_reject_fraction=max_reject_fraction,
                task=task,
                passed=passed,
                verdict=types.Channel(type=DataVerdict),
            )
        )
