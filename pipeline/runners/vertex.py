"""Compiles a workflow to a Vertex AI pipeline; submitting it will have its place here."""

from pathlib import Path

from components.evaluation.slices import check_slices
from components.example_gen.index import write_index
from components.example_gen.sources import list_utterances
from components.example_gen.splits import check_data_set
from pipeline.beam_options import beam_pipeline_args
from pipeline.fingerprint import component_fingerprint
from schemas.errors import WorkflowError
from schemas.workflow import Workflow

CONTAINER_IMAGE = "auricle"


def compile_workflow(workflow: Workflow, base: Path, output: Path) -> None:
    """Writes the Vertex AI pipeline of `workflow` as JSON to `output`, without the network.

    The source index it reads is written beside it, and has to be copied to `<run.directory>/index`.

    Raises:
        WorkflowError: `run.directory` is not a Cloud Storage URI.
        DataError: the recordings cannot be used.
    """
    root = workflow.run.directory or ""
    if not root.startswith("gs://"):
        raise WorkflowError(
            f"run.directory: got {workflow.run.directory!r}, expected a Cloud Storage URI such as "
            "gs://bucket/runs/digits, since Vertex AI keeps artifacts there"
        )
    beam_args = beam_pipeline_args(workflow.run.beam)
    listing = list_utterances(workflow.data, base)
    check_data_set(listing.utterances, workflow.data.split)
    check_slices(workflow.gate.accuracy.slices, listing.utterances)
    index = write_index(listing, workflow.data, output.parent / "index", None)
    from tfx.dsl.input_resolution.strategies import (
        latest_artifact_strategy,
        latest_blessed_model_strategy,
    )
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

    from pipeline.graph import Place, build_pipeline

    place = Place(
        root=root,
        serving=f"{root}/{workflow.push.directory}",
        ledger=f"{root}/versions.json",
        checkpoints=f"{root}/checkpoints",
        trainer_code=component_fingerprint("Trainer"),
        index_uri=f"{root}/index/{Path(index.uri).name}",
        index_digest=index.digest,
        shards=f"{root}/shards/{component_fingerprint('AudioExampleGen')[:16]}",
        schema_uri=f"{root}/utterance.pbtxt",
        metadata=None,
        beam_args=beam_args,
        ingest_args=[],
        baseline_strategy=latest_blessed_model_strategy.LatestBlessedModelStrategy,
        passed_before_strategy=latest_artifact_strategy.LatestArtifactStrategy,
        champion_strategy=latest_blessed_model_strategy.LatestBlessedModelStrategy,
    )
    kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        config=kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(default_image=CONTAINER_IMAGE),
        output_dir=str(output.parent),
        output_filename=output.name,
    ).run(build_pipeline(workflow, place), write_out=True)
