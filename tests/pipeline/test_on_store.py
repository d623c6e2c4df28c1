"""What a run directory keeps, kept in an object store: the rooms that write and read it there."""

import datetime
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_store import FakeStore
from made_runs import ANN, EVE, TOM, Runs
from on_store import put_on_store
from pushed import push_text
from seen import NOW, WORKFLOW, add_span, finish_run
from words import write_clip, write_project

from components.storage.location import Location, location_of
from components.versions.ledger import read_ledger
from components.versions.manifest import verify
from components.versions.serving import newest_version, pushed_versions
from pipeline.datasets.feedback import Feedback, add_feedback, list_feedback, remove_feedback
from pipeline.datasets.rows import list_rows
from pipeline.erasure.forget import REPLACE, forget, trace
from pipeline.releases.reconcile import reconcile
from pipeline.releases.rollout import export, list_versions, promote, read_verdicts, roll_back
from pipeline.runs.records import list_records, next_number
from pipeline.runs.retention import remove_old_examples
from pipeline.scheduling.scheduler import Decision, read_decisions, write_decision
from pipeline.scheduling.triggers import check_triggers
from pipeline.workspace.lock import FORMAT, claim, is_held
from pipeline.workspace.project import Project, read_project
from schemas.errors import BusyError, RunDirectoryError, VersionError
from schemas.workflow.workflow import Workflow

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def put(tmp_path: Path) -> Callable[[Project], Project]:
    return lambda project: put_on_store(project, tmp_path / "objects")


@pytest.fixture
def project(tmp_path: Path, put: Callable[[Project], Project]) -> Project:
    return put(read_project(write_project(tmp_path)))


def store_of(project: Project) -> FakeStore:
    storage = project.run_directory.root.storage
    assert isinstance(storage, FakeStore)
    return storage


def hold(project: Project, objects: Path, held: Callable[[], None]) -> None:
    with claim(put_on_store(project, objects)):
        held()
        signal.pause()


