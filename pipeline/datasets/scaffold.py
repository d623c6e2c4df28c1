"""Writes a short workflow file for recordings it has looked at; nothing is decoded.

What it writes is read back and planned before the file appears, so that `auricle plan` and `auricle
run` accept it.
"""

import contextlib
import glob
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel

from components.audio.probe import probe
from components.example_gen.file_names import (
    AUDIO_SUFFIXES,
    BACKGROUND_FOLDER,
    is_audio,
    is_no_label,
    visible,
)
from components.example_gen.manifests import MANIFEST_SUFFIXES, read_rows
from components.example_gen.sources import list_utterances
from components.storage.location import location_of
from pipeline.config.loader import read_workflow, slug
from pipeline.datasets.dry_run import look_at_files, make_plan
from pipeline.datasets.split_choice import choose_limit, choose_split
from pipeline.workspace.project import Project, read_project
from schemas.errors import ClipError, DataError, InputError
from schemas.reports.rejects import Reject
from schemas.text import some
from schemas.utterance import Utterance
from schemas.workflow.data import Data, Split

_MOST_HEADERS = 500  # files whose header is read
_HIGHEST_RATE = 16000  # speech needs no more
_CLIP_S = (0.5, 3.0)
_NAMED = 3  # of the files that are ignored


@dataclass(frozen=True)
class _Findings:
    """What the recordings are like."""

    source: str
    rows: list[Utterance]
    rejects: list[Reject]
    ignored: tuple[str, ...]
    notes: tuple[str, ...]
    background: str | None
    split: Split
    at_least: float
    sample_rate: int
    clip_s: float

    @property
    def speakers(self) -> int:
        return len({row.speaker for row in self.rows if row.speaker})

    @property
    def labels(self) -> int:
        return len({row.target for row in self.rows})

    @property
    def reject_fraction(self) -> float:
        """Which share of the rows cannot be used, rounded up to 0.01."""
        share = len(self.rejects) / (len(self.rows) + len(self.rejects))
        return math.ceil(share * 100) / 100

    @property
    def has_many_rejects(self) -> bool:
        """Whether a workflow has to say that it takes so many."""
        return self.reject_fraction > Data.model_fields["max_reject_fraction"].default


class NewWorkflow(BaseModel):
    """A workflow file that was written, and what it was written for.

    `speakers` is None where no row names one, `rejects` is the number of rows that cannot be used,
    and `folds` is None where clips are kept for tests alone. `remarks` is what a person should know
    before they go on.
    """

    file: str
    clips: int
    labels: int
    speakers: int | None
    rejects: int
    ignored: list[str]
    folds: int | None
    remarks: list[str]


def write_workflow(directory: Path, output: Path, name: str | None, force: bool) -> NewWorkflow:
    """Writes the workflow file `output` for the recordings in `directory`, a folder or a manifest.

    Raises InputError where `output` cannot be written, DataError where `directory` holds no
    labelled recordings that a model could be trained and judged on.
    """
    if output.exists() and not force:
        raise InputError(f"{output} exists already; --force overwrites it, --output names another")
    if not output.parent.is_dir():
        raise InputError(f"{output}: there is no folder {output.parent}")
    chosen = name if name is not None else slug(directory.resolve().stem)
    if chosen is None:
        raise InputError(f"{directory}: its name gives no workflow name; give one with --name")
    if chosen != slug(chosen):
        raise InputError(
            f"--name: got {chosen!r}, expected a name such as {slug(chosen) or 'digits'}"
        )
    findings = _look(directory, output.parent)
    content = _render(chosen, findings).encode()
    with _drafted(output, content) as project:
        if refused := make_plan(project).refused:
            raise DataError(f"{directory}: a run on these recordings would be refused. {refused}")
        location_of(output).put(content)
    return NewWorkflow(
        file=str(output),
        clips=len(findings.rows),
        labels=findings.labels,
        speakers=findings.speakers or None,
        rejects=len(findings.rejects),
        ignored=list(findings.ignored),
        folds=findings.split.folds,
        remarks=list(_remarks(findings)),
    )


