"""Processes a sample of a workflow's recordings as a run would, in a folder that goes away again,
and measures what it costs here.
"""

import json
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from components.audio.probe import Header, probe
from components.example_gen.sources import Listing
from components.storage.location import location_of
from pipeline.datasets.rows import list_rows
from pipeline.inference.tensorflow_import import import_tensorflow
from pipeline.workspace.project import Project
from schemas.errors import DataError
from schemas.reports.ingest import INGEST_REPORT_FILE, IngestReport
from schemas.reports.training import HISTORY_FILE
from schemas.utterance import Utterance
from schemas.workflow.training import TrainingSettings

SAMPLE_ROWS = 256
_EPOCHS = 3  # the first one compiles, and the last one is what all others cost


class Sample(BaseModel):
    """What was measured: of `rows` rows `clips` became examples.

    `source_bytes_per_s` is of recorded audio, None where nothing is recorded, and `rows_per_file`
    is 0 then. Ingest takes `ingest_start_s` once and `ingest_cpu_s` of one core a row; listing
    takes `list_s` a row, in one process. `train_s` is what this machine with its `cores` takes to
    train on a clip once.
    """

    rows: int
    clips: int
    clip_s: float
    source_bytes_per_s: float | None
    rows_per_file: float
    index_bytes: float
    example_bytes: float
    list_s: float
    ingest_start_s: float
    ingest_cpu_s: float
    train_s: float
    cores: int


def run_sample(project: Project) -> Sample:
    """What the recordings of a project cost to list, ingest and train on, by an even sample.

    Raises:
        DataError: nothing in the data, or in the sample, can be used.
    """
    started = time.monotonic()
    listing = list_rows(project)
    list_s = (time.monotonic() - started) / len(listing.utterances)
    every = -(-len(listing.utterances) // SAMPLE_ROWS)
    rows = listing.utterances[::every]
    files = {row.path for row in rows if row.path}
    with tempfile.TemporaryDirectory() as scratch:
        few_s, _, _ = _ingest(project, listing, rows[::4], Path(scratch) / "few")
        whole = Path(scratch) / "whole"
        whole_s, report, index_bytes = _ingest(project, listing, rows, whole)
        clips = sum(split.clips for split in report.splits.values())
        if not clips:
            raise DataError(f"of a sample of {len(rows)} rows none can be used: {report.rejects}")
        more = len(rows) - len(rows[::4])
        # The difference of two runs is what more clips cost, without what a run costs.
        per_row_s = (whole_s - few_s) / more if more and whole_s > few_s else whole_s / len(rows)
        examples = [file for file in (whole / "examples").rglob("*") if file.is_file()]
        return Sample(
            rows=len(rows),
            clips=clips,
            clip_s=3600 * sum(split.hours for split in report.splits.values()) / clips,
            source_bytes_per_s=_bytes_per_s(sorted(files)),
            rows_per_file=len(rows) / len(files) if files else 0,
            index_bytes=index_bytes / len(rows),
            example_bytes=sum(file.stat().st_size for file in examples) / clips,
            list_s=list_s,
            ingest_start_s=max(0.0, whole_s - per_row_s * len(rows)),
            ingest_cpu_s=per_row_s,
            train_s=_train(project, [str(file) for file in examples], clips, Path(scratch)),
            cores=os.cpu_count() or 1,
        )


def _ingest(
    project: Project, listing: Listing, rows: Sequence[Utterance], folder: Path
) -> tuple[float, IngestReport, int]:
    """CPU seconds of the ingest of `rows`, its report, and the bytes of its index."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say about Python is no part of a plan
        import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from components.example_gen.index_writer import write_index
    from components.example_gen.transforms import IngestUtterances, Places
    from pipeline.dag.beam import LOCAL_RUNNER

    before_s = _cpu_s()
    part = replace(listing, utterances=list(rows), rejects=[])
    folder.mkdir()
    index = write_index(part, project.workflow.data, folder)
    folders = [str(folder / each) for each in ("examples", "rejects", "report", "store")]
    options = PipelineOptions([f"--runner={LOCAL_RUNNER}", "--ingest_processes=1"])
    with beam.Pipeline(options=options) as pipeline:
        _ = pipeline | IngestUtterances(Places(index.uri, *folders), project.workflow.audio)
    report = (folder / "report" / INGEST_REPORT_FILE).read_text()
    return (
        _cpu_s() - before_s,
        IngestReport.model_validate_json(report),
        Path(index.uri).stat().st_size,
    )


def _cpu_s() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _bytes_per_s(files: Sequence[str]) -> float | None:
    """Of the files whose header can be read; None where there are none."""
    found = [
        (entry.size_bytes, header.duration_s)
        for file, header in zip(files, probe(files), strict=True)
        if isinstance(header, Header) and (entry := location_of(file).entry()) is not None
    ]
    seconds = sum(duration_s for _, duration_s in found)
    return sum(size for size, _ in found) / seconds if seconds else None


def _train(project: Project, files: list[str], clips: int, folder: Path) -> float:
    """Seconds that training takes for a clip, once it goes."""
    import_tensorflow()
    from components.trainer.dataset import Learned
    from components.trainer.training import Training

    fields = set(TrainingSettings.model_fields)
    settings = TrainingSettings.model_validate(project.workflow.model_dump(include=fields))
    train = settings.train.model_copy(update={"epochs": _EPOCHS})
    settings = settings.model_copy(update={"train": train})
    training = Training(settings, files, [], Learned.read(files, project.workflow.task))
    training.fit(training.build(), folder / "checkpoint", folder / "logs")
    epochs = json.loads((folder / "logs" / HISTORY_FILE).read_text())
    return float(epochs[-1]["seconds"]) / clips
