"""Asks a published model about any number of clips: lists them, has Beam ask, and sums up.

Work is done by parts of the rows. A part is named by its rows and the model; one that was done by a
run that was killed is not done again, so that the output is the same as without the kill.
"""

import contextlib
import hashlib
import itertools
import os
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel

from components.inference.rows import ANSWERS, ClipRow, Part, write_rows
from components.storage.interface import HeldError
from components.versions.manifest import manifest_digest
from pipeline.dag.beam import CLIPS_THAT_EARN_A_PROCESS, beam_pipeline_args
from pipeline.inference.clips import ClipSource
from pipeline.inference.predict import TrainedModel
from pipeline.inference.target import AnswerFile, Settings, Success, Target
from pipeline.inference.tensorflow_import import import_tensorflow
from schemas.errors import BusyError, InputError
from schemas.progress import report_progress
from schemas.reports.rejects import Reject
from schemas.workflow.beam_conflicts import sees_this_disk
from schemas.workflow.run import Beam

_LOOK_S = 1.0
_LOOK_AT_STORE_S = 5.0
_THREADS = 16


class Inference(BaseModel):
    """What a batch inference did: `clips` were answered, of which `reused` by one before it that
    was cut off, and `rejects` counts the others by reason. `seconds` is what asking took, with the
    loading of the model, once libraries were imported.
    """

    model: str
    version: int
    generated: bool
    output: str
    rejects_file: str
    clips: int
    rejects: dict[str, int]
    reused: int
    seconds: float
    clips_per_s: float | None


def infer_clips(model: TrainedModel, beam: Beam, source: ClipSource, target: Target) -> Inference:
    """Has the workers of `beam` write what a published `model` answers to each clip of `source`.

    Raises:
        InputError: there is no clip; the output is another's, or is being written; workers do not
            see one of the places.
    """
    check_reach(model, beam, source, target)
    target.check_apart(source)
    assert model.version is not None
    settings = Settings(
        model=model.card.name,
        version=model.version,
        model_digest=manifest_digest(model.folder),
        answers=target.form,
    )
    rows = source.rows()
    first = next(rows, None)  # before anything is written
    rows = itertools.chain([] if first is None else [first], rows)
    if (whole := target.begin(settings)) is not None:
        return _already(model, whole, source, rows, target)
    with _held(target):
        with target.rows.create() as file:
            parts = list(write_rows(rows, _text(settings), file.write))
        before = _done_names(target)
        todo = [part for part in parts if part.name not in before]
        with _watched(target, parts):
            seconds = _run_beam(model, beam, target, todo)
        found = _finish(parts, source.rejects, target, settings, model.card.labels)
    target.work.delete_all()
    reused = sum(file.clips for file in found.files if file.part in before)
    asked = sum(part.rows for part in todo)
    return _summary(model, found, target, reused, seconds, asked)


def check_reach(model: TrainedModel, beam: Beam, source: ClipSource, target: Target) -> None:
    """Refuses places on this machine where workers elsewhere would read or write them.

    Raises:
        InputError: names the first of them.
    """
    if sees_this_disk(beam):
        return
    places = {"the model": [model.folder], "--output": [target.place], "--input": source.places()}
    for what, named in places.items():
        for place in named:
            if place.is_local:
                raise InputError(
                    f"run.beam.runner: workers of the {beam.runner} do not see this machine's disk,"
                    f" where {what}, {place}, lies; it has to lie in an object store"
                )


