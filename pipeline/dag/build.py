"""build_pipeline(workflow) -> the TFX pipeline: wiring only.

TFX is imported piece by piece: `tfx.v1` also brings the clients of every Google Cloud service, a
third of the time it takes.
"""

import json
from dataclasses import dataclass

from ml_metadata.proto import metadata_store_pb2
from tensorflow_data_validation import StatsOptions
from tfx.components import (
    ExampleValidator,
    Pusher,
    Trainer,
)
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base import executor_spec
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2, trainer_pb2
from tfx.types import BaseChannel, Channel, standard_artifacts

from components.artifacts import DataVerdict
from components.data_gate.component import DataGate
from components.evaluator.component import Evaluator
from components.example_gen.component import AudioExampleGen
from components.example_validator.executor import Executor as ExampleValidatorExecutor
from components.model_gate.component import ModelGate
from components.pusher.executor import Executor as PusherExecutor
from components.pusher.executor import PusherConfig
from components.report.component import Report
from components.resolvers import (
    BlessedBeforeStrategy,
    ChampionBeforeStrategy,
    PassedBeforeStrategy,
)
from components.serving_check.component import ServingCheck
from components.statistics_gen.component import StatisticsGen
from components.tasks import feeding
from schemas.example import SIDE_FEATURES
from schemas.splits import EVAL, TRAIN, fold_names
from schemas.tasks import FIRST_TASK
from schemas.workflow.training import Earlier, TrainerConfig, TrainingSettings
from schemas.workflow.workflow import Workflow


@dataclass(frozen=True)
class RunLocations:
    """Where a pipeline runs and keeps things: paths or URIs, and the arguments Beam gets there.

    `timings` and `judgements` are empty where nobody keeps them; `trainer_code` is the fingerprint
    of Trainer. Resolvers find what came before in the metadata store; where there is none of ours,
    `earlier` and `passed` are files in which the steps look themselves.
    """

    root: str
    serving: str
    ledger: str
    judgements: str
    checkpoints: str
    timings: str
    trainer_code: str
    index_uri: str
    index_digest: str
    background_uri: str
    background_digest: str
    noise_uri: str
    noise_digest: str
    shards: str
    schema_uri: str
    metadata: metadata_store_pb2.ConnectionConfig | None
    beam_args: list[str]
    ingest_args: list[str]
    earlier: Earlier | None = None
    passed: str | None = None
    registry: dict[str, str] | None = None  # that Pusher tells, where nobody else does


