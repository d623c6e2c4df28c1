"""`auricle predict` answers from the newest pushed model; a bad file does not stop the others."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from components.audio.condition import condition
from components.audio.decode import decode
from components.audio.pcm16 import from_pcm16, to_pcm16
from components.storage.location import location_of
from components.versions.manifest import write_manifest
from components.versions.serving import newest_version
from pipeline.cli import app
from pipeline.config.loader import read_workflow
from pipeline.inference.explain import explain_file
from pipeline.inference.predict import load_model, published_card
from pipeline.workspace.project import Project, read_project
from schemas.errors import InputError
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.workflow.audio import Audio
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model

RATE = 8000
AURICLE = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def push_model(version: Path) -> None:
    """A SavedModel that hears how often the wave crosses zero: `low`, `high` or `noise`."""
    import tensorflow as tf

    class CountCrossings(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32)])
        def classify(self, waveform: tf.Tensor) -> dict[str, tf.Tensor]:
            crossed = tf.not_equal(waveform[:, 1:] >= 0, waveform[:, :-1] >= 0)
            hertz = tf.reduce_mean(tf.cast(crossed, tf.float32), axis=1, keepdims=True) * RATE / 2
            distance = tf.abs(tf.math.log((hertz + 1) / tf.constant([[200.0, 1000.0, 2000.0]])))
            scores = tf.nn.softmax(-10 * distance)
            return {"scores": scores, "label": tf.fill([tf.shape(waveform)[0]], "unused")}

    module = CountCrossings()
    tf.saved_model.save(module, str(version), signatures={"serving_default": module.classify})
    card = ModelCard(
        name="tones",
        labels=["low", "high", "noise"],
        audio=Audio(sample_rate=RATE, clip_s=0.5, trim=False).model_dump(),
        frontend={},
        model={},
        parameters=0,
        generated=True,
    )
    path = version / MODEL_CARD_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(card.model_dump_json())
    write_manifest(version, card.name)


@pytest.fixture(scope="module")
def workflow_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predict")
    serving = folder / "runs" / "tones" / "serving"
    push_model(serving / "10")
    # Older, broken: versions are numbers, so 9 is older than 10; what is no number is no version.
    (serving / "9").mkdir()
    (serving / ".incoming-ab").mkdir()
    path = folder / "workflow.yaml"
    path.write_text("name: tones\ndata: {folder: clips}\n")
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A 200 Hz tone at 44.1 kHz in stereo, a 1000 Hz tone, no audio at all, and noise as FLAC."""
    folder = tmp_path_factory.mktemp("clips")
    time_s = np.arange(44100) / 44100
    low = np.sin(2 * np.pi * 200 * time_s + 0.1)
    high = np.sin(2 * np.pi * 1000 * time_s + 0.1)
    noise = np.random.default_rng(0).normal(0, 0.1, 44100)
    paths = [folder / name for name in ("low.wav", "high.wav", "bad.wav", "noise.flac")]
    soundfile.write(paths[0], np.stack([low, low], axis=1) / 2, 44100)
    soundfile.write(paths[1], high / 2, 44100)
    paths[2].write_text("this is no audio")
    soundfile.write(paths[3], noise, 44100)
    return [*paths, folder / "gone.wav"]


def test_each_file_is_answered_for_itself(workflow_file: Path, clips: list[Path]) -> None:
    workflow = read_workflow(workflow_file)
    found = load_model(Project(workflow, workflow_file.parent)).predict(clips, top=2)
    assert (found.model, found.version, found.generated) == ("tones", 10, True)
    labels = [[answer.label for answer in file.answers] for file in found.files]
    assert labels == [["low", "high"], ["high", "noise"], [], ["noise", "high"], []]
    assert [file.error for file in found.files[:2]] == [None, None]
    assert [file.heard for file in found.files] == [None] * 5  # this model has no threshold
    assert found.files[2].error is not None
    assert found.files[2].error.startswith("unsupported: ")
    assert found.files[4].error == os.strerror(errno.ENOENT)
    assert found.failed
    assert found.files[0].answers[0].score > 0.9