def is_recordings(path: Path) -> bool:
    """Whether `path` is a folder or a manifest, as `write_workflow` takes it, and no workflow."""
    return path.is_dir() or path.suffix.lower() in MANIFEST_SUFFIXES


def workflow_beside(recordings: Path) -> tuple[Path, NewWorkflow | None]:
    """The workflow file beside a folder or manifest, which has its name; it is written where it is
    not there yet.

    Raises:
        InputError: the file is there and for something else, or cannot be written.
        DataError: no model could be trained and judged on the recordings.
    """
    output = _beside(recordings)
    if output.exists():
        return output, None
    return output, write_workflow(recordings, output, name=None, force=False)


def plan_beside(recordings: Path) -> Project:
    """The project of that workflow file, which is not written.

    Raises:
        InputError: the file is there and for something else.
        DataError: no model could be trained and judged on the recordings.
    """
    output = _beside(recordings)
    if output.exists():
        return read_project(output)
    content = _render(output.stem, _look(recordings, output.parent)).encode()
    with _drafted(output, content) as project:
        return project


def _beside(recordings: Path) -> Path:
    """Where the workflow file of `recordings` is; refuses one that is for something else."""
    if not recordings.exists():
        raise DataError(f"{recordings}: no such file or folder")
    name = slug(recordings.resolve().stem)
    if name is None:
        raise InputError(
            f"{recordings}: its name gives no workflow name; `auricle init --name` takes one"
        )
    output = recordings.parent / f"{name}.yaml"
    if output.exists():
        data, (own, _) = read_workflow(output).data, _find_source(recordings, output.parent)
        if (data.folder, data.manifests) != (own.folder, own.manifests):
            raise InputError(
                f"{output} is there and for other recordings; `auricle init {recordings} --output`"
                " writes another file"
            )
    return output


@contextlib.contextmanager
def _drafted(output: Path, content: bytes) -> Iterator[Project]:
    """The project of a workflow file beside `output`, which is gone afterwards."""
    draft = output.with_name(f".{output.name}.draft")
    try:
        location_of(draft).put(content)
        yield read_project(draft)
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}") from error
    finally:
        location_of(draft).delete()


def _look(directory: Path, workflow_dir: Path) -> _Findings:
    data, source = _find_source(directory, workflow_dir)
    listing = list_utterances(data, workflow_dir)
    faulty = list(look_at_files(listing.utterances))
    rejected = {reject.id for reject in faulty}
    rows = [row for row in listing.utterances if row.id not in rejected]
    rates_hz, durations_s = _read_headers(rows)
    if not rates_hz:
        raise DataError(f"{directory}: none of its files is audio that can be read")
    [(common_rate, _)] = Counter(rates_hz).most_common(1)
    split, at_least, notes = _judge_by(data, workflow_dir, rows)
    return _Findings(
        source=source,
        rows=rows,
        rejects=[*listing.rejects, *faulty],
        ignored=listing.ignored,
        notes=notes if notes is not None else listing.notes,
        background=_background(directory, data),
        split=split,
        at_least=at_least,
        sample_rate=max(4000, min(common_rate, _HIGHEST_RATE)),
        clip_s=_clip_s(durations_s),
    )


def _judge_by(
    data: Data, workflow_dir: Path, rows: list[Utterance]
) -> tuple[Split, float, tuple[str, ...] | None]:
    """The split, and the accuracy to ask for; and other notes than those of the listing, where the
    folder's own lists leave too little to judge by and every clip tests instead.
    """
    try:
        split = choose_split(rows)
        return split, choose_limit(rows, split), None
    except DataError:
        if data.folder is None or not any(row.split for row in rows):
            raise
        rows = [replace(row, split="") for row in rows]
        split = choose_split(rows)
        if split.folds is None:  # the lists would be used with it
            raise
        listed = list_utterances(data.model_copy(update={"split": split}), workflow_dir)
        return split, choose_limit(rows, split), listed.notes


def _background(directory: Path, data: Data) -> str | None:
    """What `data.background` can name beside the labels of a folder, if anything."""
    if data.folder is None or not any(
        is_audio(path.name) for path in visible(directory, directory.glob(f"{BACKGROUND_FOLDER}/*"))
    ):
        return None
    return f"{data.folder.rstrip('/')}/{BACKGROUND_FOLDER}"


