"""`auricle predict` answers from the newest pushed model; a bad file does not stop the others."""

import errno
import json
import os
import re
import shutil
import struct
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
    # And nothing of TensorFlow's own. Tones of 1 s are steady, and longer than the clip.
    notice, *notes, error = done.stderr.splitlines()
    assert notice == "tones was trained on generated speech"
    assert error.startswith(f"{clips[2]}: unsupported: ")
    kinds = ["cropped", "a steady sound"]
    assert [note.split(": ")[:2] for note in notes] == [
        [str(clip), kind] for clip in clips[:2] for kind in kinds
    ]


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
    assert [note.partition(":")[0] for note in file["notes"]] == ["cropped", "a steady sound"]
    assert file["is_none"] is None  # this model cannot tell


def test_a_folder_stands_for_the_audio_files_in_it(
    workflow_file: Path, clips: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "heard"
    left = (
        ".hidden/3.wav",
        "._b.wav",
        "__MACOSX/4.wav",
        "@eaDir/5.wav",
        "_background_noise_/6.wav",
    )
    for name in ("b.wav", "a.WAV", "high/1.wav", "low/deep/2.wav", "notes.txt", *left):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clips[1], folder / name)
    arguments = ["predict", str(workflow_file), str(clips[0]), str(folder), "--json"]
    said = json.loads(CliRunner().invoke(app, arguments).stdout)
    names = [str(clips[0]), *(str(folder / name) for name in ("a.WAV", "b.wav", "high/1.wav"))]
    assert [each["file"] for each in said["files"]] == names
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(app, ["predict", str(workflow_file), str(tmp_path / "empty")])
    assert isinstance(done.exception, InputError)


def endless_wav(file: Path) -> bytes:
    """The file as a program writes WAV to a pipe: it cannot go back to say how long it is."""
    waveform, rate = soundfile.read(file, dtype="int16")
    channels = 1 if waveform.ndim == 1 else waveform.shape[1]
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    size = b"\xff\xff\xff\xff"
    head = b"".join([b"RIFF", size, b"WAVEfmt ", struct.pack("<I", 16), form, b"data", size])
    return head + waveform.tobytes()


def test_standard_input(workflow_file: Path, clips: list[Path]) -> None:
    arguments = ["predict", str(workflow_file), "-", str(clips[0]), "--json"]
    for content in (clips[1].read_bytes(), endless_wav(clips[1])):
        said = json.loads(CliRunner().invoke(app, arguments, input=content).stdout)
        heard = [(each["file"], each["answers"][0]["label"]) for each in said["files"]]
        assert heard == [("-", "high"), (str(clips[0]), "low")]
    done = CliRunner().invoke(app, arguments, input=b"")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["files"][0]["error"].startswith("empty")


def test_tensorflow_comes_without_what_only_training_needs(
    workflow_file: Path, clips: list[Path]
) -> None:
    code = (
        "import json, sys; from pipeline.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "finally: print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "predict", str(workflow_file), str(clips[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "tensorflow" in loaded
    assert not loaded & {"keras", "tf_keras", "pandas", "scipy", "matplotlib", "googleapiclient"}
    assert not loaded & {"tfx", "apache_beam", "mlflow"}


def test_keras_can_be_imported_afterwards() -> None:
    code = (
        "from pipeline.inference.tensorflow_import import import_tensorflow_alone\n"
        "import_tensorflow_alone()\n"
        "import gc, keras\n"
        "assert gc.isenabled()\n"
        "assert keras.Sequential([keras.layers.Dense(2)])(keras.ops.ones((1, 3))).shape == (1, 2)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True)


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


@pytest.mark.parametrize(
    ("labels", "none_below", "is_none", "words"),
    [
        (["low", "high", "noise"], None, [None, None], ["low 1.000", "noise 0.{3}"]),
        (
            ["low", "high", "noise"],
            0.9995,
            [False, True],
            ["low 1.000", "none of them (nearest: noise 0.{3})"],
        ),
        (
            ["low", "high", "_noise_"],
            None,
            [None, True],
            ["low 1.000", "none of them (_noise_ 0.{3})"],
        ),
    ],
)
def test_what_is_none_of_the_words_is_said_where_the_model_can_tell(
    workflow_file: Path,
    clips: list[Path],
    tmp_path: Path,
    labels: list[str],
    none_below: float | None,
    is_none: list[bool | None],
    words: list[str],
) -> None:
    version = tmp_path / "runs" / "tones" / "serving" / "1"
    shutil.copytree(workflow_file.parent / "runs" / "tones" / "serving" / "10", version)
    file = tmp_path / "workflow.yaml"
    file.write_text(workflow_file.read_text())
    card = published_card(location_of(version))
    card = card.model_copy(update={"labels": labels, "none_below": none_below})
    (version / MODEL_CARD_FILE).write_text(card.model_dump_json())
    write_manifest(version, card.name)
    said = load_model(read_project(file)).predict([clips[0], clips[3]])
    assert [each.is_none for each in said.files] == is_none
    assert [each.heard for each in said.files] == [None, None]
    done = CliRunner().invoke(app, ["predict", str(file), str(clips[0]), str(clips[3])])
    for line, expected in zip(done.stdout.splitlines(), words, strict=True):
        pattern = re.escape(expected).replace(r"0\.\{3\}", r"0\.\d{3}")
        assert re.search(f"  {pattern}$", line)


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
        monkeypatch.setattr("pipeline.inference.predict.MOST_SAMPLES_AT_ONCE", 20_000)
        for one, other in zip(model.predict(files).files, whole, strict=True):
            assert (one.file, one.error) == (other.file, other.error)
            assert [answer.label for answer in one.answers] == [a.label for a in other.answers]