def test_a_run_directory_is_one_runs_until_its_holder_is_dead(
    project: Project, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("fork")
    held = context.Event()
    holder = context.Process(target=hold, args=(project, tmp_path / "objects", held.set))
    holder.start()
    assert held.wait(60)
    lease = project.run_directory.root / ".lock"
    beaten = lease.read()
    store_of(project).on_wait = lambda: lease.put(beaten) and None  # a holder that lives beats
    assert is_held(project.run_directory)
    with pytest.raises(BusyError, match=str(holder.pid)), claim(project):
        pass
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    store_of(project).on_wait = lambda: None
    with claim(project) as directory:
        assert json.loads(directory.format.read()) == {"format": FORMAT}
    assert not is_held(project.run_directory)


def test_a_run_directory_of_others_is_refused(
    project: Project, tmp_path: Path, put: Callable[[Project], Project]
) -> None:
    with claim(project):
        pass
    other = project.workflow.model_copy(update={"name": "other"})
    with pytest.raises(RunDirectoryError, match="words"), claim(put(Project(other, tmp_path))):
        pass
    project.run_directory.format.put(json.dumps({"format": FORMAT + 1}).encode())
    with pytest.raises(RunDirectoryError), claim(project):
        pass


@pytest.fixture
def pushed(tmp_path: Path, put: Callable[[Project], Project]) -> Project:
    """With three versions, each of which was settled."""
    blocks = {"data": {"folder": "clips"}, "registry": {"kind": "mlflow"}}
    found = put(Project(Workflow.model_validate({"name": "digits", **blocks}), tmp_path))
    with claim(found) as directory:
        for text in "abc":
            assert reconcile(found, int(push_text(directory.serving, text).name)) == []
    return found


def test_versions_are_promoted_and_rolled_back_while_a_reader_polls(pushed: Project) -> None:
    serving = pushed.run_directory.serving
    faults: list[VersionError] = []
    seen: set[int] = set()
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            try:
                if (version := newest_version(serving)) is not None:
                    verify(version.folder)
                    seen.add(version.number)
            except VersionError as error:
                faults.append(error)

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        assert (promote(pushed, 1).version, promote(pushed, 2).version) == (4, 5)
        step = roll_back(pushed, "too noisy")
    finally:
        stop.set()
        reader.join()
    assert (step.version, step.content, step.withdrawn, faults) == (6, 1, 5, [])
    ledger = list_versions(pushed)
    assert [record.content for record in ledger.versions] == [1, 2, 3, 1, 2, 1]
    assert ledger.why_failed(ledger.versions[1].model_digest)
    assert [record.entry for record in ledger.versions] == list("123456")  # all registered
    assert sorted(read_verdicts(ledger, pushed.run_directory)) == [2, 3, 4, 5, 6]  # five are kept


def test_a_killed_promotion_is_finished(pushed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.releases.rollout.reconcile", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            promote(pushed, 1)
    assert promote(pushed, 1).version == 4
    there = pushed_versions(pushed.run_directory.serving)
    assert [version.number for version in there] == [1, 2, 3, 4]


def test_an_export_is_what_was_pushed(pushed: Project, tmp_path: Path) -> None:
    export(pushed, 2, tmp_path / "out")
    assert verify(tmp_path / "out") == verify(pushed.run_directory.serving / 2)


def test_a_version_that_was_tampered_with_is_not_served_again(pushed: Project) -> None:
    (pushed.run_directory.serving / "1" / "saved_model.pb").put(b"another")
    with pytest.raises(VersionError, match=r"saved_model\.pb"):
        promote(pushed, 1)


def test_feedback_is_kept_found_and_removed(project: Project, tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{n}.wav", seed=n) for n in range(2)]
    added = add_feedback(project, clips, Feedback(label="go", speaker="kim"), ask=False)
    assert (len(added.added), added.refused) == (2, {})
    again = add_feedback(project, clips[:1], Feedback(label="go", speaker="kim"), ask=False)
    assert (len(again.added), len(again.known)) == (0, 1)
    rows = [row for row in list_rows(project).utterances if row.speaker == "kim"]
    assert {row.path.partition("://")[0] for row in rows} == {"fake"}
    assert {location_of(row.path).read() for row in rows} == {clip.read_bytes() for clip in clips}
    remove_feedback(project, added.added[0].id)
    assert list_feedback(project) == added.added[1:]
    folder = project.run_directory.feedback.parent
    assert folder.children()[0] == sorted(["manifest.jsonl", added.added[1].audio_filepath])


@pytest.fixture
def runs(tmp_path: Path, put: Callable[[Project], Project]) -> Runs:
    made = Runs(tmp_path, put)
    made.run({"train": [("a1", ANN), ("e1", EVE)], "eval": [("a3", ANN)], "test": [("t1", TOM)]})
    made.run({"train": [("e1", EVE)], "eval": [("e2", EVE)], "test": [("t1", TOM)]})
    made.more_traces()
    return made


def test_runs_are_listed_and_old_indexes_go(runs: Runs) -> None:
    assert [record.number for record in list_records(runs.project)] == [1, 2]
    assert next_number(runs.directory.history) == 3
    [index] = runs.directory.index.matching("index-*.jsonl")
    remove_old_examples(runs.directory, 1)
    assert index.is_present()  # another process may be reading it
    entry = index.entry()
    assert entry is not None
    long_ago = entry.written_s - 2 * 86400
    store_of(runs.project).written_s = lambda: long_ago
    index.put(index.read())
    remove_old_examples(runs.directory, 1)
    assert not index.is_present()


def test_a_speaker_is_forgotten(runs: Runs) -> None:
    def names_them(place: Location) -> bool:
        return ANN.encode() in place.read().replace(f"{ANN}son".encode(), b"")

    root = runs.directory.root
    before = {name for name, file in root.files() if names_them(file)}
    assert {"feedback/manifest.jsonl", "rejects/rejects.jsonl"} <= before
    assert trace(runs.project, ANN).replace == [1]
    forget(runs.project, ANN)
    left = {name for name, file in root.files() if names_them(file)}
    assert {name.split("/")[0] for name in left} <= {"serving", "workflow.json"}
    assert [r.replace for r in read_ledger(runs.directory.ledger).versions] == [REPLACE, ""]
    assert not trace(runs.project, ANN).is_left
    assert all(row.speaker != ANN for row in list_rows(runs.project).utterances)


def test_the_schedule_sees_what_is_new(tmp_path: Path, put: Callable[[Project], Project]) -> None:
    add_span(tmp_path, 1)
    project = put(Project(WORKFLOW, tmp_path))
    assert check_triggers(project, NOW).train
    finish_run(project)
    assert not check_triggers(project, NOW).train
    (tmp_path / "data" / "1" / "3.wav").write_bytes(b"RIFF another")
    decision = check_triggers(project, NOW)
    assert (decision.train, decision.reasons) == (True, ["1 new or changed clips"])


def test_recordings_in_a_store_that_were_replaced_are_seen(
    tmp_path: Path, put: Callable[[Project], Project]
) -> None:
    add_span(tmp_path, 1)
    project = put(Project(WORKFLOW, tmp_path))
    bucket = location_of("fake://bucket/data")
    for name, file in location_of(tmp_path / "data").files():
        (bucket / name).put(file.read())
    data = WORKFLOW.data.model_copy(update={"manifests": f"{bucket}/{{SPAN}}/manifest.jsonl"})
    project = put(Project(WORKFLOW.model_copy(update={"data": data}), tmp_path))
    finish_run(project)
    assert not check_triggers(project, NOW).train
    clip = bucket / "1" / "3.wav"
    clip.put(clip.read())  # another generation of the same bytes
    assert not check_triggers(project, NOW).train
    clip.put(clip.read()[::-1])  # of the same size
    assert check_triggers(project, NOW).reasons == ["1 new or changed clips"]


def test_decisions_of_two_at_once_are_kept(project: Project) -> None:
    times = [NOW + datetime.timedelta(seconds=second) for second in range(12)]

    def decide(time: datetime.datetime) -> None:
        decision = Decision(time=time, outcome="nothing new", reasons=["nothing"])
        write_decision(decision, project.run_directory)

    threads = [threading.Thread(target=decide, args=(time,)) for time in times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {decision.time for decision in read_decisions(project)} == set(times)
