"""What became of the training that a run judged: gathered from what its steps left behind."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ml_metadata.proto.metadata_store_pb2 import Artifact
from pydantic import TypeAdapter

from components.registry.training import DataSet, Training
from components.storage.location import Location, location_of
from components.tasks.pages import tracked
from components.versions.manifest import digest_model
from components.versions.model_card import read_card
from pipeline.metadata.artifacts import made_by, open_metadata, put_out, taken, used_by
from pipeline.runs.records import RunRecord
from pipeline.workspace.paths import RunDirectory
from schemas.reports.ingest import INGEST_REPORT_FILE, IngestReport
from schemas.reports.training import HISTORY_FILE, Epoch
from schemas.workflow.data import Data

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore


def read_training(record: RunRecord, directory: RunDirectory) -> Training | None:
    """What the run of `record` judged; None where its model is gone."""
    store = open_metadata(directory)
    scores = store.get_artifacts_by_uri(str(location_of(record.scores).parent)) if store else []
    judged = taken(store, made_by(store, scores)) if store else {}
    if store is None or "model" not in judged:
        return None
    saved_model = location_of(judged["model"].uri) / "Format-Serving"
    if not saved_model.has_files():
        return None
    own = tracked(record.verdict)
    return Training(
        run=record.number,
        began=record.finished,  # when it was begun, whatever it is called
        seconds=record.seconds,
        outcome=record.outcome,
        version=record.pushed_version,
        model_digest=digest_model(saved_model),
        card=read_card(saved_model),
        verdict=record.verdict,
        data=DataSet(
            record.data, _source(record.workflow.data), _clips(store, judged.get("examples"))
        ),
        epochs=_epochs(store, judged["model"]),
        metrics=own.metrics,
        pictures=own.pictures,
        report=_report(store, scores),
        is_scheduled=record.is_scheduled,
    )


def _source(data: Data) -> str:
    """Where the recordings are, as the workflow says it."""
    if data.generated is not None:
        return "generated speech"
    manifests = [data.manifests] if isinstance(data.manifests, str) else data.manifests or []
    return ", ".join(filter(None, [*manifests, data.folder]))


def _clips(store: "MetadataStore", examples: Artifact | None) -> dict[str, int]:
    """By split."""
    made = put_out(store, made_by(store, [examples])) if examples else {}
    file = _file_of(made, "ingest_report", INGEST_REPORT_FILE)
    if file is None:
        return {}
    report = IngestReport.model_validate_json(file.read())
    return {name: split.clips for name, split in report.splits.items()}


def _epochs(store: "MetadataStore", model: Artifact) -> list[Epoch]:
    made = put_out(store, made_by(store, [model]))
    file = _file_of(made, "model_run", HISTORY_FILE)
    return [] if file is None else TypeAdapter(list[Epoch]).validate_json(file.read())


def _report(store: "MetadataStore", scores: list[Artifact]) -> Location | None:
    """The newest page about these scores."""
    return _file_of(put_out(store, used_by(store, scores)), "report", "report.html")


def _file_of(made: Mapping[str, Artifact], key: str, name: str) -> Location | None:
    """A file of an artifact; None where it is gone."""
    file = location_of(made[key].uri) / name if key in made else None
    return file if file is not None and file.is_present() else None