@contextlib.contextmanager
def _held(target: Target) -> Iterator[None]:
    """Raises BusyError where another process writes the same output."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context((target.work / ".lock").lease())
        except HeldError as error:
            raise BusyError(f"--output: {target.place} is being written ({error})") from None
        yield


def _done_names(target: Target) -> set[str]:
    return {name.removesuffix(".json") for name in target.done.children()[0]}


@contextlib.contextmanager
def _watched(target: Target, parts: Sequence[Part]) -> Iterator[None]:
    """Says meanwhile how many rows are done, whoever does them."""
    rows = {part.name: part.rows for part in parts}
    total, ended = sum(rows.values()), threading.Event()

    def watch() -> None:
        wait_s = _LOOK_S if target.place.is_local else _LOOK_AT_STORE_S
        while True:
            done = sum(rows.get(name, 0) for name in _done_names(target))
            report_progress(done, total, "clips")
            if ended.wait(wait_s):
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        report_progress(sum(rows.get(name, 0) for name in _done_names(target)), total, "clips")


def _run_beam(model: TrainedModel, beam: Beam, target: Target, parts: Sequence[Part]) -> float:
    """Has workers answer `parts`; the seconds that it takes once libraries are imported."""
    if not parts:
        return 0.0
    arguments = beam_pipeline_args(beam)
    if sees_this_disk(beam):  # else its workers are elsewhere
        import_tensorflow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say about Python is no answer to a person
        from components.beam_jobs import Job
    from components.inference.transforms import InferClips, Question

    assert model.version is not None
    question = Question(
        model=str(model.folder),
        card=model.card,
        version=model.version,
        rows=str(target.rows),
        answers=str(target.answers),
        done=str(target.done),
        form=target.form,
        settings=_settings_digest(model),
    )
    processes = _processes(beam, sum(part.rows for part in parts))
    started = time.monotonic()
    with Job(argv=arguments) as pipeline:
        _ = pipeline | InferClips(question, parts, processes)
    return time.monotonic() - started


def _processes(beam: Beam, rows: int) -> int:
    """In how many processes of one worker to decode."""
    earned = 1 + rows // CLIPS_THAT_EARN_A_PROCESS if beam.runner == "DirectRunner" else 1
    return beam.workers or min(os.cpu_count() or 1, earned)


def _settings_digest(model: TrainedModel) -> str:
    """Names the settings under which a clip is taken or rejected."""
    return hashlib.sha256(model.card.audio.model_dump_json().encode()).hexdigest()[:16]


def _finish(
    parts: Sequence[Part],
    listed: Sequence[Reject],
    target: Target,
    settings: Settings,
    labels: Sequence[str],
) -> Success:
    """Writes what is left to write when all parts are done; what says so comes last."""
    from components.inference.answers import join
    from components.inference.transforms import DonePart

    def read(part: Part) -> DonePart:
        return DonePart.model_validate_json((target.done / f"{part.name}.json").read())

    with ThreadPoolExecutor(_THREADS) as threads:
        done = list(threads.map(read, parts))
    files = [
        AnswerFile(part=part.name, clips=each.clips)
        for part, each in zip(parts, done, strict=True)
        if each.clips
    ]
    rejects = [*listed, *(reject for each in done for reject in each.rejects)]
    with target.rejects.create() as file:
        for reject in rejects:
            file.write(f"{reject.model_dump_json()}\n".encode())
    if target.is_file:
        with target.place.create() as file:
            contents = (target.answers_to(each.part).read() for each in files)
            join(contents, file.write, labels, target.form)
    else:
        _remove_others(target, {target.answers_to(each.part).name for each in files})
    found = Success(
        settings=settings,
        rows_digest=_rows_digest(parts, listed),
        clips=sum(each.clips for each in files),
        rejects=dict(sorted(Counter(reject.reason for reject in rejects).items())),
        files=files,
    )
    target.success.put(found.model_dump_json(indent=2).encode())
    return found


def _remove_others(target: Target, names: set[str]) -> None:
    """Deletes answers to parts of an earlier list of clips, which was then cut off."""
    for name in target.place.children()[0]:
        if name.startswith(ANSWERS) and name not in names:
            (target.place / name).delete()


def _already(
    model: TrainedModel,
    whole: Success,
    source: ClipSource,
    rows: Iterable[ClipRow],
    target: Target,
) -> Inference:
    """What was done before, where it was the same.

    Raises:
        InputError: it was asked about other clips.
    """
    parts = list(write_rows(rows, _text(whole.settings), lambda text: None))
    if _rows_digest(parts, source.rejects) != whole.rows_digest:
        raise InputError(
            f"--output: {target.place} holds the answers to other clips, or to other versions of"
            " them; name another, or delete it"
        )
    return _summary(model, whole, target, whole.clips, 0.0, 0)


def _rows_digest(parts: Sequence[Part], listed: Sequence[Reject]) -> str:
    """Stands for all rows, and those that were no clips."""
    lines = [part.digest for part in parts] + [reject.model_dump_json() for reject in listed]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _text(settings: Settings) -> str:
    return settings.model_dump_json()


def _summary(
    model: TrainedModel,
    found: Success,
    target: Target,
    reused: int,
    seconds: float,
    asked: int,
) -> Inference:
    return Inference(
        model=found.settings.model,
        version=found.settings.version,
        generated=model.card.generated,
        output=str(target.place),
        rejects_file=str(target.rejects),
        clips=found.clips,
        rejects=found.rejects,
        reused=reused,
        seconds=seconds,
        clips_per_s=asked / seconds if asked else None,
    )
