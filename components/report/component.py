"""Report: one self-contained HTML page about a run, for a person."""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import ClipScores, DataVerdict, IngestReport, Rejects, RunReport
from components.report import executor


class ReportSpec(ComponentSpec):
    """What goes in and out of Report."""

    PARAMETERS: ClassVar = {
        "workflow": ExecutionParameter(type=str),
        "serving": ExecutionParameter(type=str),
        "timings": ExecutionParameter(type=str),
        "trainer_code": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "ingest_report": ChannelParameter(type=IngestReport),
        "rejects": ChannelParameter(type=Rejects),
        "data_verdict": ChannelParameter(type=DataVerdict),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),
        "scores": ChannelParameter(type=ClipScores),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
        "pushed_model": ChannelParameter(type=standard_artifacts.PushedModel, optional=True),
    }
    OUTPUTS: ClassVar = {"report": ChannelParameter(type=RunReport)}


class Report(base_component.BaseComponent):
    """Writes `report.html`: verdict, data, training, errors, settings."""

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        ingest_report: types.BaseChannel,
        rejects: types.BaseChannel,
        data_verdict: types.BaseChannel,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        scores: types.BaseChannel,
        blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        workflow: str,
        serving: str,
        timings: str,
        trainer_code: str,
        pushed_model: types.BaseChannel | None = None,
    ) -> None:
        """Wires a report.

        Args:
            examples: of AudioExampleGen.
            ingest_report: of AudioExampleGen.
            rejects: of AudioExampleGen.
            data_verdict: of DataGate.
            model: a SavedModel with its model card.
            model_run: of Trainer, with its curves.
            scores: of Evaluator.
            blessing: of ModelGate, with its verdict.
            infra_blessing: of ServingCheck, with its report.
            workflow: JSON of the settings to show; its `name` is the title.
            serving: the directory of published models, in which the version is looked up.
            timings: path of a JSON list of `schemas.reports.StepTiming`, which the runner goes on
                writing and which therefore is no artifact; empty where there is none.
            trainer_code: fingerprint of the code and libraries that trained the model.
            pushed_model: of Pusher.
        """
        super().__init__(
            spec=ReportSpec(
                examples=examples,
                ingest_report=ingest_report,
                rejects=rejects,
                data_verdict=data_verdict,
                model=model,
                model_run=model_run,
                scores=scores,
                blessing=blessing,
                infra_blessing=infra_blessing,
                pushed_model=pushed_model,
                workflow=workflow,
                serving=serving,
                timings=timings,
                trainer_code=trainer_code,
                report=types.Channel(type=RunReport),
            )
        )
