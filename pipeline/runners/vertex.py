"""Compiles a workflow to a Vertex AI pipeline; submitting it will have its locations here."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from components.example_gen.background import write_background
from components.example_gen.index import IndexRef
from components.example_gen.index_writer import write_index
from pipeline.dag.beam import beam_pipeline_args
from pipeline.dag.fingerprint import component_fingerprint, shards_fingerprint
from pipeline.datasets.checks import check_inputs
from pipeline.datasets.rows import list_rows
from pipeline.inference.tensorflow_import import import_tensorflow
from pipeline.workspace.project import Project
from schemas.errors import WorkflowError
from schemas.workflow.workflow import Workflow

CONTAINER_IMAGE = "auricle"


class Compiled(BaseModel):
    """A workflow in another orchestrator's format: the file, the folder beside it that has to be
    copied to the run directory, and whether versions will be registered.
    """

    target: Literal["vertex"]
    file: str
    index: str
    has_registry: bool


def compile_workflow(project: Project, output: Path) -> Compiled:
    """Writes the Vertex AI pipeline of a workflow as JSON to `output`, without the network.

    The source index and the list of background recordings are written beside it, and have to be
    copied to `<run.directory>/index`.
    Published versions are registered where the workflow names a project and region.

    Raises:
        WorkflowError: `run.directory` is not a Cloud Storage URI.
        DataError: the recordings cannot be used.
    """
    workflow = project.workflow
    root = workflow.run.directory or ""
    if not root.startswith("gs://"):
        raise WorkflowError(
            f"run.directory: got {workflow.run.directory!r}, expected a Cloud Storage URI such as "
            "gs://bucket/runs/digits, since Vertex AI keeps artifacts there"
        )
    beam_args = beam_pipeline_args(workflow.run.beam)
    listing = list_rows(project)
    recordings = check_inputs(project, listing.utterances)
    index = write_index(listing, workflow.data, output.parent / "index", None)
    background = write_background(recordings, output.parent / "index", None)
    with _libraries_quiet():
        _write_pipeline(workflow, output, index, background, beam_args)
    return Compiled(
        target="vertex",
        file=str(output),
        index=str(output.parent / "index"),
        has_registry=vertex_registry(workflow) is not None,
    )


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


def _write_pipeline(
    workflow: Workflow, output: Path, index: IndexRef, background: IndexRef, beam_args: list[str]
) -> None:
    from tfx.dsl.input_resolution.strategies import (
        latest_artifact_strategy,
        latest_blessed_model_strategy,
    )
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

    from pipeline.dag.build import RunLocations, build_pipeline

    root = workflow.run.directory or ""
    locations = RunLocations(
        root=root,
        serving=f"{root}/{workflow.push.directory}",
        ledger=f"{root}/versions.json",
        judgements="",
        checkpoints=f"{root}/checkpoints",
        timings="",
        trainer_code=component_fingerprint("Trainer", task=workflow.task),
        index_uri=f"{root}/index/{Path(index.uri).name}",
        index_digest=index.digest,
        background_uri=background.uri and f"{root}/index/{Path(background.uri).name}",
        background_digest=background.digest,
        shards=f"{root}/shards/{shards_fingerprint()[:16]}",
        schema_uri=f"{root}/utterance.pbtxt",
        metadata=None,
        beam_args=beam_args,
        ingest_args=[],
        baseline_strategy=latest_blessed_model_strategy.LatestBlessedModelStrategy,
        passed_before_strategy=latest_artifact_strategy.LatestArtifactStrategy,
        registry=vertex_registry(workflow),
        champion_strategy=latest_blessed_model_strategy.LatestBlessedModelStrategy,
    )
    kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        config=kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(default_image=CONTAINER_IMAGE),
        output_dir=str(output.parent),
        output_filename=output.name,
    ).run(build_pipeline(workflow, locations), write_out=True)


def vertex_registry(workflow: Workflow) -> dict[str, str] | None:
    """Project and region of the registry: `run.vertex`, or else those of Dataflow.

    None where neither names them, or `registry.kind` is `none`.
    """
    beam = workflow.run.beam
    options = beam.options if beam.runner == "DataflowRunner" else {}
    project = workflow.run.vertex.project or options.get("project")
    region = workflow.run.vertex.region or options.get("region")
    if workflow.registry.kind == "none" or not project or not region:
        return None
    return {"kind": "vertex", "project": str(project), "region": str(region)}
