"""Clips from the field, kept in the run directory, where later runs find them.

A clip is copied under the SHA-256 of its bytes, and then gets its row in a manifest that is
replaced whole: a row without its clip is never seen. Runs join that manifest to the person's data
(`pipeline.datasets.rows`); what the rows say beside label, speaker and split is for people.
"""

import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError

from components.example_gen.file_names import AUDIO_SUFFIXES
from components.storage.trouble import STORE_REFUSED
from components.tasks import feeding
from components.versions.serving import newest_version
from pipeline.datasets.rows import list_rows
from pipeline.datasets.same_clips import same_in_data, why_not_taken
from pipeline.datasets.suppression import read_forgotten
from pipeline.inference.predict import load_model, published_card
from pipeline.inference.reading import read_audio_file, read_clips
from pipeline.workspace.leftovers import scratch_folder
from pipeline.workspace.lock import check_reader, claim
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import ClipError, InputError
from schemas.text import nearest, plain


class FeedbackClip(BaseModel):
    """One row of the manifest; `answered` is what the model that was served then said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audio_filepath: str
    label: str
    speaker: str | None = None
    id: str
    split: str
    origin: str
    added: datetime.datetime
    source: str
    answered: str | None = None
    must_pass: bool | None = None

    @property
    def sha256(self) -> str:
        """Of the clip's bytes."""
        return Path(self.audio_filepath).stem


class Feedback(BaseModel):
    """What is said of clips from the field by who hands them in."""

    label: Annotated[str, AfterValidator(plain)]
    speaker: Annotated[str, AfterValidator(plain)] | None = None
    must_pass: bool = False
    origin: str = "field"


class Added(BaseModel):
    """What became of clips that were handed in; `refused` are files with the reason."""

    added: list[FeedbackClip]
    known: list[FeedbackClip]
    refused: dict[str, str]
    notes: list[str]


def add_feedback(
    project: Project,
    files: list[Path],
    given: Feedback,
    *,
    ask: bool | None = None,
    relabel: bool = False,
    new_label: bool = False,
) -> Added:
    """Takes clips in; those that cannot be used are named, and the others taken.

    The served model is asked if `ask`, or if there is one and nothing is said about it.

    Raises:
        InputError: the label is not known, nor allowed by `new_label`; the speaker is to be
            forgotten; there is no model to ask.
        RunDirectoryError: the run directory is in use, or cannot be written.
    """
    with claim(project) as directory:
        notes = _check_label(project, given.label, new_label)
        if given.speaker and read_forgotten(directory).has(given.speaker):
            raise InputError(f"--speaker: {given.speaker} is to be forgotten in this workflow")
        clips = read_feedback(directory)
        asked = newest_version(directory.serving) is not None if ask is None else ask
        taken = _take(project, files, asked, given)
        by_sha256 = {clip.sha256: clip for clip in clips}
        result = Added(added=[], known=[], refused=taken.refused, notes=notes)
        for file, (stored, answered) in taken.stored.items():
            clip = _row(stored, file, given, answered)
            there = by_sha256.get(clip.sha256)
            if there is not None and (there.label, there.split) == (clip.label, clip.split):
                result.known.append(there)
            elif there is not None and not relabel:
                result.refused[str(file)] = (
                    f"is there already as {there.label!r} ({there.split}); --relabel replaces that"
                )
            else:
                by_sha256[clip.sha256] = clip
                result.added.append(clip)
        _write_feedback(list(by_sha256.values()), directory)
        return result


def read_feedback(directory: RunDirectory) -> list[FeedbackClip]:
    """All clips of a run directory, in the order in which they came.

    Raises:
        InputError: the manifest was changed so that it cannot be read.
    """
    clips: list[FeedbackClip] = []
    try:
        clips.extend(map(FeedbackClip.model_validate_json, directory.feedback.read().splitlines()))
    except FileNotFoundError:
        return []
    except STORE_REFUSED:
        raise
    except (OSError, ValidationError) as error:
        what = str(error).partition("\n")[0]
        raise InputError(
            f"{directory.feedback}:{len(clips) + 1}: no clip of feedback ({what}); mend the line,"
            " or delete it, and its clip is used no more"
        ) from error
    return clips


def list_feedback(project: Project) -> list[FeedbackClip]:
    """All clips of a workflow.

    Raises:
        InputError: there is none.
    """
    check_reader(project)
    directory = project.run_directory
    clips = read_feedback(directory)
    if not clips:
        raise InputError(f"{project.name} has no feedback yet ({directory.feedback.parent})")
    return clips


def remove_feedback(project: Project, clip_id: str) -> FeedbackClip:
    """Removes one clip, and returns what its row said.

    Raises:
        InputError: there is no such clip.
    """
    clips = list_feedback(project)
    with claim(project) as directory:
        found = next((clip for clip in clips if clip.id == clip_id), None)
        if found is None:
            near = nearest(clip_id, [c.id for c in clips])
            raise InputError(f"--remove: no clip {clip_id!r}; nearest: {near!r}")
        drop_clips(directory, [found])
        return found