def build_pipeline(workflow: Workflow, locations: RunLocations) -> Pipeline:
    """Twelve components, in the order in which they run; data moves one way, down."""
    task = workflow.task
    example_gen = AudioExampleGen(
        index_uri=locations.index_uri,
        index_digest=locations.index_digest,
        store_uri=locations.shards,
        audio=workflow.audio.model_dump_json(),
    )
    if locations.ingest_args:
        example_gen.with_beam_pipeline_args(locations.ingest_args)
    examples = example_gen.outputs["examples"]
    statistics_gen = StatisticsGen(
        examples=examples,
        stats_options=StatsOptions(
            feature_allowlist=[*SIDE_FEATURES, *feeding.features(task).FEATURES, "speaker"]
        ),
    )
    schema_gen = ImportSchemaGen(schema_file=locations.schema_uri)
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )
    example_validator.executor_spec = executor_spec.ExecutorClassSpec(ExampleValidatorExecutor)
    passed_before = _passed_before(examples) if locations.passed is None else None
    data_gate = DataGate(
        ingest_report=example_gen.outputs["ingest_report"],
        rejects=example_gen.outputs["rejects"],
        statistics=statistics_gen.outputs["statistics"],
        anomalies=example_validator.outputs["anomalies"],
        passed_before=passed_before.outputs["verdict"] if passed_before else None,
        passed=locations.passed,
        gate=workflow.data_gate.model_dump_json(),
        max_reject_fraction=workflow.data.max_reject_fraction,
        **_task_settings(workflow),
    )
    champion = _champion(examples, workflow) if locations.earlier is None else None
    folds = fold_names(workflow.data.split.folds or 0)
    trainer = Trainer(
        run_fn="components.trainer.run_fn.run_fn",
        examples=examples,
        schema=schema_gen.outputs["schema"],
        base_model=champion.outputs["model"] if champion else None,
        train_args=trainer_pb2.TrainArgs(splits=folds or [TRAIN]),
        eval_args=trainer_pb2.EvalArgs(splits=folds or [EVAL]),
        custom_config=_trainer_config(workflow, locations),
    )
    trainer.add_upstream_node(data_gate)
    baseline = _baseline(trainer) if locations.earlier is None else None
    baseline_model = baseline.outputs["model"] if baseline else None
    evaluator = Evaluator(
        examples=examples,
        model=trainer.outputs["model"],
        task=task,
        baseline_model=baseline_model,
        background_uri=locations.background_uri,
        background_digest=locations.background_digest,
        noise_uri=locations.noise_uri,
        noise_digest=locations.noise_digest,
        conditions=workflow.conditions.model_dump_json(),
        earlier=json.dumps(locations.earlier) if locations.earlier else None,
    )
    model_gate = ModelGate(
        evaluation=evaluator.outputs["evaluation"],
        scores=evaluator.outputs["scores"],
        model=trainer.outputs["model"],
        baseline=baseline_model,
        gate=workflow.gate.model_dump_json(),
        task=task,
        judgements=locations.judgements,
    )
    serving_check = ServingCheck(
        examples=examples,
        model=trainer.outputs["model"],
        scores=evaluator.outputs["scores"],
        blessing=model_gate.outputs["blessing"],
        limits=workflow.serving_check.model_dump_json(),
    )
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=model_gate.outputs["blessing"],
        infra_blessing=serving_check.outputs["infra_blessing"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=locations.serving)
        ),
        custom_config=_pusher_config(locations),
        custom_executor_spec=executor_spec.ExecutorClassSpec(PusherExecutor),
    )
    report = Report(
        examples=examples,
        ingest_report=example_gen.outputs["ingest_report"],
        rejects=example_gen.outputs["rejects"],
        data_verdict=data_gate.outputs["verdict"],
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        scores=evaluator.outputs["scores"],
        blessing=model_gate.outputs["blessing"],
        infra_blessing=serving_check.outputs["infra_blessing"],
        pushed_model=pusher.outputs["pushed_model"],
        workflow=json.dumps(_shown_settings(workflow)),
        serving=locations.serving,
        timings=locations.timings,
        trainer_code=locations.trainer_code,
    )
    return Pipeline(
        pipeline_name=workflow.name,
        pipeline_root=locations.root,
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            example_validator,
            *([passed_before] if passed_before else []),
            data_gate,
            *([champion] if champion else []),
            trainer,
            *([baseline] if baseline else []),
            evaluator,
            model_gate,
            serving_check,
            pusher,
            report,
        ],
        metadata_connection_config=locations.metadata,
        beam_pipeline_args=locations.beam_args,
        enable_cache=True,
    )


def _pusher_config(locations: RunLocations) -> PusherConfig:
    if locations.registry is None:
        return {"ledger": locations.ledger}
    return {"ledger": locations.ledger, "registry": locations.registry}


def _baseline(trainer: Trainer) -> Resolver:
    return Resolver(
        strategy_class=BlessedBeforeStrategy,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
        candidate=trainer.outputs["model"],
    ).with_id("Baseline")


def _champion(examples: BaseChannel, workflow: Workflow) -> Resolver | None:
    """Finds the model whose weights training starts with; None where it starts from scratch."""
    if workflow.train.start == "scratch":
        return None
    return Resolver(
        strategy_class=ChampionBeforeStrategy,
        config={"audio": workflow.audio.model_dump_json()},
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
        candidate=examples,
    ).with_id("Champion")


def _trainer_config(workflow: Workflow, locations: RunLocations) -> TrainerConfig:
    config: TrainerConfig = {
        "workflow": workflow.model_dump_json(include=set(TrainingSettings.model_fields)),
        "generated": workflow.data.generated is not None,
        "examples": locations.index_digest,
        "code": locations.trainer_code,
        "checkpoints": locations.checkpoints,
    }
    if workflow.train.start == "both":  # two models are trained and the better one is kept
        config["confidence"] = workflow.gate.confidence
    if workflow.task != FIRST_TASK:
        config["task"] = workflow.task
    if locations.noise_uri:
        config["noise"] = {"uri": locations.noise_uri, "digest": locations.noise_digest}
    if locations.earlier is not None and workflow.train.start != "scratch":
        config["earlier"] = locations.earlier
    return config


def _task_settings(workflow: Workflow) -> dict[str, str]:
    """The task of the model; not said of the first one, whose steps were keyed before it had a
    name.
    """
    return {} if workflow.task == FIRST_TASK else {"task": workflow.task}


def _passed_before(examples: BaseChannel) -> Resolver:
    return Resolver(
        strategy_class=PassedBeforeStrategy,
        verdict=Channel(type=DataVerdict),
        candidate=examples,
    ).with_id("PassedBefore")


def _shown_settings(workflow: Workflow) -> dict[str, object]:
    """What the report shows; when and where it runs and who is told do not belong to the model."""
    return workflow.model_dump(mode="json", exclude={"run", "notify", "schedule", "registry"})
