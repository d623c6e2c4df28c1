"""Compiles a workflow to a pipeline of Vertex AI: its graph, its machines and its files."""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel

from components.example_gen.background import write_recordings
from components.example_gen.index import IndexRef
from components.example_gen.index_writer import write_index
from components.example_gen.sources import Listing
from components.storage.location import Location, location_of
from pipeline.dag.beam import beam_pipeline_args
from pipeline.dag.data_schema import SCHEMA_FILE, data_schema
from pipeline.dag.fingerprint import component_fingerprint, shards_fingerprint
from pipeline.datasets.checks import check_inputs
from pipeline.datasets.rows import list_rows
from pipeline.inference.tensorflow_import import import_tensorflow
from pipeline.runners.vertex_place import find_place, place_of
from pipeline.runners.vertex_spec import check_spec
from pipeline.workspace.project import Project
from schemas.background import BackgroundRecording
from schemas.errors import DataError, WorkflowError
from schemas.text import some
from schemas.training_machines import TrainingMachines
from schemas.utterance import Utterance
from schemas.workflow.run import Beam
from schemas.workflow.workflow import Workflow

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.dag.build import RunLocations

# TFX's entry point of a step, behind one that keeps the last words of a step that dies.
COMMAND = ["python", "-m", "components.container"]
TRAINER_COMMAND = ["python", "-m", "components.custom_job"]
# Of every container: what libraries say of themselves is no part of a step's log.
ENVIRONMENT = {"PYTHONWARNINGS": "ignore", "TF_CPP_MIN_LOG_LEVEL": "2"}
SMALL = {"cpu_limit": 2.0, "memory_limit": 8.0}  # vCPU, GB
_NAMED = 3


class Compiled(BaseModel):
    """A workflow in another orchestrator's format: the file, the folder beside it that has to be
    copied to the run directory, empty where it was, and whether versions will be registered.
    """

    target: Literal["vertex"]
    file: str
    index: str
    has_registry: bool


def compile_workflow(project: Project, output: Path, *, upload: bool = False) -> Compiled:
    """Writes the Vertex AI pipeline of a workflow as JSON to `output`, without the network.

    The source index, the list of background recordings and the schema of the examples are written
    to a folder beside it, and have to be copied to the run directory; `upload` does.
    Published versions are registered where the workflow names a project and region.

    Raises:
        WorkflowError: `run` does not say what Vertex AI needs.
        DataError: the recordings cannot be used, or lie on this machine.
    """
    check_vertex(project.workflow)
    beside = output.parent / f"{output.stem}-files"
    files = location_of(run_root(project.workflow)) if upload else location_of(beside)
    job = make_job(project, files).job
    location_of(output).put(json.dumps(job, indent=1, sort_keys=True).encode())
    return Compiled(
        target="vertex",
        file=str(output),
        index="" if upload else str(beside),
        has_registry=vertex_registry(project.workflow) is not None,
    )


def check_vertex(workflow: Workflow) -> None:
    """Refuses a workflow that lacks what Vertex AI needs.

    Raises:
        WorkflowError: says what.
    """
    root = workflow.run.directory or ""
    if not root.startswith("gs://"):
        raise WorkflowError(
            f"run.directory: got {workflow.run.directory!r}, expected a Cloud Storage URI such as "
            "gs://bucket/runs/digits, since Vertex AI keeps artifacts there"
        )
    if "://" in workflow.push.directory and not workflow.push.directory.startswith("gs://"):
        raise WorkflowError(
            f"push.directory: got {workflow.push.directory!r}, expected a Cloud Storage URI, or a"
            " name below run.directory"
        )
    if image(workflow) is None:
        raise WorkflowError(
            "run.vertex.image: got none, expected the image that the steps run in, such as"
            " europe-docker.pkg.dev/my-project/auricle/auricle:0.1.0 (docs/deploy/README.md"
            " says how to build it)"
        )


class Made(NamedTuple):
    """A PipelineJob, as JSON, the rows that it reads, and the digest of their index."""

    job: dict[str, Any]
    listing: Listing
    data: str


def make_job(project: Project, files: Location) -> Made:
    """The job of a workflow; what its steps read is written to `files`, which is the run directory,
    or copied there before it starts.

    Raises:
        DataError: the recordings cannot be used, or lie on this machine.
    """
    workflow = project.workflow
    beam_args = beam_pipeline_args(beam_on_google(workflow))
    listing = list_rows(project)
    recordings = check_inputs(project, listing.utterances)
    _check_reachable(listing.utterances, [*recordings.background, *recordings.noise])
    index = write_index(listing, workflow.data, files / "index", None)
    background = write_recordings(recordings.background, "background", files / "index")
    noise = write_recordings(recordings.noise, "noise", files / "index")
    (files / SCHEMA_FILE.name).put(data_schema(workflow.task))
    with _libraries_quiet():
        job = _compile(workflow, _locations(workflow, (index, background, noise), beam_args))
    check_spec(job, run_root(workflow))
    return Made(job, listing, index.digest)


def run_root(workflow: Workflow) -> str:
    """The run directory on Cloud Storage."""
    return (workflow.run.directory or "").rstrip("/")


def image(workflow: Workflow) -> str | None:
    """The image of the steps, which Dataflow's workers run in, too."""
    other = workflow.run.beam.options.get("sdk_container_image")
    return workflow.run.vertex.image or (str(other) if other else None)


