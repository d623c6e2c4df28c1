"""Steps along the line of versions, as the command line offers them: list, promote, roll back,
export. Each holds the run directory, settles what was left behind, and then takes its one step.
"""

import contextlib
import shutil
from pathlib import Path

from pydantic import BaseModel, ValidationError

from components.versions.ledger import read_ledger
from components.versions.manifest import check_version, read_manifest, verify
from components.versions.serving import pushed_versions, restore_version
from pipeline.releases.reconcile import begin_step, read_step, reconcile, settle
from pipeline.workspace.lock import check_reader, claim
from pipeline.workspace.ownership import check_serving_owner
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import InputError, VersionError
from schemas.reports.verdict import Verdict, read_verdict
from schemas.versions import VERSION_VERDICT_FILE, Ledger, VersionRecord


class Rollout(BaseModel):
    """A step that was taken: what is served now, whose files these are, what was mended."""

    version: int
    content: int
    withdrawn: int | None
    folder: str
    notes: list[str]


class Versions(Ledger):
    """The ledger, and why a version is not what was published, by version."""

    damaged: dict[int, str]


class Exported(BaseModel):
    """A version that was copied to a folder, every file of it verified."""

    version: int
    folder: str


def roll_back(project: Project, reason: str) -> Rollout:
    """Serves the version before the champion again, which is marked as failed for `reason`. One
    that was killed is finished instead, so that to repeat it goes back one version and not two.

    Raises:
        VersionError: nothing is served, or there is nothing good before it.
    """
    with claim(project) as directory:
        ledger, notes, cut_off = _settle(project)
        if cut_off is not None and cut_off.withdrawn is not None:
            return _ended(cut_off, project)
        champion, previous = _champion(ledger, directory), ledger.previous
        if previous is None:
            raise VersionError(
                f"version {champion.version} is served, and no version before it is there that did"
                " not fail"
            )
        try:
            return _restore(project, ledger, previous, champion, reason, notes)
        except VersionError as error:
            raise VersionError(
                f"{error}; `auricle promote` serves a version that you name"
            ) from None


def promote(project: Project, version: int, *, force: bool = False) -> Rollout:
    """Serves a version again, whatever is served now.

    A version that failed is refused unless `force`, which forgives it.

    Raises:
        VersionError: it was never published, is no longer there, failed, or is served already.
    """
    with claim(project) as directory:
        ledger, notes, cut_off = _settle(project)
        known = ledger.find(version)
        if cut_off is not None and known is not None and cut_off.content == known.content:
            return _ended(cut_off, project)
        if known is not None and known.content == _champion(ledger, directory).content:
            raise VersionError(f"version {version} is what is served already")
        record = _find(ledger, version, directory)
        failed = ledger.why_failed(record.model_digest)
        if failed and not force:
            raise VersionError(f"version {version} failed: {failed}; --force promotes it anyway")
        return _restore(project, ledger, record, None, "", notes)


def export(project: Project, version: int, target: Path) -> Exported:
    """Copies a version, verified, to the folder `target`, which may not hold anything yet.

    Raises:
        VersionError: it was never published, is no longer there, or is not what was published.
        InputError: the folder cannot be written, or holds files.
    """
    check_reader(project)
    check_serving_owner(project)
    directory = project.run_directory
    record = _find(read_ledger(directory.ledger), version, directory)
    source = directory.serving / record.version
    files = check_version(record, source).files
    try:
        if target.exists() and any(target.iterdir()):
            raise InputError(f"{target} holds files already; name a folder that is empty or new")
        with source.local_copy() as folder:
            shutil.copytree(folder, target, dirs_exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error}") from error
    if verify(target).files != files:
        raise VersionError(f"the copy in {target} differs from {source}")
    return Exported(version=version, folder=str(target))


def list_versions(project: Project) -> Ledger:
    """All versions that were ever published.

    Raises:
        VersionError: there is none.
        RunDirectoryError: run directory or serving directory are another workflow's.
    """
    check_reader(project)
    check_serving_owner(project)
    directory = project.run_directory
    ledger = read_ledger(directory.ledger)
    _champion(ledger, directory)
    return ledger


def find_damage(ledger: Ledger, directory: RunDirectory) -> dict[int, str]:
    """Why a version is not what was published, by version, also of those that nobody published;
    every file of all of them is read.
    """
    found = {}
    for number, folder in pushed_versions(directory.serving):
        if ledger.find(number) is None:
            try:
                read_manifest(folder)
            except VersionError as error:
                found[number] = str(error)
    for record in ledger.versions:
        if record.is_there:
            try:
                check_version(record, directory.serving / record.version)
            except VersionError as error:
                found[record.version] = str(error)
    return found


def read_verdicts(ledger: Ledger, directory: RunDirectory) -> dict[int, Verdict]:
    """The verdicts beside the published versions, by version, where they can be read."""
    found = {}
    for record in ledger.versions:
        file = directory.serving / record.version / VERSION_VERDICT_FILE
        with contextlib.suppress(OSError, ValidationError):  # damaged, or made by hand
            found[record.version] = read_verdict(file)
    return found


def _settle(project: Project) -> tuple[Ledger, list[str], Rollout | None]:
    """The ledger, what was mended, and the step that a killed command had taken, if one had. The
    registry waits until the other version is served.
    """
    directory = project.run_directory
    begun = read_step(directory)
    notes = settle(project)
    ledger = read_ledger(directory.ledger)
    champion = ledger.champion
    if begun is None or champion is None or champion.version <= begun:
        return ledger, notes, None
    folder = directory.serving / champion.version
    manifest = read_manifest(folder)
    if manifest.restores is None:
        return ledger, notes, None
    return (
        ledger,
        notes,
        Rollout(
            version=champion.version,
            content=champion.content,
            withdrawn=manifest.withdraws,
            folder=str(folder),
            notes=notes,
        ),
    )


def _ended(cut_off: Rollout, project: Project) -> Rollout:
    """A step of a killed command, brought to its end."""
    notes = reconcile(project, cut_off.version, patient=False)
    return cut_off.model_copy(update={"notes": [*cut_off.notes, *notes]})


def _restore(
    project: Project,
    ledger: Ledger,
    record: VersionRecord,
    withdrawn: VersionRecord | None,
    reason: str,
    notes: list[str],
) -> Rollout:
    directory = project.run_directory
    check_version(record, directory.serving / record.version)
    begin_step(directory, ledger)
    restored = restore_version(
        directory.serving / record.version,
        directory.serving,
        content=record.content,
        min_version=ledger.newest,
        withdraws=withdrawn.version if withdrawn else None,
        reason=reason,
    )
    return Rollout(
        version=restored.number,
        content=record.content,
        withdrawn=withdrawn.version if withdrawn else None,
        folder=str(restored.folder),
        notes=[*notes, *reconcile(project, restored.number, patient=False)],
    )


def _champion(ledger: Ledger, directory: RunDirectory) -> VersionRecord:
    if ledger.champion is None:
        raise VersionError(f"no version was published yet to {directory.serving}")
    return ledger.champion


def _find(ledger: Ledger, version: int, directory: RunDirectory) -> VersionRecord:
    record = ledger.find(version)
    there = ", ".join(str(r.version) for r in ledger.versions if r.is_there) or "none"
    if record is None:
        raise VersionError(f"no version {version} was ever published; there are {there}")
    if not record.is_there:
        raise VersionError(
            f"version {version} is no longer in {directory.serving}; there are {there}"
        )
    return record