def _find_source(directory: Path, workflow_dir: Path) -> tuple[Data, str]:
    """The `data` block of the recordings, and its first key as YAML."""
    if not directory.exists():
        raise DataError(f"{directory}: no such file or folder")
    where = _relative_path(directory, workflow_dir)
    manifests = _find_manifests(directory)
    if manifests:
        patterns = _patterns(directory, manifests, workflow_dir)
        data = Data(manifests=patterns[0] if len(patterns) == 1 else patterns)
        return data, f"manifests: {_flow(data.manifests)}"
    clips = _count_clips(directory)
    if not clips:
        raise DataError(
            f"{directory}: no recordings; expected JSON-lines manifests (*.jsonl, with"
            " audio_filepath and label), tables with these columns (*.csv, *.tsv), or label/clip"
            f" with a suffix of {' '.join(AUDIO_SUFFIXES)}"
        )
    if clips == _count_clips(directory, depth=1):
        raise DataError(
            f"{directory}: {clips} clips but no labels; put the clips of each label into a folder"
            " of its name, or write a manifest with audio_filepath and label"
        )
    return Data(folder=where), f"folder: {_flow(where)}"


def _find_manifests(directory: Path) -> list[Path]:
    if directory.is_file():
        return [directory] if _is_manifest(directory, must_be=True) else []
    for depth in ("", "*/"):
        for suffix in MANIFEST_SUFFIXES:
            found = visible(directory, directory.glob(f"{depth}*{suffix}"))
            found = [path for path in found if path.is_file()]
            must_be = suffix == ".jsonl" and len(found) == 1  # other tables lie beside clips
            manifests = [path for path in found if _is_manifest(path, must_be)]
            if manifests:
                return manifests
    return []


def _is_manifest(path: Path, must_be: bool) -> bool:
    """Whether the first row of `path` names audio and label; raises where it must but does not."""
    try:
        with contextlib.closing(read_rows(location_of(path))) as rows:
            _, row = next(rows, (0, {}))
    except (OSError, DataError) as error:
        if must_be:
            raise DataError(f"{path} is no manifest: {error}") from error
        return False
    if isinstance(row, ClipError):
        if must_be:
            raise DataError(f"{path}: expected JSON lines or a table, got something else: {row}")
        return False
    if must_be and "audio_filepath" in row and "label" not in row:
        hint = "; a `text` is not a label: this version learns one label a clip"
        raise DataError(f"{path}: no label in its rows{hint if 'text' in row else ''}")
    return "audio_filepath" in row and "label" in row


def _patterns(directory: Path, manifests: list[Path], workflow_dir: Path) -> list[str]:
    """One pattern that names just these manifests, so that new ones are found; or all by name."""
    if len(manifests) > 1:
        suffix = manifests[0].suffix
        depth = f"*/*{suffix}" if manifests[0].parent != directory else f"*{suffix}"
        found = [path for path in visible(directory, directory.glob(depth)) if path.is_file()]
        if len(found) == len(manifests):
            return [f"{glob.escape(_relative_path(directory, workflow_dir))}/{depth}"]
    return [glob.escape(_relative_path(path, workflow_dir)) for path in manifests]


def _relative_path(path: Path, workflow_dir: Path) -> str:
    """`path` from the folder of the workflow file; as it is where it is absolute and elsewhere."""
    if path.is_absolute() and not path.resolve().is_relative_to(workflow_dir.resolve()):
        return str(path)
    return Path(os.path.relpath(path.resolve(), workflow_dir.resolve())).as_posix()


def _count_clips(directory: Path, depth: int = 2) -> int:
    if not directory.is_dir():
        return 0
    patterns = ("*", "*/*")[:depth]
    return sum(
        is_audio(path.name) and not is_no_label(path.parent.name) and path.is_file()
        for pattern in patterns
        for path in visible(directory, directory.glob(pattern))
    )