def drop_clips(directory: RunDirectory, gone: list[FeedbackClip]) -> None:
    """Removes clips: first their rows, then their files. For who holds the run directory."""
    _write_feedback([clip for clip in read_feedback(directory) if clip not in gone], directory)
    for clip in gone:
        (directory.feedback.parent / clip.audio_filepath).delete()


def clips_as_json(clips: list[FeedbackClip]) -> str:
    """A JSON list."""
    return TypeAdapter(list[FeedbackClip]).dump_json(clips, indent=2, exclude_none=True).decode()


class _Taken(BaseModel):
    """Names of stored clips with what the model answered, and files that cannot be used."""

    stored: dict[Path, tuple[str, str | None]]
    refused: dict[str, str]


def _take(project: Project, files: list[Path], ask: bool, given: Feedback) -> _Taken:
    """Copies what can be decoded; what is decoded is the copy, so that nothing else is kept."""
    workflow, directory = project.workflow, project.run_directory
    model = load_model(project) if ask else None
    folder = directory.feedback.parent
    there = folder.children()[0]
    refused: dict[str, str] = {}
    drafts: dict[Path, tuple[Path, str]] = {}
    names: dict[str, str] = {}
    with scratch_folder(directory) as scratch:
        for number, file in enumerate(dict.fromkeys(files)):
            draft = scratch / str(number)
            try:
                content = read_audio_file(file)
            except OSError as error:
                refused[str(file)] = str(error.strerror)
                continue
            draft.write_bytes(content)
            sha256 = hashlib.sha256(content).hexdigest()
            name = names.setdefault(sha256, _name(there, sha256, file.suffix.lower()))
            drafts[file] = draft, name
        for file, why in _known_in_data(project, drafts, given).items():
            refused[str(file)] = why
            del drafts[file]
        copies = [draft for draft, _ in drafts.values()]
        clips = model.read(copies) if model else read_clips(copies, workflow, conditioned=True)
        answers: dict[Path, str | None] = {}
        for file, answer in zip(drafts, model.answer(clips, 1) if model else clips, strict=True):
            if isinstance(answer, str):
                refused[str(file)] = answer
            else:
                answers[file] = answer[0].label if isinstance(answer, list) else None
        for file in answers:
            draft, name = drafts[file]
            (folder / name).put(draft.read_bytes())
    return _Taken(
        stored={file: (drafts[file][1], answer) for file, answer in answers.items()},
        refused=refused,
    )


def _known_in_data(
    project: Project, drafts: Mapping[Path, tuple[Path, str]], given: Feedback
) -> dict[Path, str]:
    """The files that the data has with another use or label, and why they are not taken."""
    digests = {Path(name).stem: draft.stat().st_size for draft, name in drafts.values()}
    same = same_in_data(project, digests)
    found = {
        file: why_not_taken(same[Path(name).stem], given.label, given.must_pass)
        for file, (_, name) in drafts.items()
        if Path(name).stem in same
    }
    return {file: why for file, why in found.items() if why}


def _name(there: list[str], sha256: str, suffix: str) -> str:
    """What a clip is called: as it was first, if it is `there` already."""
    named = f"{sha256}{suffix if suffix in AUDIO_SUFFIXES else '.audio'}"
    return next((name for name in there if name.startswith(f"{sha256}.")), named)


def _row(stored: str, file: Path, given: Feedback, answered: str | None) -> FeedbackClip:
    return FeedbackClip(
        audio_filepath=stored,
        label=given.label,
        speaker=given.speaker or None,
        id=f"feedback-{stored[:16]}",
        split="test" if given.must_pass else "train",
        origin=given.origin,
        added=datetime.datetime.now().astimezone().replace(microsecond=0),
        source=file.name,
        answered=answered,
        must_pass=True if given.must_pass else None,
    )


def _check_label(project: Project, label: str, new_label: bool) -> list[str]:
    """Refuses a label that nobody knows; returns what a new one asks for."""
    task = project.workflow.task
    if feeding.features(task).GROUPED_BY is None:
        return _check_target(label, feeding.targets(task))
    known = _known_labels(project)
    if label in known:
        return []
    if not new_label:
        near = nearest(label, known)
        raise InputError(
            f"--label: got {label!r}; nearest label of this workflow: {near!r}; --new-label"
            " takes it as a new one"
        )
    if project.workflow.data.labels is not None:
        return [f"data.labels has no {label!r}: until it does, runs reject this clip"]
    return [f"{label!r} is new: a run needs clips of it in train, eval and test"]


def _check_target(target: str, targets: feeding.Targets) -> list[str]:
    try:
        targets.read_target({targets.KEY: target})
    except ClipError as error:
        raise InputError(f"--label: {error.detail}") from error
    return []


def _known_labels(project: Project) -> list[str]:
    """Those that the workflow names, or else those of the served model and of the data."""
    if (named := project.workflow.data.labels) is not None:
        return named
    served = newest_version(project.run_directory.serving)
    labels = published_card(served.folder).labels if served is not None else []
    return sorted({*labels, *(row.target for row in list_rows(project).utterances)})


def _write_feedback(clips: list[FeedbackClip], directory: RunDirectory) -> None:
    rows = [clip.model_dump_json(exclude_none=True) for clip in clips]
    content = "".join(f"{row}\n" for row in rows).encode()
    if clips or directory.feedback.is_present():
        directory.feedback.put(content)
