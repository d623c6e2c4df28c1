"""`auricle infer` answers what `auricle predict` does, for any number of clips, wherever they lie,
whatever stops it in between.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
from killed_at import killed_at
from planted import CrashingClipReader
from served import RATE, push_answering

from components.inference import rows as inference_rows
from components.inference.asking import AskedModel
from components.inference.clip_reader import ClipReader
from components.inference.handler import LoadedModel, Waiting
from components.storage.location import Location, location_of
from pipeline.inference.batch import Inference, infer_clips
from pipeline.inference.clips import ClipSource
from pipeline.inference.predict import TrainedModel, load_model, published_card
from pipeline.inference.target import Target
from pipeline.workspace.project import read_project
from schemas.errors import AuricleError, BusyError, InputError
from schemas.workflow.audio import Audio
from schemas.workflow.run import Beam

CLIPS = 40
ODD = ("notes.wav", "nothing.flac", "short.wav", "silent.wav")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workflow with a published classifier, and clips of many lengths, rates and formats."""
    folder = tmp_path_factory.mktemp("infer")
    (folder / "workflow.yaml").write_text("name: words\ndata: {folder: clips}\n")
    push_answering(folder / "runs" / "words" / "serving")
    clips = folder / "clips"
    (clips / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(CLIPS):
        rate = (RATE, 16000, 44100)[number % 3]
        samples = int(rate * rng.uniform(0.1, 1.4))
        tone = np.sin(2 * np.pi * rng.uniform(100, 3000) * np.arange(samples) / rate)
        waveform = tone[:, None] * rng.uniform(0.1, 0.8, 1 + number % 2)
        name = f"{number:03}.wav" if number % 4 else f"more/{number:03}.flac"
        soundfile.write(clips / name, waveform, rate)
    (clips / "notes.wav").write_text("no audio")
    (clips / "nothing.flac").touch()
    soundfile.write(clips / "short.wav", np.full(3, 0.5), RATE)
    soundfile.write(clips / "silent.wav", np.zeros(RATE), RATE)
    return folder


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_rows, "ROWS_IN_PART", 16)


def infer(
    model: TrainedModel, written: str | Path, output: str | Path, form: Any = None
) -> Inference:
    here = Path("/nowhere")
    source = ClipSource([str(written)], here)
    return infer_clips(model, Beam(), source, Target.of(str(output), form, here))


def answers_in(folder: Path | Location) -> list[dict[str, Any]]:
    files = [file for name, file in location_of(folder).files() if name.startswith("answers-")]
    return [json.loads(line) for file in files for line in file.read().splitlines()]


def rejects_in(file: Path | Location) -> dict[str, str]:
    found = [json.loads(line) for line in location_of(file).read().splitlines()]
    return {row["uri"]: f"{row['reason']}: {row['detail']}" for row in found}


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.fixture(scope="module", params=["classify", "spot", "earlier"])
def model(request: pytest.FixtureRequest, place: Path, tmp_path_factory: Any) -> TrainedModel:
    """What is served; a spotter with a threshold; one of before models conditioned clips."""
    if request.param == "classify":
        return load_model(read_project(place / "workflow.yaml"))
    card = {"task": "spot", "threshold": 0.34} if request.param == "spot" else {"none_below": 0.34}
    folder = push_answering(tmp_path_factory.mktemp("serving"), **card)
    card_read = published_card(folder)
    if request.param == "earlier":
        card_read = card_read.model_copy(update={"conditions": False})
    return TrainedModel(folder, card_read, version=1)


def test_answers_and_words_are_those_of_predict(
    model: TrainedModel, place: Path, tmp_path: Path
) -> None:
    found = infer(model, place / "clips", tmp_path / "out")
    assert (found.clips, sum(found.rejects.values())) == (CLIPS, len(ODD))
    answers = {row["uri"]: row for row in answers_in(tmp_path / "out")}
    assert list(answers) == sorted(answers)
    rejects = rejects_in(tmp_path / "out" / "rejects.jsonl")
    assert {Path(uri).name for uri in rejects} == set(ODD)
    files = sorted(map(str, (place / "clips").rglob("*.*")))
    for said in model.predict(files, top=3).files:
        if said.error is not None:
            assert rejects[said.file] == said.error
            continue
        row = answers[said.file]
        assert (row["label"], row["heard"], row["is_none"]) == (
            said.answers[0].label, said.heard, said.is_none,
        )  # fmt: skip
        scores = {answer.label: answer.score for answer in said.answers}
        assert row["scores"] == pytest.approx(scores, abs=1e-6)
        assert row["score"] == row["scores"][row["label"]]
        assert (row["model"], row["version"]) == ("words", 1)


