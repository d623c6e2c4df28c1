"""Test clips under conditions: what models are asked, and of which clips."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from pushed import make_card

from components.audio.pcm16 import to_pcm16
from components.evaluation.score_files import (
    SCORES_FILE,
    drop_clips,
    read_conditions,
    read_scores,
)
from components.evaluator.clip_scoring import AskedModels, Heard, score_files
from schemas.example import SIDE_FEATURES, encode_example
from schemas.reports.model_card import MODEL_CARD_FILE
from schemas.tfrecord import frame_record

CLIPS, LABELS = 40, ["loud", "quiet"]
NAMES = ("noise_0db", "quiet", "room")


class _LevelMeter(tf.Module):
    """Answers `loud` above a level; its scores tell the level itself."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"audio": tf.io.FixedLenFeature([], tf.string)}
        pcm = tf.io.decode_raw(tf.io.parse_example(examples, spec)["audio"], tf.int16)
        level = tf.math.reduce_std(tf.cast(pcm, tf.float32) / 32768, axis=1)
        return {"scores": tf.stack([level, 0.02 + 0 * level], axis=1)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model") / "Format-Serving"
    module = _LevelMeter()
    tf.saved_model.save(module, str(folder), {"serving_examples": module.serve})
    card = folder / MODEL_CARD_FILE
    card.parent.mkdir(exist_ok=True)
    card.write_text(make_card(labels=LABELS).model_dump_json())
    return str(folder)


def record(number: int) -> bytes:
    rng = np.random.default_rng(number)
    texts = ("uri", "split_key", "source_format", "speaker")
    features = dict.fromkeys(SIDE_FEATURES, 0.0) | dict.fromkeys(texts, "") | {"metadata": "{}"}
    features |= {"source_rate_hz": 16000, "source_channels": 1, "heard_channels": 1}
    features |= {
        "id": f"clip{number}",
        "label": "loud",
        "audio": to_pcm16(rng.normal(0, 0.1, 4000).astype(np.float32)),
    }
    return frame_record(encode_example(features))


def score(folder: Path, model: str, files: int, heard: Heard) -> Path:
    """Has the clips scored that lie in so many files."""
    folder.mkdir()
    paths = []
    for file, numbers in enumerate(np.array_split(np.arange(CLIPS), files)):
        paths.append(str(folder / f"records-{file}"))
        Path(paths[-1]).write_bytes(b"".join(record(int(number)) for number in numbers))
    out = folder / "scores"
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        score_files(pipeline, paths, AskedModels((model,), "classify"), str(out), heard)
    return out


def level(table) -> np.ndarray:
    return np.asarray(table.candidate.outputs["scores"])[:, 0]


def test_models_hear_the_clips_as_they_sound_there(tmp_path: Path, model: str) -> None:
    out = score(tmp_path / "one", model, 1, Heard(NAMES, clips=1000))
    plain, found = read_scores(out / SCORES_FILE), read_conditions(out)
    assert set(found) == set(NAMES)
    for table in found.values():
        assert table.ids.tolist() == plain.ids.tolist()
        assert table.targets.distinct() == ["loud"]
    np.testing.assert_allclose(level(found["quiet"]), level(plain) / 31.62, rtol=0.01)
    np.testing.assert_allclose(level(found["noise_0db"]), level(plain) * 2**0.5, rtol=0.15)
    assert plain.candidate.errors.sum() == 0
    assert found["quiet"].candidate.errors.sum() == CLIPS


def test_however_the_clips_are_spread_the_same_is_heard(tmp_path: Path, model: str) -> None:
    heard = Heard(NAMES, clips=1000)
    found = [read_conditions(score(tmp_path / str(files), model, files, heard)) for files in (1, 3)]
    for name in NAMES:
        one, many = (each[name] for each in found)
        assert one.ids.tolist() == many.ids.tolist()
        np.testing.assert_array_equal(level(one), level(many))


def test_of_many_clips_some_of_every_file_are_heard(tmp_path: Path, model: str) -> None:
    out = score(tmp_path / "some", model, 2, Heard(("quiet",), clips=10))
    assert len(read_scores(out / SCORES_FILE)) == CLIPS
    ids = read_conditions(out)["quiet"].ids.tolist()
    assert ids == [f"clip{number}" for number in range(0, CLIPS, 4)]


def test_a_clip_that_is_to_be_forgotten_goes_everywhere(tmp_path: Path, model: str) -> None:
    out = score(tmp_path / "forget", model, 1, Heard(("quiet", "room"), clips=1000))
    assert drop_clips(out, ["clip7"])
    tables = [read_scores(out / SCORES_FILE), *read_conditions(out).values()]
    assert [len(each) for each in tables] == [CLIPS - 1] * 3
    assert not any("clip7" in each.ids.tolist() for each in tables)
    assert not drop_clips(out, ["clip7"])


def test_without_conditions_there_are_none(tmp_path: Path, model: str) -> None:
    assert read_conditions(score(tmp_path / "none", model, 1, Heard())) == {}