def vertex_registry(workflow: Workflow) -> dict[str, str] | None:
    """Project and region of the registry, and where it answers if not where Google's does.

    None where neither names them, or `registry.kind` is `none`.
    """
    found = find_place(workflow)
    if workflow.registry.kind == "none" or found is None:
        return None
    registry = {"kind": "vertex", "project": found.project, "region": found.region}
    if found.endpoint is not None:
        registry["endpoint"] = found.endpoint
    return registry


def beam_on_google(workflow: Workflow) -> Beam:
    """`run.beam`, on Dataflow with account and labels of `run.vertex` where it has none."""
    beam, vertex = workflow.run.beam, workflow.run.vertex
    if beam.runner != "DataflowRunner":
        return beam
    options: dict[str, Any] = {}
    if vertex.service_account is not None:
        options["service_account_email"] = vertex.service_account
    if vertex.labels:
        options["labels"] = [f"{key}={value}" for key, value in sorted(vertex.labels.items())]
    return beam.model_copy(update={"options": options | beam.options})


def _check_reachable(rows: Sequence[Utterance], recordings: list[BackgroundRecording]) -> None:
    here = [row.path for row in rows if row.path and "://" not in row.path]
    here += [each.path for each in recordings if "://" not in each.path]
    if here:
        raise DataError(
            f"{len(here):,} recordings lie on this machine ({some(here, _NAMED)}), where"
            " Vertex AI cannot read them; copy them to a bucket (gcloud storage cp -r), and name"
            " them there in data.manifests, data.folder, data.background or"
            " augment.noise.recordings"
        )


def _locations(
    workflow: Workflow, lists: tuple[IndexRef, IndexRef, IndexRef], beam_args: list[str]
) -> "RunLocations":
    from pipeline.dag.build import RunLocations

    index, background, noise = lists
    root, push = run_root(workflow), workflow.push.directory
    ledger, judgements = f"{root}/versions.json", f"{root}/judgements.jsonl"
    trainer_code = component_fingerprint("Trainer", task=workflow.task)
    return RunLocations(
        root=root,
        serving=push.rstrip("/") if "://" in push else f"{root}/{push}",
        ledger=ledger,
        judgements=judgements,
        checkpoints=f"{root}/checkpoints/{trainer_code[:16]}",
        timings="",
        trainer_code=trainer_code,
        index_uri=f"{root}/index/{Path(index.uri).name}",
        index_digest=index.digest,
        background_uri=background.uri and f"{root}/index/{Path(background.uri).name}",
        background_digest=background.digest,
        noise_uri=noise.uri and f"{root}/index/{Path(noise.uri).name}",
        noise_digest=noise.digest,
        shards=f"{root}/shards/{shards_fingerprint()[:16]}",
        schema_uri=f"{root}/{SCHEMA_FILE.name}",
        metadata=None,
        beam_args=beam_args,
        ingest_args=[],
        earlier={"judgements": judgements, "ledger": ledger},
        passed=f"{root}/passed.jsonl",
        registry=vertex_registry(workflow),
    )


def _compile(workflow: Workflow, locations: "RunLocations") -> dict[str, Any]:
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

    from pipeline.dag.build import build_pipeline

    pipeline = build_pipeline(workflow, locations)
    _give_machines(pipeline, workflow)
    config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
        default_image=image(workflow), default_commands=COMMAND, use_pipeline_spec_2_1=True
    )
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(config=config)
    job: dict[str, Any] = runner.run(pipeline, write_out=False)
    labels: Mapping[str, str] = workflow.run.vertex.labels
    job["labels"] = job.get("labels", {}) | labels
    _configure_containers(job, workflow)
    return job


def _configure_containers(job: dict[str, Any], workflow: Workflow) -> None:
    """Their environment, and the machines of Trainer, whose own container then only waits."""
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    for executor in executors.values():
        executor["container"]["env"] = [{"name": k, "value": v} for k, v in ENVIRONMENT.items()]
    if (pool := workflow.run.vertex.trainer) is None:
        return
    place, vertex = place_of(workflow), workflow.run.vertex
    machines = TrainingMachines(
        name=f"{workflow.name}-trainer",
        project=place.project,
        region=place.region,
        endpoint=place.endpoint,
        image=image(workflow) or "",
        machine=pool.machine,
        accelerator=pool.accelerator,
        count=pool.count,
        replicas=pool.replicas,
        service_account=vertex.service_account,
        network=vertex.network,
        labels=vertex.labels,
        environment=ENVIRONMENT,
    )
    container = executors["Trainer_executor"]["container"]
    container["command"] = TRAINER_COMMAND
    container["args"] = ["--custom_job", machines.model_dump_json(), *container["args"]]


def _give_machines(pipeline: "Pipeline", workflow: Workflow) -> None:
    """Small machines for the steps that only read and write documents, or have others work."""
    from kfp.pipeline_spec import pipeline_spec_pb2

    small = pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec(**SMALL)
    large = {"Trainer"} if workflow.run.vertex.trainer is None else set()
    if workflow.run.beam.runner != "DataflowRunner":  # then Beam runs in the step's own container
        large |= {"AudioExampleGen", "StatisticsGen", "Evaluator"}
    for node in pipeline.components:
        if node.id not in large:
            node.with_platform_config(small)


@contextlib.contextmanager
def _libraries_quiet() -> Iterator[None]:
    """Keeps off the terminal what TFX, and what it imports, say of themselves; errors are heard."""
    import_tensorflow()
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        absl.setLevel(level)
