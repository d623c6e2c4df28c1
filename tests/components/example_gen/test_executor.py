from pathlib import Path

import pytest

import schemas
from components.example_gen.index_writer import write_index
from components.example_gen.sources import list_utterances
from pipeline.dag.beam import beam_pipeline_args
from schemas.errors import DataError
from schemas.example import SIDE_FEATURES, decode_example, encode_example
from schemas.tfrecord import frame_record, read_records
from schemas.workflow.audio import Audio
from schemas.workflow.data import Data, Split
from schemas.workflow.generated import Generated
from schemas.workflow.run import Beam

AUDIO = Audio()


def _do(data, base, out):
    """Runs the executor as TFX would; returns the Examples artifact."""
    from tfx.types import standard_artifacts

    from components.artifacts import IngestReport, Rejects
    from components.example_gen.executor import Executor

    ref = write_index(list_utterances(data, base), data, out)
    outputs = {
        "examples": standard_artifacts.Examples(),
        "rejects": Rejects(),
        "ingest_report": IngestReport(),
    }
    for name, artifact in outputs.items():
        artifact.uri = str(out / name)
    context = Executor.Context(
        beam_pipeline_args=beam_pipeline_args(Beam()), tmp_dir=str(out), unique_id="1"
    )
    Executor(context).Do(
        {},
        {name: [artifact] for name, artifact in outputs.items()},
        {
            "index_uri": ref.uri,
            "index_digest": ref.digest,
            "store_uri": str(out / "shards"),
            "audio": AUDIO.model_dump_json(),
        },
    )
    return outputs["examples"]


def _anomalies(examples_uri, split):
    """What TFX's ExampleValidator would say of one split against the curated schema."""
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    files = sorted(Path(examples_uri, f"Split-{split}").iterdir())
    records = [record for file in files for record in read_records(file)]
    statistics = generate_statistics_in_memory(
        ExamplesToRecordBatchDecoder().DecodeBatch(records),
        tfdv.StatsOptions(feature_allowlist=[*SIDE_FEATURES, "label", "speaker"]),
    )
    schema = tfdv.load_schema_text(str(Path(schemas.__file__).parent / "utterance.pbtxt"))
    found = tfdv.validate_statistics(statistics, schema)
    return {name: info.short_description for name, info in found.anomaly_info.items()}


def test_artifacts_say_what_tfx_needs(recordings, data, tmp_path):
    from tfx.components.util import examples_utils
    from tfx.proto import example_gen_pb2
    from tfx.types import artifact_utils

    examples = _do(data, recordings, tmp_path / "out")
    splits = artifact_utils.decode_split_names(examples.split_names)
    assert splits == ["train", "eval", "test"]
    for split in splits:
        assert list(Path(artifact_utils.get_split_uri([examples], split)).iterdir())
    payload = examples_utils.get_payload_format(examples)
    assert payload == example_gen_pb2.FORMAT_TF_EXAMPLE
    assert sorted(path.name for path in Path(examples.uri).iterdir()) == [
        "Split-eval", "Split-test", "Split-train",
    ]  # fmt: skip


def test_a_split_of_rejects_only_is_refused(recordings, data, tmp_path):
    for path in recordings.glob("clips/*/cyd-*"):
        path.write_bytes(b"no audio")
    with pytest.raises(DataError, match=r"every clip of the test split was rejected \(.*7 unsup"):
        _do(data, recordings, tmp_path / "out")


def test_the_component_has_no_path_of_the_data_in_its_cache_key():
    from components.example_gen.component import AudioExampleGen

    component = AudioExampleGen("index.jsonl", "0123", "shards", AUDIO.model_dump_json())
    assert component.exec_properties == {
        "index_uri": "index.jsonl",
        "index_digest": "0123",
        "store_uri": "shards",
        "audio": AUDIO.model_dump_json(),
    }
    types = {name: output.type_name for name, output in component.outputs.items()}
    assert types == {
        "examples": "Examples",
        "rejects": "auricle.Rejects",
        "ingest_report": "auricle.IngestReport",
    }


def test_generated_speech_has_no_anomalies_and_a_missing_feature_has(tmp_path):
    generated = Generated(speakers=3, takes=1)
    data = Data(generated=generated, split=Split(eval=0.0, test=0.0))
    examples = _do(data, tmp_path, tmp_path / "out")
    assert _anomalies(examples.uri, "train") == {}

    from tensorflow.core.example.example_pb2 import Example

    lame = tmp_path / "lame" / "Split-train" / "data_tfrecord-00000-of-00001"
    lame.parent.mkdir(parents=True)
    (source,) = (tmp_path / "out" / "examples" / "Split-train").iterdir()
    with lame.open("wb") as file:
        for number, record in enumerate(read_records(source)):
            example = Example.FromString(
                encode_example(decode_example(record) | {"clipped_fraction": 2.0})
            )
            if number % 2:
                del example.features.feature["snr_db"]
            file.write(frame_record(example.SerializeToString()))
    assert set(_anomalies(tmp_path / "lame", "train")) == {"snr_db", "clipped_fraction"}


def test_speech_has_no_anomalies(digits, tmp_path):
    split = Split(eval_speakers=["george"], test_speakers=["theo"])
    data = Data(manifests="manifest.jsonl", split=split)
    examples = _do(data, digits, tmp_path)
    for name in ("train", "eval", "test"):
        assert _anomalies(examples.uri, name) == {}
    records = [r for file in sorted(tmp_path.glob("examples/*/*")) for r in read_records(file)]
    assert len(records) == len((digits / "manifest.jsonl").read_text().splitlines())
    assert {len(decode_example(record)["audio"]) for record in records} == {2 * 16000}
