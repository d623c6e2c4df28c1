"""`auricle explain` names the times that decided, of a model whose answer depends on known ones."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner

from components.versions.manifest import write_manifest
from pipeline.cli import app
from pipeline.config.loader import read_workflow
from pipeline.inference.explain import explain_file
from pipeline.inference.predict import load_model
from pipeline.workspace.project import Project, read_project
from schemas.errors import InputError
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.workflow.audio import Audio
from schemas.workflow.frontend import Frontend

RATE = 8000
AURICLE = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def push_model(version: Path, explainable: bool = True) -> None:
    """A SavedModel that says `yes` to energy from 0.2 to 0.3 s: frames 10 to 14, of 20 ms."""
    import tensorflow as tf

    class HearEnergy(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            if explainable:
                self.features = tf.function(
                    self._features, [tf.TensorSpec([None, RATE // 2], tf.float32)]
                )
                self.scores_of_features = tf.function(
                    self._scores, [tf.TensorSpec([None, 25, 8], tf.float32)]
                )

        @tf.function(input_signature=[tf.TensorSpec([None, RATE // 2], tf.float32)])
        def classify(self, waveform: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"scores": self._scores(self._features(waveform))}

        def _features(self, waveform: tf.Tensor) -> tf.Tensor:
            return tf.reduce_mean(tf.reshape(waveform, [-1, 25, 8, 20]) ** 2, axis=3)

        def _scores(self, features: tf.Tensor) -> tf.Tensor:
            logit = 40.0 * tf.reduce_mean(features[:, 10:15], axis=[1, 2]) - 2.0
            return tf.nn.softmax(tf.stack([tf.zeros_like(logit), logit], axis=1))

    module = HearEnergy()
    tf.saved_model.save(module, str(version), signatures={"serving_default": module.classify})
    card = ModelCard(
        name="energy",
        labels=["no", "yes"],
        audio=Audio(sample_rate=RATE, clip_s=0.5, trim=False, normalize="none").model_dump(),
        frontend=Frontend(frame_length_ms=20.0, frame_step_ms=20.0).model_dump(),
        model={},
        parameters=0,
        generated=True,
    )
    path = version / MODEL_CARD_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(card.model_dump_json())
    write_manifest(version, card.name)


def write_workflow(folder: Path) -> Path:
    path = folder / "workflow.yaml"
    path.write_text("name: energy\ndata: {folder: clips}\n")
    return path


@pytest.fixture(scope="module")
def workflow_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    push_model(folder / "runs" / "energy" / "serving" / "3")
    return write_workflow(folder)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tone of half a second with a pause in its first frame."""
    path = tmp_path_factory.mktemp("clips") / "clip.wav"
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE // 2) / RATE)
    tone[:160] = 0.0
    soundfile.write(path, tone, RATE)
    return path


def test_both_methods_name_the_times_that_decided(
    workflow_file: Path, clip: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "why.png"
    said = explain_file(load_model(read_project(workflow_file)), clip, picture)
    assert (said.model, said.version, said.label) == ("energy", 3, "yes")
    assert said.score == pytest.approx(1 / (1 + np.exp(-3.0)), abs=0.01)
    assert said.silence_score == pytest.approx(1 / (1 + np.exp(2.0)), abs=1e-6)
    assert said.times_s == pytest.approx(np.arange(0.01, 0.5, 0.02))
    gradients, occlusion = said.methods["integrated gradients"], said.methods["occlusion"]
    [decisive] = gradients.decisive
    assert (decisive.start_s, decisive.end_s) == pytest.approx((0.2, 0.3))
    assert sum(gradients.by_frame) == pytest.approx(said.score - said.silence_score, abs=0.005)
    assert abs(said.unexplained) < 0.005
    assert sum(gradients.by_frame[10:15]) == pytest.approx(sum(gradients.by_frame))
    [occluded] = occlusion.decisive
    assert 0.15 < occluded.start_s < occluded.end_s < 0.35
    assert said.agreement is not None
    assert said.agreement > 0.9
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert image.text["Description"] == said.description
    assert "by integrated gradients, 0.20 to 0.30 s (" in said.description


def test_command_line(workflow_file: Path, clip: Path, tmp_path: Path) -> None:
    command = [*AURICLE, "explain", str(workflow_file), str(clip)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "energy was trained on generated speech\n"  # and nothing of TensorFlow's
    answer, gradients, occlusion, agreement, picture = done.stdout.splitlines()
    assert answer == f"{clip}  yes 0.953"
    assert gradients.startswith("by integrated gradients  0.20 to 0.30 s (")
    assert occlusion.startswith("           by occlusion  0.")
    assert agreement == "              agreement  1.00, rank correlation over time"
    assert picture == "                picture  explain.png"
    assert (tmp_path / "explain.png").read_bytes().startswith(b"\x89PNG")


def test_command_line_json(workflow_file: Path, clip: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "why.png")
    arguments = ["explain", str(workflow_file), str(clip), "--json", "--output", output]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert said["picture"] == output
    assert set(said["methods"]) == {"integrated gradients", "occlusion"}


def test_bad_audio_is_exit_code_2_and_no_picture(workflow_file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("this is no audio")
    command = [*AURICLE, "explain", str(workflow_file), str(bad)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"{bad}: unsupported: ")
    assert list(tmp_path.iterdir()) == [bad]


def test_no_such_file(workflow_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.wav: "):
        explain_file(
            load_model(read_project(workflow_file)),
            tmp_path / "gone.wav",
            tmp_path / "explain.png",
        )


def test_no_pushed_model(clip: Path, tmp_path: Path) -> None:
    workflow = read_workflow(write_workflow(tmp_path))
    with pytest.raises(InputError, match="runs/energy/serving"):
        explain_file(load_model(Project(workflow, tmp_path)), clip, tmp_path / "explain.png")


def test_a_model_of_an_earlier_version_asks_for_another_run(clip: Path, tmp_path: Path) -> None:
    push_model(tmp_path / "runs" / "energy" / "serving" / "1", explainable=False)
    workflow = read_workflow(write_workflow(tmp_path))
    with pytest.raises(InputError, match="`auricle run`"):
        explain_file(load_model(Project(workflow, tmp_path)), clip, tmp_path / "explain.png")
    assert not (tmp_path / "explain.png").exists()


def test_a_picture_that_cannot_be_written(workflow_file: Path, clip: Path, tmp_path: Path) -> None:
    picture = tmp_path / "gone" / "explain.png"
    with pytest.raises(InputError, match=r"--output: .*explain\.png: "):
        explain_file(load_model(read_project(workflow_file)), clip, picture)
