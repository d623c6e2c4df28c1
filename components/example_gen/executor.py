"""AudioExampleGen: runs `IngestUtterances` on Beam and fills the artifacts."""

from typing import TypedDict

from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

from components.beam_jobs import RunsJobs
from components.example_gen.files import open_uncompressed
from components.example_gen.transforms import IngestUtterances, Places
from schemas.errors import DataError
from schemas.reports.ingest import INGEST_REPORT_FILE, IngestReport
from schemas.workflow.audio import Audio


class Parameters(TypedDict):
    """What the step is told: URIs, and the settings `audio` as JSON."""

    index_uri: str
    store_uri: str
    audio: str


class Executor(RunsJobs, base_beam_executor.BaseBeamExecutor):
    """Index in, examples, rejects and ingest report out."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: Parameters,
    ) -> None:
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        report_uri = artifact_utils.get_single_uri(output_dict["ingest_report"])
        places = Places(
            index=exec_properties["index_uri"],
            examples=examples.uri,
            rejects=artifact_utils.get_single_uri(output_dict["rejects"]),
            report=report_uri,
            store=exec_properties["store_uri"],
        )
        audio = Audio.model_validate_json(exec_properties["audio"])
        with self._make_beam_pipeline() as pipeline:
            pipeline | "IngestUtterances" >> IngestUtterances(places, audio)
        splits = _filled_splits(report_uri)
        examples.split_names = artifact_utils.encode_split_names(splits)
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)


def _filled_splits(report_uri: str) -> list[str]:
    """The splits that were written.

    Raises:
        DataError: a split has rows, but every one of them was rejected.
    """
    with open_uncompressed(f"{report_uri}/{INGEST_REPORT_FILE}") as file:
        report = IngestReport.model_validate_json(file.read())
    for name, split in report.splits.items():
        if not split.clips:
            rejects = ", ".join(f"{count} {reason}" for reason, count in report.rejects.items())
            raise DataError(f"every clip of the {name} split was rejected ({rejects})")
    return list(report.splits)
