"""The models that runs trained, whatever became of them: for who wants to try one."""

from components.storage.location import Location, location_of
from components.versions.model_card import read_card
from pipeline.inference.predict import TrainedModel
from pipeline.metadata.artifacts import made_by, open_metadata, taken
from pipeline.runs.records import RunRecord, find_record, list_records
from pipeline.workspace.project import Project
from schemas.errors import InputError


def load_candidate(project: Project, run: int | None = None) -> TrainedModel:
    """The model that the last judged run trained, or another run by its number.

    Raises:
        InputError: no run was judged yet, there is no such run, or its model is gone.
    """
    record = list_records(project)[-1] if run is None else find_record(project, run)
    folder = _model_of(project, record)
    try:
        card = record.verdict.details.complete_card(read_card(folder))
        return TrainedModel(folder, card, run=record.number)
    except OSError as error:
        raise InputError(f"the model of run {record.number} is gone: {error}") from error


def _model_of(project: Project, record: RunRecord) -> Location:
    """Where the SavedModel lies whose answers the record's scores are."""
    store = open_metadata(project.run_directory)
    scores = store.get_artifacts_by_uri(str(location_of(record.scores).parent)) if store else []
    if store is None or not scores:
        raise InputError(f"the model of run {record.number} is gone: {record.scores} is not known")
    found = taken(store, made_by(store, scores))["model"]
    return location_of(found.uri) / "Format-Serving"