def _read_headers(rows: list[Utterance]) -> tuple[list[int], list[float]]:
    """Rates and durations of a sample spread evenly over the rows."""
    rates_hz, durations_s = [], []
    sample = rows[:: max(1, -(-len(rows) // _MOST_HEADERS))]
    for row, header in zip(sample, probe(row.path for row in sample), strict=True):
        if isinstance(header, str):
            continue  # a clip that ingest will reject says nothing about the others
        rates_hz.append(header.rate_hz)
        left_s = max(0.0, header.duration_s - row.offset_s)
        durations_s.append(left_s if row.duration_s is None else row.duration_s)
    return rates_hz, durations_s


def _clip_s(durations_s: list[float]) -> float:
    """The length that holds 95 % of the clips, rounded up to 0.25 s, from 1 s on to 0.5 s."""
    ordered = sorted(durations_s)
    long_s = ordered[math.ceil(0.95 * len(ordered)) - 1]
    step_s = 0.25 if long_s <= 1 else 0.5
    rounded_s = math.ceil(round(long_s / step_s, 6)) * step_s
    return min(max(rounded_s, _CLIP_S[0]), _CLIP_S[1])


def _render(name: str, findings: _Findings) -> str:
    lines = [
        "# Written by `auricle init`. All keys and defaults: docs/workflow.md",
        f"name: {_flow(name)}",
        "data:",
        f"  {findings.source}  # {_summary(findings)}",
    ]
    split = findings.split
    if split.test_speakers:
        lines += [
            "  split:  # few speakers: divided by name",
            f"    eval_speakers: {_flow(split.eval_speakers)}",
            f"    test_speakers: {_flow(split.test_speakers)}",
        ]
    elif split.folds:
        lines.append(f"  split: {{folds: {split.folds}}}  # so few clips that each of them tests")
    elif split != Split():
        lines.append(f"  split: {{eval: {split.eval:g}, test: {split.test:g}}}  # of so few clips")
    if findings.has_many_rejects:
        lines.append(
            f"  max_reject_fraction: {findings.reject_fraction:g}  # {_faults(findings.rejects)}"
        )
    if findings.background:
        lines.append(
            f"  # background: {_flow(findings.background)}  # to spot keywords in long recordings"
        )
    lines += [
        "# clip_s holds 95 % of the clips; longer ones are cropped",
        f"audio: {{sample_rate: {findings.sample_rate}, clip_s: {findings.clip_s:g}}}",
        "model: {architecture: cnn_lstm}  # or cnn, rnn, lstm",
        f"gate: {{accuracy: {{at_least: {findings.at_least:g}}}}}  # or nothing is published",
    ]
    return "\n".join(lines) + "\n"


def _remarks(findings: _Findings) -> Iterator[str]:
    """What a person should know of the recordings before they go on."""
    if findings.rejects:
        yield _faults(findings.rejects)
    if findings.ignored:
        yield f"Ignored, no recordings: {some(findings.ignored, _NAMED)}"
    yield from findings.notes
    if findings.split.folds:
        yield f"Every clip tests a model that has not heard it: {findings.split.folds} folds"


def _faults(rejects: list[Reject]) -> str:
    """How many rows cannot be used, and why the first one cannot, on one line."""
    rows = f"{len(rejects):,} rows" if len(rejects) > 1 else "1 row"
    first = " ".join(f"{rejects[0].uri or rejects[0].id}: {rejects[0].detail}".split())
    return f"{rows} cannot be used, such as {first}"


def _summary(findings: _Findings) -> str:
    return data_text(len(findings.rows), findings.labels, findings.speakers)


def data_text(clips: int, labels: int, speakers: int | None) -> str:
    """How much data there is, in words."""
    known = f"{speakers} speakers" if speakers else "speakers unknown"
    return f"{clips:,} clips, {labels} labels, {known}"


def _flow(value: str | list[str] | None) -> str:
    """`value` as YAML on one line, quoted where it could be read as something else."""
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    text = value or ""
    is_plain = re.fullmatch(r"[A-Za-z./][A-Za-z0-9_./-]*", text)
    if is_plain and text.lower() not in ("true", "false", "null") and not text.startswith("."):
        return text
    return json.dumps(text, ensure_ascii=False)
