"""What benchmarks of single components take from a finished run: its artifacts, clips repeated."""

import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tfx import types
from tfx.types import artifact_utils, standard_artifacts

from schemas.example import decode_example, encode_example
from schemas.tfrecord import frame_record, read_records

_Artifact = TypeVar("_Artifact", bound=types.Artifact)


def newest(run_directory: Path, component: str, output: str) -> Path:
    """The folder of the newest artifact of one output."""
    folder = run_directory / "artifacts" / component / output
    return max(folder.iterdir(), key=lambda path: int(path.name))


def repeat_test_clips(run_directory: Path, examples: Path, clips: int) -> Path:
    """Writes `clips` test clips of the last ingest, again and again under other ids."""
    source = newest(run_directory, "AudioExampleGen", "examples") / "Split-test"
    records = [record for file in sorted(source.iterdir()) for record in read_records(file)]
    file = examples / "Split-test" / "data_tfrecord-00000-of-00001"
    file.parent.mkdir(parents=True)
    with file.open("wb") as target:
        for number, record in zip(range(clips), itertools.cycle(records)):
            example = decode_example(record) | {"id": str(number)}
            target.write(frame_record(encode_example(example)))
    return file


def artifact(kind: type[_Artifact], uri: Path) -> _Artifact:
    """An artifact that lies at `uri`."""
    made = kind()
    made.uri = str(uri)
    return made


def examples_artifact(uri: Path, splits: list[str]) -> standard_artifacts.Examples:
    """Examples that lie at `uri`."""
    examples = artifact(standard_artifacts.Examples, uri)
    examples.split_names = artifact_utils.encode_split_names(splits)
    return examples


def seconds_of(work: Callable[[], None]) -> float:
    """How long `work` took."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def spread(values: list[float], form: str) -> str:
    """Median and range."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"
