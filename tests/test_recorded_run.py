"""A run directory that older code recorded is read as it was meant."""

from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from recorded_run import unpack

from components.example_gen.index import read_index, read_row_keys, read_rows
from components.storage.digests import FileDigests, file_digest
from components.versions.ledger import read_ledger
from components.versions.manifest import verify
from pipeline.dag.cache import withdraw_changed
from pipeline.inference.predict import load_model
from pipeline.runs.records import read_history, write_record
from pipeline.runs.snapshot import read_snapshot
from pipeline.runs.stamps import read_stamps
from pipeline.runs.trained_models import load_candidate
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import read_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    unpack(folder)
    return folder


@pytest.fixture(scope="module")
def directory(project: Path) -> RunDirectory:
    return read_project(project / "workflow.yaml").run_directory


def test_records_ledger_and_version(directory: RunDirectory) -> None:
    first, second = read_history(directory.history)
    assert [record.verdict.outcome for record in (first, second)] == ["blessed", "undecided"]
    assert [record.pushed_version for record in (first, second)] == [1, None]
    assert second.workflow.train.epochs == 12
    assert second.workflow.gate.accuracy.slices == ["speaker"]
    [entry] = read_ledger(directory.ledger).versions
    assert (entry.version, entry.is_blessed) == (1, True)
    assert verify(directory.serving.path / "1").push_id == entry.push_id


def test_the_model_of_a_run_has_the_card_that_its_verdict_completes(project: Path) -> None:
    asked = read_project(project / "workflow.yaml")
    assert load_candidate(asked, 1).card.none_below is None  # as it was judged then
    [record, _] = read_history(asked.run_directory.history)
    details = record.verdict.details.model_copy(update={"none_below": 0.3})
    verdict = record.verdict.model_copy(update={"details": details})
    write_record(
        record.model_copy(update={"number": 3, "verdict": verdict}), asked.run_directory.history
    )
    model = load_candidate(asked)
    assert (model.run, model.card.none_below) == (3, 0.3)
    (asked.run_directory.history / "3.json").delete()


def test_the_index_names_the_recordings_where_they_are(directory: RunDirectory) -> None:
    [file] = directory.index.matching("*")
    with file.open() as lines:
        index = read_index(lines)
        rows = [row for shard in index.shards for row in read_rows(lines, shard)]
    assert [shard.rows for shard in index.shards] == [25, 6, 6]
    assert all(file_digest(row["path"]) == row["sha256"] for row in rows)
    keys = dict(read_row_keys(file))
    ledgers = "".join(ledger.read_text() for ledger in directory.shards.path.glob("*/*.jsonl"))
    assert all(keys[row["id"]] in ledgers for row in rows)


def test_what_was_sealed_is_what_lies_there(directory: RunDirectory) -> None:
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(directory.metadata)
    config.sqlite.connection_mode = 1  # read only
    store = MetadataStore(config)
    live = {a.uri for a in store.get_artifacts()}
    stripped = {uri for uri in live if "/Report/" in uri or "/model_run/" in uri}
    config.sqlite.connection_mode = 3
    withdrawn = withdraw_changed(MetadataStore(config), FileDigests(), directory.serving)
    assert {uri for uri in withdrawn if uri not in stripped} == set()
    assert len(live - stripped) == 19


def test_nothing_is_taken_for_new(directory: RunDirectory) -> None:
    assert len(list(read_stamps(directory.seen_files))) == 37
    snapshot = read_snapshot(directory.seen)
    assert snapshot is not None
    assert snapshot.labels == {"high": 12, "low": 13, "middle": 12}


def test_its_version_still_answers(project: Path) -> None:
    clips = [project / "recordings" / f"{label}-speaker5-0.wav" for label in ("low", "high")]
    found = load_model(read_project(project / "workflow.yaml")).predict(clips, top=3)
    labels = {"high", "low", "middle"}
    assert [{answer.label for answer in file.answers} for file in found.files] == [labels, labels]