@pytest.fixture(scope="module")
def served(place: Path) -> TrainedModel:
    return load_model(read_project(place / "workflow.yaml"))


@pytest.fixture(scope="module")
def whole(served: TrainedModel, place: Path, tmp_path_factory: Any) -> Iterator[Path]:
    """A folder of answers to all clips."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference_rows, "ROWS_IN_PART", 16)
        infer(served, place / "clips", folder)
    yield folder


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_one_file_holds_the_same(
    name: str, served: TrainedModel, place: Path, whole: Path, tmp_path: Path
) -> None:
    output = tmp_path / name
    infer(served, place / "clips", output)
    if name.endswith(".jsonl"):
        rows = [json.loads(line) for line in output.read_text().splitlines()]
        assert {file.name for file in tmp_path.iterdir()} == {
            "a.jsonl", "a.rejects.jsonl", "a.success.json",
        }  # fmt: skip
    else:
        rows = pyarrow.parquet.read_table(output).to_pylist()
    expected = answers_in(whole)
    for row, said in zip(rows, expected, strict=True):
        assert row["scores"] == pytest.approx(said["scores"], rel=1e-6)
        assert row["score"] == pytest.approx(said["score"], rel=1e-6)
        assert {k: v for k, v in row.items() if not k.startswith("score")} == {
            k: v for k, v in said.items() if not k.startswith("score")
        }


def test_rows_of_a_manifest_are_parts_of_recordings(
    served: TrainedModel, place: Path, tmp_path: Path
) -> None:
    rate, rng = RATE, np.random.default_rng(3)
    sound = rng.normal(0, 0.1, (2, 2 * rate))
    soundfile.write(tmp_path / "call.wav", sound.T, rate)
    soundfile.write(tmp_path / "left.wav", sound[0, rate // 2 : rate], rate)
    soundfile.write(tmp_path / "right.wav", sound[1], rate)
    manifest = tmp_path / "calls.jsonl"
    rows = [
        {"audio_filepath": "call.wav", "offset": 0.5, "duration": 0.5, "channel": 0, "id": "one"},
        {"audio_filepath": "call.wav", "channel": 1, "label": "stop", "speaker": "ann"},
        {"audio_filepath": "call.wav", "offset": 1.5, "duration": 2.0},
        {"audio_filepath": "gone.wav"},
        {"audio_filepath": "../call.wav"},
        {"audio_filepath": "call.wav", "offset": "soon"},
        {"audio_filepath": "call.wav", "duration": 0},
        {"label": "no"},
    ]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    infer(served, manifest, tmp_path / "out")
    call = str(tmp_path / "call.wav")
    one, two = answers_in(tmp_path / "out")
    place_of = [
        [row[key] for key in ("id", "offset_s", "duration_s", "channel")] for row in (one, two)
    ]
    assert place_of == [["one", 0.5, 0.5, 0], [f"{call}:1", None, None, 1]]
    files = served.predict([tmp_path / "left.wav", tmp_path / "right.wav"], top=3).files
    left, right = ({each.label: each.score for each in file.answers} for file in files)
    assert one["scores"] == pytest.approx(left, abs=1e-3)  # rounded to 16 bits
    assert two["scores"] == pytest.approx(right, abs=1e-3)
    rejects = [
        json.loads(line)
        for line in location_of(tmp_path / "out" / "rejects.jsonl").read().splitlines()
    ]
    assert [(row["id"].partition(":")[2], row["reason"]) for row in rejects] == [
        ("4", "missing"), ("5", "outside"), ("6", "bad_row"), ("7", "empty"), ("8", "bad_row"),
        ("9", "bad_row"), ("", "truncated"),
    ]  # fmt: skip


def test_all_of_it_in_a_bucket(bucket: str, place: Path, whole: Path) -> None:
    top = location_of(bucket)
    for name, file in location_of(place / "clips").files():
        file.copy_to(top / "clips" / name)
    push_answering(top / "serving")
    folder = top / "serving" / 1
    model = TrainedModel(folder, published_card(folder), version=1)
    infer(model, f"{bucket}/clips/**/*", f"{bucket}/out")
    expected = (whole / "rejects.jsonl").read_text().replace(str(place), bucket)
    assert (top / "out" / "rejects.jsonl").read().decode() == expected
    expected = [json.dumps(row).replace(str(place), bucket) for row in answers_in(whole)]
    assert [json.dumps(row) for row in answers_in(top / "out")] == expected
    assert not [name for name, _ in (top / "out").files() if name.startswith("_work")]


def test_one_that_was_killed_goes_on(
    served: TrainedModel, place: Path, whole: Path, tmp_path: Path
) -> None:
    program = (
        "from components.inference import rows; rows.ROWS_IN_PART = 16;"
        " from pipeline.cli import main; main()"
    )
    arguments = ["infer", "workflow.yaml", "--input", "clips", "--output", tmp_path / "out"]
    killed_at(
        "components.inference.transforms:answered_rows",
        *arguments,
        cwd=place,
        program=program,
        call=2,
    )
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    first = next((tmp_path / "out").glob("answers-000000-*"))
    before = first.stat().st_mtime_ns
    found = infer(served, place / "clips", tmp_path / "out")
    assert (found.clips, found.reused) == (CLIPS, len(first.read_text().splitlines()))
    assert first.stat().st_mtime_ns == before
    assert files_in(tmp_path / "out") == files_in(whole)
    again = infer(served, place / "clips", tmp_path / "out")
    assert (again.clips, again.reused, again.clips_per_s) == (CLIPS, CLIPS, None)


def test_a_new_clip_has_only_its_part_done_again_and_two_do_not_write_one_output(
    served: TrainedModel, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(place / "clips", tmp_path / "clips")

    def stop(*given: object) -> None:
        with pytest.raises(BusyError, match=str(tmp_path / "out")):
            infer(served, tmp_path / "clips", tmp_path / "out")
        raise AuricleError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.inference.batch._finish", stop)
        with pytest.raises(AuricleError, match="stopped"):
            infer(served, tmp_path / "clips", tmp_path / "out")
    before = set((tmp_path / "out").glob("answers-*"))
    shutil.copy(place / "clips" / "001.wav", tmp_path / "clips" / "zzz.wav")
    found = infer(served, tmp_path / "clips", tmp_path / "out")
    after = set((tmp_path / "out").glob("answers-*"))
    assert (found.clips, len(before - after), len(after - before)) == (CLIPS + 1, 1, 1)
    with pytest.raises(InputError, match="other clips"):
        infer(served, place / "clips", tmp_path / "out")


@pytest.mark.parametrize(
    ("written", "output", "named"),
    [
        ("clips/*.opus", "out", "opus"),
        ("gone", "out", "gone"),
        ("empty.jsonl", "out", "empty.jsonl"),
        ("broken.csv", "out", "audio_filepath"),
        ("clips", "clips/out", "clips/out"),
        ("clips", ".", "holds the input"),
        ("**/*", "out", "out"),
        ("clips", "taken", "taken"),
        ("clips", "empty.jsonl", "empty.jsonl"),
        ("clips", "out.csv", "csv"),
        ("clips", "s3:bucket/out", "s3://bucket/out"),
        ("gs:/bucket/clips", "out", "gs://bucket/clips"),
        ("s3://key:secret@bucket/clips", "out", r"s3://\*\*\*@bucket"),
        ("clips", "s3://key:secret@bucket/out", r"s3://\*\*\*@bucket"),
        ("hdfs://host/clips", "out", "hdfs"),
        ("clips", "hdfs://host/out", "hdfs"),
    ],
)
def test_what_cannot_be_done_is_refused(
    written: str, output: str, named: str, served: TrainedModel, tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.wav", np.ones(RATE), RATE)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").touch()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "broken.csv").write_text("path,label\na.wav,no\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=named):
        source = ClipSource([written], tmp_path)
        infer_clips(served, Beam(), source, Target.of(output, None, tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_format_that_contradicts_the_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.parquet"):
        Target.of("a.parquet", "jsonl", tmp_path)


def test_an_output_of_another_model_is_refused(
    served: TrainedModel, place: Path, whole: Path, tmp_path: Path
) -> None:
    folder = push_answering(tmp_path / "serving", threshold=0.5)
    other = TrainedModel(folder, published_card(folder), version=1)
    with pytest.raises(InputError, match="published anew"):
        infer(other, place / "clips", whole)
    with pytest.raises(InputError, match="parquet"):
        infer(served, place / "clips", whole, "parquet")


def test_workers_elsewhere_are_given_nothing_of_this_disk(
    served: TrainedModel, place: Path, tmp_path: Path
) -> None:
    options = {"job_endpoint": "jobs.example:8099", "environment_config": "registry/image:1"}
    beam = Beam(runner="PortableRunner", options=options)
    source = ClipSource(["s3://bucket/clips"], tmp_path)
    with pytest.raises(InputError, match=str(served.folder)):
        infer_clips(served, beam, source, Target.of("s3://bucket/out", None, tmp_path))
    away = TrainedModel(location_of("s3://bucket/serving/1"), served.card, version=1)
    with pytest.raises(InputError, match=str(tmp_path / "out")):
        infer_clips(away, beam, source, Target.of("out", None, tmp_path))
    source = ClipSource([str(place / "clips")], tmp_path)
    with pytest.raises(InputError, match=str(place / "clips")):
        infer_clips(away, beam, source, Target.of("s3://bucket/out", None, tmp_path))


def test_a_file_that_changed_since_it_was_listed_ends_it(tmp_path: Path, bucket: str) -> None:
    reader = ClipReader(Audio(sample_rate=RATE), conditioned=False, longest_s=None)
    soundfile.write(tmp_path / "a.wav", np.ones(RATE) / 2, RATE)
    place = location_of(bucket) / "a.wav"
    place.put((tmp_path / "a.wav").read_bytes())
    for file in (location_of(tmp_path / "a.wav"), place):
        [row] = ClipSource([str(file)], tmp_path).rows()
        assert len(reader(row)) == 4 * RATE
        file.put(file.read() + b"more")
        fresh = ClipReader(Audio(sample_rate=RATE), conditioned=False, longest_s=None)
        with pytest.raises(AuricleError, match=r"a\.wav changed"):
            fresh(row)
        file.delete()
        with pytest.raises(AuricleError, match=r"a\.wav is gone"):
            ClipReader(Audio(sample_rate=RATE), conditioned=False, longest_s=None)(row)


def test_a_clip_that_crashes_its_decoder_costs_itself_only(
    served: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.inference.handler.ClipReader", CrashingClipReader)
    for name in ("crash.wav", "good.wav"):
        soundfile.write(tmp_path / name, np.sin(np.arange(RATE)) / 2, RATE)
    rows = list(ClipSource([str(tmp_path)], tmp_path).rows())
    model = LoadedModel(AskedModel(served.saved_model, served.card), 1)
    crashed, good = model.answer(rows)
    assert (crashed.reason, good[0].text) == ("unreadable", model.answer(rows[1:])[0][0].text)


def test_batches_are_of_like_lengths() -> None:
    rng = np.random.default_rng(0)
    clips = [np.zeros(int(samples), np.float32) for samples in rng.lognormal(9, 1, 1000)]
    waiting = Waiting(64)
    full = [batch for number, clip in enumerate(clips) for batch in waiting.add(number, clip)]
    rest = list(waiting.rest())
    numbers = [number for batch, _ in full + rest for number in batch]
    assert sorted(numbers) == list(range(1000))
    assert all(len(batch) == 64 for batch, _ in full)
    for batch, held in full:
        lengths = [len(clip) for clip in held]
        assert [len(clips[number]) for number in batch] == lengths
        assert max(lengths) < 1.25 * min(lengths) + 1
    assert [len(held) for _, held in rest[:-1]] == [64] * (len(rest) - 1)
