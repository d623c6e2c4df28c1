"""Every small file of a run directory, damaged in every way: named, and never a fault."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pushed import make_version
from seen import NOW, WORKFLOW, add_span, finish_run
from unprivileged import permissions_count

from components.judgements import read_judgements
from components.storage.location import location_of
from pipeline.datasets.feedback import list_feedback
from pipeline.datasets.rejects import read_rejects
from pipeline.datasets.rows import list_rows
from pipeline.datasets.suppression import read_forgotten, write_forgotten
from pipeline.inference.predict import load_model
from pipeline.releases.reconcile import reconcile
from pipeline.releases.rollout import list_versions, roll_back
from pipeline.runs.records import list_records
from pipeline.runs.retention import remove_old_examples
from pipeline.scheduling.scheduler import Decision, read_decisions, write_decision
from pipeline.scheduling.triggers import check_triggers
from pipeline.workspace.lock import adopt, claim
from pipeline.workspace.project import Project
from schemas.errors import AuricleError, InputError

FILES = [
    "workflow.json", "format.json", "versions.json", ".step", "told.json", "seen.json",
    "seen-files.json", "decisions.jsonl", "forgotten.json", "judgements.jsonl", "history/1.json",
    "feedback/manifest.jsonl", "rejects/rejects.jsonl",
    "serving/owner.json", "serving/2/assets.extra/manifest.json",
    "serving/2/assets.extra/auricle.json", "serving/2/assets.extra/verdict.json",
]  # fmt: skip


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[: len(file.read_bytes()) // 2]),
    "a list": lambda file: file.write_bytes(b"[1]"),
    "an object": lambda file: file.write_bytes(b'{"strange": [1]}'),
    "null": lambda file: file.write_bytes(b"null"),
    "a number": lambda file: file.write_bytes(b"1e999"),
    "no text": lambda file: file.write_bytes(b"\xff\xfe\x00{"),
    "zeros": lambda file: file.write_bytes(bytes(4096)),
    "deep": lambda file: file.write_bytes(b"[" * 100_000),
    "a folder": _folder,
    "not readable": lambda file: file.chmod(0),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A run directory with each of the files."""
    workflow = WORKFLOW.model_copy(
        update={"registry": WORKFLOW.registry.model_copy(update={"kind": "none"})}
    )
    found = Project(workflow, tmp_path)
    add_span(tmp_path, 1)
    directory = finish_run(found)
    with claim(found):
        for text in "ab":
            reconcile(found, int(make_version(directory.serving, text).name))
    write_decision(Decision(time=NOW, outcome="nothing new", reasons=["none"]), directory)
    write_forgotten(read_forgotten(directory).with_speaker("eve"), directory)
    directory.told.put(b'{"run": 1}')
    directory.judgements.put(b"")
    return found


def commands(project: Project) -> dict[str, Callable[[], object]]:
    """What the commands do first, each by itself: what ends one must not hide another."""
    directory = project.run_directory

    def hold() -> None:
        with claim(project):
            reconcile(project)

    return {
        "claim": hold,
        "rollback": lambda: roll_back(project, "worse"),
        "models": lambda: list_versions(project),
        "predict": lambda: load_model(project),
        "schedule": lambda: adopt(project) or check_triggers(project, NOW),
        "schedule --log": lambda: read_decisions(project),
        "runs": lambda: list_records(project),
        "plan": lambda: list_rows(project),
        "rejects": lambda: read_rejects(project),
        "feedback --list": lambda: list_feedback(project),
        "gate": lambda: read_judgements(directory.judgements),
        "retention": lambda: remove_old_examples(directory, 3),
    }


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_and_never_a_fault(project: Project, name: str) -> None:
    file = project.run_directory.local / name
    if not file.exists():  # which nothing here has left
        location_of(file).put(b"2")
    whole = file.read_bytes()
    for damage, spoil in DAMAGE.items():
        spoil(file)
        for command, step in commands(project).items():
            try:
                with permissions_count():
                    step()
            except AuricleError as error:
                assert isinstance(error, InputError), (damage, command, error)
                said = str(error)
                if "no version before" in said or " yet" in said:
                    continue  # what is said of a whole one
                assert file.name in said or str(file.parent.parent) in said, (damage, command, said)
        if file.is_dir():
            file.rmdir()
        file.unlink(missing_ok=True)
        file.write_bytes(whole)