def test_command_line(workflow_file: Path, clips: list[Path]) -> None:
    command = [*AURICLE, "predict", str(workflow_file), *map(str, clips[:3])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    low, high = done.stdout.splitlines()
    assert low.split()[:2] == [str(clips[0]), "low"]
    assert high.split()[:2] == [str(clips[1]), "high"]
    notice, error = done.stderr.splitlines()  # and nothing of TensorFlow's own
    assert notice == "tones was trained on generated speech"
    assert error.startswith(f"{clips[2]}: unsupported: ")


def test_command_line_json(workflow_file: Path, clips: list[Path]) -> None:
    arguments = ["predict", str(workflow_file), str(clips[0]), "--json", "--top", "3"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert said["generated"] is True
    [file] = said["files"]
    assert [answer["label"] for answer in file["answers"]] == ["low", "high", "noise"]
    assert sum(answer["score"] for answer in file["answers"]) == pytest.approx(1.0)


def test_what_a_model_with_a_threshold_does_not_hear_is_said(
    workflow_file: Path, clips: list[Path], tmp_path: Path
) -> None:
    version = tmp_path / "runs" / "tones" / "serving" / "1"
    shutil.copytree(workflow_file.parent / "runs" / "tones" / "serving" / "10", version)
    file = tmp_path / "workflow.yaml"
    file.write_text(workflow_file.read_text())
    card = published_card(location_of(version))
    low, noise = clips[0], clips[3]
    card = card.model_copy(update={"labels": ["low", "high", "_noise_"], "threshold": 0.5})
    (version / MODEL_CARD_FILE).write_text(card.model_dump_json())
    write_manifest(version, card.name)
    done = CliRunner().invoke(app, ["predict", str(file), str(low), str(noise), "--top", "2"])
    assert done.exit_code == 0
    heard, other = done.stdout.splitlines()
    assert heard.endswith("  low 1.000  high 0.000")
    assert re.search(r"  - \(_noise_ 0\.\d{3}\)  high 0\.\d{3}$", other)
    said = load_model(read_project(file)).predict([low, noise, clips[2]], top=1)
    assert [each.heard for each in said.files] == [True, False, None]
    assert said.threshold == 0.5

    score = said.files[0].answers[0].score
    for threshold, is_heard in ((score, True), (np.nextafter(score, 2), False)):
        card = card.model_copy(update={"threshold": float(threshold)})
        (version / MODEL_CARD_FILE).write_text(card.model_dump_json())
        write_manifest(version, card.name)
        found = load_model(read_project(file)).predict([low], top=1)
        assert found.files[0].heard is is_heard
    done = CliRunner().invoke(app, ["predict", str(file), str(low)])
    assert re.search(r"  - \(low [01]\.\d+, below [01]\.\d+\)$", done.stdout.splitlines()[0])


def test_no_pushed_model(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_text("name: tones\ndata: {folder: clips}\n")
    with pytest.raises(InputError, match="runs/tones/serving;"):
        load_model(read_project(path)).predict([tmp_path / "a.wav"], top=1)


def test_a_folder_that_is_no_model(workflow_file: Path, tmp_path: Path) -> None:
    (tmp_path / "runs" / "tones" / "serving" / "1").mkdir(parents=True)
    with pytest.raises(InputError, match="serving/1"):
        load_model(Project(read_workflow(workflow_file), tmp_path)).predict([], top=1)


def test_versions_are_numbers(tmp_path: Path) -> None:
    for name in ("2", "10", "9", "12.tmp", ".incoming-1"):
        (tmp_path / name).mkdir()
    (tmp_path / "99").touch()
    newest = newest_version(tmp_path)
    assert newest is not None
    assert newest.number == 10


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    from components.models import build_model
    from components.trainer.export import export_model

    folder = tmp_path_factory.mktemp("conditions")
    audio = Audio(sample_rate=RATE, clip_s=0.5)
    frontend, model = Frontend(frame_step_ms=20.0, num_mel_bins=8), Model(filters=4, units=4)
    version = folder / "runs" / "tones" / "serving" / "1"
    export_model(
        build_model(
            num_outputs=2,
            sample_rate=RATE,
            clip_samples=RATE // 2,
            frontend=frontend,
            augment=Augment(),
            model=model,
            seed=1,
        ),
        ModelCard(
            name="tones",
            labels=["no", "yes"],
            audio=audio.model_dump(),
            frontend=frontend.model_dump(),
            model=model.model_dump(),
            parameters=1,
            generated=False,
        ),
        str(version),
    )
    write_manifest(version, "tones")
    path = folder / "workflow.yaml"
    path.write_text("name: tones\ndata: {folder: clips}\n")
    return read_project(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three clips of other lengths and rates, silence, and one that is too short."""
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.003, 30000)
    noise[9000:15000] += 0.2 * np.sin(np.arange(6000) / 20)
    waveforms = {
        "long.wav": (noise + 0.1, 8000),
        "soft.flac": (noise[8000:16000] / 20, 16000),
        "fast.wav": (noise[:20000], 22050),
        "silent.wav": (np.zeros(8000), 8000),
        "short.wav": (noise[9000:9100], 8000),
    }
    for name, (waveform, rate) in waveforms.items():
        soundfile.write(folder / name, waveform, rate)
    return [folder / name for name in waveforms]


class TestAModelThatConditions:
    """One as it is exported now: what is asked is the file, decoded."""

    def test_answers_as_on_what_ingest_makes_of_the_file(
        self, project: Project, files: list[Path]
    ) -> None:
        model = load_model(project)
        found = model.predict(files, top=2).files
        for file, prediction in zip(files[:3], found[:3], strict=True):
            raw = decode(file.read_bytes(), RATE).waveform
            stored = from_pcm16(to_pcm16(condition(raw, model.card.audio)))
            scores = model.saved_model.scores_of_features(
                model.saved_model.features(stored[np.newaxis])
            )
            said = {answer.label: answer.score for answer in prediction.answers}
            np.testing.assert_allclose([said["no"], said["yes"]], scores[0], atol=1e-6)
            assert prediction.error is None
        assert [(each.answers, each.error) for each in found[3:]] == [
            ([], "silent: nothing above -70 dBFS"),
            ([], "too_short: 0.013 s, less than 0.02 s"),
        ]

    def test_explain_has_the_score_that_predict_has(
        self, project: Project, files: list[Path], tmp_path: Path
    ) -> None:
        model = load_model(project)
        explained = explain_file(model, files[0], tmp_path / "a.png")
        [answer] = model.predict(files[:1]).files[0].answers
        assert explained.label == answer.label
        assert explained.score == pytest.approx(answer.score, abs=1e-5)
        with pytest.raises(InputError, match=r"silent\.wav: silent: nothing above -70 dBFS"):
            explain_file(model, files[3], tmp_path / "b.png")

    def test_more_files_than_fit_into_a_batch(
        self, project: Project, files: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = load_model(project)
        whole = model.predict(files).files
        monkeypatch.setattr("pipeline.inference.predict._BATCH_SAMPLES", 20_000)
        for one, other in zip(model.predict(files).files, whole, strict=True):
            assert (one.file, one.error) == (other.file, other.error)
            assert [answer.label for answer in one.answers] == [a.label for a in other.answers]
