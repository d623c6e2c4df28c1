"""Old examples go; who was heard in them is still known, until they are forgotten."""

import os
import time
from pathlib import Path

import pytest
from made_runs import ANN, EVE, TOM, Artifact, Runs, source_of

from components.example_gen.index import index_file
from components.example_gen.index_writer import write_index
from components.example_gen.sources import Listing
from components.storage.digests import FileDigests
from pipeline.dag.cache import withdraw_changed
from pipeline.erasure.forget import forget, trace
from pipeline.metadata.artifacts import example_folders
from pipeline.runs.retention import remove_old_examples
from schemas.utterance import Utterance

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def index(runs: Runs, clips: list[tuple[str, str]]) -> None:
    """The index that the next run of `Runs` is made from."""
    rows = [Utterance(id=i, uri=i, path="", target="go", speaker=s) for i, s in clips]
    written = write_index(Listing(rows, []), runs.workflow.data, runs.directory.index)
    Path(written.uri).rename(index_file(runs.directory.index, source_of(runs.number + 1)).path)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Four runs, of which the first heard Ann and Tom, the others Eve and Tom."""
    made = Runs(tmp_path)
    for first in (ANN, EVE, EVE, EVE):
        number = made.number
        train = [(f"f{number}", first)]
        index(made, [*train, ("t1", TOM)])
        made.run({"train": train, "eval": [], "test": [("t1", TOM)]})
    return made


def examples_left(runs: Runs) -> list[bool]:
    """Of each run, whether its examples are there and not marked as deleted."""
    found = sorted(runs.store.get_artifacts_by_type("Examples"), key=lambda a: a.id)
    marks = [artifact.state != Artifact.DELETED for artifact in found]
    assert [Path(artifact.uri).exists() for artifact in found] == marks
    return marks


def test_only_the_last_data_sets_are_kept(runs: Runs) -> None:
    assert remove_old_examples(runs.directory, 4) == []
    assert examples_left(runs) == [True] * 4
    [said] = remove_old_examples(runs.directory, 2)
    assert said.startswith("deleted the examples of 2 old ingests, ")
    assert examples_left(runs) == [False, False, True, True]
    assert remove_old_examples(runs.directory, 2) == []
    with FileDigests() as digests:  # they do not count as changed
        changed = withdraw_changed(runs.store, digests, runs.directory.serving)
    assert not [uri for uri in changed if "examples" in uri]


def test_the_last_ingest_stays_though_no_run_was_judged_on_it(runs: Runs) -> None:
    (runs.directory.history.path / "4.json").unlink()
    remove_old_examples(runs.directory, 1)
    assert examples_left(runs) == [False, False, True, True]


def test_a_kill_between_mark_and_deletion_is_made_up_for(runs: Runs) -> None:
    [first, *_] = runs.store.get_artifacts_by_type("Examples")
    first.state = Artifact.DELETED
    runs.store.put_artifacts([first])
    remove_old_examples(runs.directory, 2)
    assert examples_left(runs) == [False, False, True, True]


def test_examples_that_a_kill_left_unsealed_are_deleted_too(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("made_runs.DIGEST_PROPERTY", "another")
    runs.make("AudioExampleGen", {}, examples=("Examples", {"Split-train/a": b"1"}))
    runs.make("AudioExampleGen", {}, examples=("Examples", {"Split-train/a": b"2"}))
    remove_old_examples(runs.directory, 4)
    assert examples_left(runs) == [True, True, True, True, False, True]


def test_a_record_that_cannot_be_read_stops_no_run(runs: Runs) -> None:
    (runs.directory.history.path / "1.json").write_text("{}")
    [said] = remove_old_examples(runs.directory, 1)
    assert said.startswith("old examples were kept: ")
    assert examples_left(runs) == [True] * 4


def test_who_was_heard_in_deleted_examples_is_known(runs: Runs) -> None:
    before = trace(runs.project, ANN)
    remove_old_examples(runs.directory, 2)
    assert trace(runs.project, ANN) == before
    assert [run.clips for run in before.runs] == [{"train": ["f0"]}]
    assert before.replace == [1]


def test_forgetting_one_leaves_the_others_in_the_index(runs: Runs) -> None:
    remove_old_examples(runs.directory, 2)
    forget(runs.project, ANN)
    assert len(example_folders(runs.directory)) == 2
    assert ANN.encode() not in b"".join(f.read_bytes() for f in runs.directory.index.path.iterdir())
    assert trace(runs.project, ANN).runs == []
    tom = trace(runs.project, TOM)
    assert [(run.run, run.version) for run in tom.runs] == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_an_index_that_no_run_used_goes_when_nobody_can_be_reading_it(runs: Runs) -> None:
    index(runs, [("x", EVE)])
    unused = index_file(runs.directory.index, source_of(5))
    remove_old_examples(runs.directory, 4)
    assert unused.is_present()
    long_ago = time.time() - 2 * 86400
    for file in runs.directory.index.path.iterdir():
        os.utime(file, (long_ago, long_ago))
    remove_old_examples(runs.directory, 4)
    assert not unused.is_present()
    assert len(list(runs.directory.index.path.iterdir())) == 4
