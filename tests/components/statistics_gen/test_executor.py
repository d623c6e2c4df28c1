"""What this process counts in few examples is what TFDV's transforms count on Beam."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.types import artifact_utils, standard_artifacts

from components.statistics_gen import executor
from components.statistics_gen.executor import Executor
from components.storage.location import location_of
from pipeline.dag.beam import beam_pipeline_args
from schemas.tfrecord import frame_record
from schemas.workflow.run import Beam

SPLITS = ["train", "eval"]


def write_examples(folder: Path, counts: dict[str, int]) -> standard_artifacts.Examples:
    """Examples of words and numbers, some missing, in two files a split."""
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        (folder / f"Split-{split}").mkdir(parents=True)
        for part in range(2):
            records = []
            for number in range(part, count, 2):
                example = tf.train.Example()
                fields = example.features.feature
                fields["audio"].bytes_list.value.append(bytes(16))
                fields["label"].bytes_list.value.append(f"w{number % 7}".encode())
                if number % 5:
                    fields["snr_db"].float_list.value.append(rng.normal(20, 5))
                    fields["speaker"].bytes_list.value.append(f"s{number % 11}".encode())
                records.append(frame_record(example.SerializeToString()))
            name = f"data_tfrecord-0000{part}-of-00002"
            (folder / f"Split-{split}" / name).write_bytes(b"".join(records))
    examples = standard_artifacts.Examples()
    examples.uri = str(folder)
    examples.split_names = artifact_utils.encode_split_names(list(counts))
    return examples


def counted(examples: standard_artifacts.Examples, folder: Path) -> dict[str, bytes]:
    statistics = standard_artifacts.ExampleStatistics()
    statistics.uri = str(folder)
    context = Executor.Context(
        beam_pipeline_args=beam_pipeline_args(Beam()), tmp_dir=str(folder), unique_id="1"
    )
    options = tfdv.StatsOptions(feature_allowlist=["label", "speaker", "snr_db"]).to_json()
    properties = {"stats_options_json": options, "exclude_splits": json.dumps([])}
    Executor(context).Do({"examples": [examples]}, {"statistics": [statistics]}, properties)
    assert statistics.uri == str(folder)
    assert artifact_utils.decode_split_names(statistics.split_names) == SPLITS
    return {name: file.read() for name, file in location_of(folder).files()}


@pytest.fixture
def without_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "_BYTES_IN_MEMORY", 0)


def features(content: bytes) -> dict[str, object]:
    [dataset] = statistics_pb2.DatasetFeatureStatisticsList.FromString(content).datasets
    found: dict[str, object] = {each.path.step[0]: each for each in dataset.features}
    return found | {"": dataset.num_examples}


def test_few_and_many_are_counted_alike(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    examples = write_examples(tmp_path / "examples", {"train": 60, "eval": 1})
    few = counted(examples, tmp_path / "few")
    request.getfixturevalue("without_memory")
    many = counted(examples, tmp_path / "many")
    assert list(few) == list(many)
    assert {split for split in few if features(few[split]) != features(many[split])} == set()
    assert features(few["Split-train/FeatureStats.pb"])[""] == 60


def test_a_split_without_examples(tmp_path: Path) -> None:
    examples = write_examples(tmp_path / "examples", {"train": 4, "eval": 0})
    found = counted(examples, tmp_path / "statistics")
    assert features(found["Split-train/FeatureStats.pb"])[""] == 4
    assert features(found["Split-eval/FeatureStats.pb"])[""] == 0
