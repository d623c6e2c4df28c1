"""Files of scores by however many workers: the same verdict."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from pushed import make_card
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import ClipScores as ClipScoresArtifact
from components.evaluation.score_files import SCORES_FILE, find_records, read_list, read_scores
from components.evaluator import clip_scoring
from components.evaluator.executor import Executor as Evaluator
from components.examples import read_record
from components.model_gate.executor import Executor as ModelGate
from components.storage.location import location_of
from schemas.errors import AuricleError
from schemas.example import SIDE_FEATURES, decode_example, encode_example
from schemas.reports.model_card import MODEL_CARD_FILE
from schemas.reports.verdict import Verdict, read_verdict
from schemas.tfrecord import frame_record

pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0")

CLIPS = 60
LABELS = ["no", "yes"]
GATE = {"accuracy": {"at_least": 0.5, "slices": ["speaker"], "no_worse_by_more_than": 0.1}}


class _Ear(tf.Module):
    """Answers by the level of the example, off by as much as it was made with."""

    def __init__(self, off: float) -> None:
        super().__init__()
        self._off = tf.constant(off)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"rms_db": tf.io.FixedLenFeature([1], tf.float32)}
        level = tf.io.parse_example(examples, spec)["rms_db"] + self._off
        yes = tf.clip_by_value(0.5 + level / 8, 0.1, 0.9)  # the same bits in any batch
        return {"scores": tf.concat([1 - yes, yes], axis=1)}


def model_in(folder: Path, off: float) -> standard_artifacts.Model:
    module = _Ear(off)
    saved = folder / "Format-Serving"
    tf.saved_model.save(module, str(saved), {"serving_examples": module.serve})
    card = saved / MODEL_CARD_FILE
    card.parent.mkdir(exist_ok=True)
    card.write_text(make_card(labels=LABELS).model_dump_json())
    artifact = standard_artifacts.Model()
    artifact.uri = str(folder)
    return artifact


def record(number: int) -> bytes:
    """Every tenth clip has to pass, some have a room, and no two have the same text."""
    rng = np.random.default_rng(number)
    metadata = {"text": f"a text {number}"}
    metadata |= {"must_pass": "true", "origin": "field"} if not number % 10 else {}
    metadata |= {"room": "ab"[number % 2]} if number > CLIPS // 2 else {}
    texts = ("uri", "split_key", "source_format")
    features = dict.fromkeys(SIDE_FEATURES, 0.0) | dict.fromkeys(texts, "x")
    features |= {
        "id": f"clip{number}",
        "label": LABELS[number % 2],
        "speaker": f"s{number % 7}" if number % 5 else "",
        "metadata": json.dumps(metadata),
        "audio": b"",
        "rms_db": float(rng.normal() + 2 * (number % 2) - 1),
        "source_rate_hz": 16000,
        "source_channels": 1,
        "heard_channels": 1,
    }
    return frame_record(encode_example(features))


def examples_in(folder: Path, files: int) -> standard_artifacts.Examples:
    split = folder / "Split-test"
    split.mkdir(parents=True)
    for file, numbers in enumerate(np.array_split(np.arange(CLIPS), files)):
        content = b"".join(record(int(number)) for number in numbers)
        (split / f"data_tfrecord-{file:05}-of-{files:05}").write_bytes(content)
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = str(folder), artifact_utils.encode_split_names(["test"])
    return examples


def artifact_of(kind: type, folder: Path):
    made = kind()
    made.uri = str(folder)
    return made


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "model": [model_in(folder / "ours", 0.0)],
        "baseline_model": [model_in(folder / "theirs", 0.8)],
    }


def judge(folder: Path, models: dict[str, list], files: int) -> Verdict:
    made = {
        "evaluation": [artifact_of(standard_artifacts.ModelEvaluation, folder / "evaluation")],
        "scores": [artifact_of(ClipScoresArtifact, folder / "scores")],
        "blessing": [artifact_of(standard_artifacts.ModelBlessing, folder / "blessing")],
    }
    examples = examples_in(folder / "examples", files)
    Evaluator().Do(models | {"examples": [examples]}, made, {"task": "classify"})
    judged = made | {"model": models["model"], "baseline": models["baseline_model"]}
    ModelGate().Do(judged, made, {"gate": json.dumps(GATE), "task": "classify"})
    return read_verdict(location_of(folder) / "blessing" / "verdict.json")


def ids_found(folder: Path, places: list[int]) -> dict[int, str]:
    """Ids of the examples that the table says these clips are in."""
    files = sorted((folder / "examples" / "Split-test").iterdir())
    found = find_records(location_of(folder) / "scores" / SCORES_FILE, places)
    return {
        place: str(decode_example(read_record(files[file], offset))["id"])
        for place, (file, offset) in found.items()
    }


def test_one_file_or_many_give_the_same_verdict(
    tmp_path: Path, models: dict[str, list], monkeypatch: pytest.MonkeyPatch
) -> None:
    # More values than these are no groups; in each of the small files there are fewer.
    monkeypatch.setattr("components.evaluation.score_summary.MOST_VALUES", 40)
    monkeypatch.setattr("components.evaluation.slices.MOST_VALUES", 40)
    whole = judge(tmp_path / "one", models, files=1)
    monkeypatch.setattr(clip_scoring, "CLIPS_OF_A_FILE", 7)
    spread = judge(tmp_path / "many", models, files=4)
    names = [file.name for file in read_list(tmp_path / "many" / "scores" / SCORES_FILE).files]
    assert len(names) == 12
    assert names == sorted(file.name for file in (tmp_path / "many" / "scores").glob("*.npz"))
    assert len(read_list(tmp_path / "one" / "scores" / SCORES_FILE).files) == 1
    assert spread == whole
    assert whole.unsliced == {"text": CLIPS}
    assert whole.clips == CLIPS - 6
    assert {s.feature for s in whole.slices} == {
        *("label", "speaker", "snr", "duration", "truncated", "room"),
    }
    assert whole.baseline is not None
    tables = [read_scores(tmp_path / name / "scores" / SCORES_FILE) for name in ("one", "many")]
    assert tables[0].ids.tolist() == tables[1].ids.tolist() == [f"clip{n}" for n in range(CLIPS)]
    assert ids_found(tmp_path / "one", [59, 0, 17, 17]) == {0: "clip0", 17: "clip17", 59: "clip59"}
    assert ids_found(tmp_path / "many", list(range(CLIPS))) == {
        number: f"clip{number}" for number in range(CLIPS)
    }
    for name, values in tables[0].candidate.outputs.items():
        np.testing.assert_array_equal(tables[1].candidate.outputs[name], values)


def test_a_record_is_read_where_it_begins(tmp_path: Path) -> None:
    file = tmp_path / "records"
    file.write_bytes(frame_record(b"one") + frame_record(b"other"))
    start = len(frame_record(b"one"))
    assert (read_record(file, 0), read_record(file, start)) == (b"one", b"other")
    for offset in (1, start - 1, file.stat().st_size):
        with pytest.raises(AuricleError, match="records"):
            read_record(file, offset)


def test_of_no_clips_there_is_a_table_that_knows_the_outputs(
    tmp_path: Path, models: dict[str, list]
) -> None:
    (tmp_path / "examples" / "Split-test").mkdir(parents=True)
    examples = artifact_of(standard_artifacts.Examples, tmp_path / "examples")
    examples.split_names = artifact_utils.encode_split_names(["test"])
    made = {
        "evaluation": [artifact_of(standard_artifacts.ModelEvaluation, tmp_path / "evaluation")],
        "scores": [artifact_of(ClipScoresArtifact, tmp_path / "scores")],
    }
    inputs = {"examples": [examples], "model": models["model"]}
    Evaluator().Do(inputs, made, {"task": "classify"})
    scores = read_scores(tmp_path / "scores" / SCORES_FILE)
    assert len(scores) == 0
    assert scores.candidate.outputs["scores"].shape == (0, len(LABELS))
    assert scores.baseline is None
