"""Weights of an exported model: read back whole, carried by label, refused where they differ."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.models import build_model
from components.tasks import feeding
from components.trainer.export import export_model
from components.trainer.warm_start import carry_weights, find_misfit, read_champion
from components.versions.manifest import write_manifest
from schemas.reports.model_card import ModelCard
from schemas.workflow.audio import Audio
from schemas.workflow.augment import Augment, SpecAugment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model
from schemas.workflow.train import Train
from schemas.workflow.training import TrainingSettings

RATE, SAMPLES, LABELS = 8000, 4000, ["high", "low", "mid"]


def make_blocks(architecture: str = "cnn", kind: str = "log_mel", **model: Any) -> dict[str, Any]:
    """The blocks of a workflow that a model is built from, small."""
    return {
        "audio": Audio(sample_rate=RATE, clip_s=SAMPLES / RATE).model_dump(),
        "frontend": Frontend(
            kind=kind, frame_length_ms=20.0, frame_step_ms=20.0, num_mel_bins=12, num_mfcc=8
        ).model_dump(),
        "augment": Augment(spec_augment=SpecAugment(freq_mask_bins=2)).model_dump(),
        "model": Model(
            architecture=architecture,
            **{"units": 6, "layers": 2, "filters": 4, "peephole": architecture == "cnn_lstm"}
            | model,
        ).model_dump(),
    }


def build(blocks: dict[str, Any], labels: list[str] = LABELS, seed: int = 1) -> keras.Model:
    return build_model(
        num_outputs=len(labels),
        sample_rate=RATE,
        clip_samples=SAMPLES,
        frontend=Frontend.model_validate(blocks["frontend"]),
        augment=Augment.model_validate(blocks["augment"]),
        model=Model.model_validate(
            {**blocks["model"], "architecture": blocks["model"]["architecture"]}
        ),
        seed=seed,
    )


def settings(blocks: dict[str, Any]) -> TrainingSettings:
    return TrainingSettings(name="t", train=Train(), **blocks)


def export(model: keras.Model, blocks: dict[str, Any], folder: Path) -> str:
    card = ModelCard(
        name="t",
        labels=LABELS,
        audio=blocks["audio"],
        frontend=blocks["frontend"],
        model=blocks["model"],
        parameters=model.count_params(),
        generated=False,
    )
    export_model(model, card, str(folder))
    return str(folder)


def move_weights(model: keras.Model) -> None:
    """Every weight elsewhere than where it starts, statistics of normalisation included."""
    rng = np.random.default_rng(5)
    for weight in model.weights:
        weight.assign(np.array(weight) + rng.uniform(0.01, 0.2, weight.shape))


def waveforms(count: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.2, (count, SAMPLES)).astype(np.float32)


@dataclass(frozen=True)
class Exported:
    """A model whose weights were moved, and the folder it was exported to."""

    model: keras.Model
    folder: str


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Of the blocks that `make_blocks` gives when asked for nothing else."""
    blocks = make_blocks()
    model = build(blocks)
    move_weights(model)
    return Exported(model, export(model, blocks, tmp_path_factory.mktemp("cnn")))


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("rnn", "log_mel"), ("cnn", "waveform"), ("cnn_lstm", "mfcc")],
)
def test_a_model_that_was_exported_and_read_back_answers_alike(
    architecture: str, kind: str, tmp_path: Path
) -> None:
    blocks = make_blocks(architecture, kind)
    trained = build(blocks, seed=1)
    move_weights(trained)
    directory = export(trained, blocks, tmp_path)
    fresh = build(blocks, seed=2)
    before = tf.nn.softmax(fresh(waveforms())).numpy()
    champion = read_champion(directory)
    assert find_misfit(champion, settings(blocks), "classify", fresh) == ""
    carry_weights(champion, fresh, LABELS, feeding.model("classify"))
    served = tf.saved_model.load(directory)
    scores = served.scores_of_features(served.features(tf.constant(waveforms()))).numpy()
    np.testing.assert_allclose(tf.nn.softmax(fresh(waveforms())), scores, atol=1e-6)
    assert np.abs(before - scores).max() > 1e-3
    for ours, theirs in zip(fresh.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_statistics_of_normalisation_are_carried(cnn: Exported) -> None:
    fresh = build(make_blocks())
    carry_weights(read_champion(cnn.folder), fresh, LABELS, feeding.model("classify"))
    means = [w for w in fresh.weights if w.path.endswith("moving_mean")]
    assert means
    assert all(np.abs(np.array(mean)).max() > 0 for mean in means)  # 0 in a fresh one


@pytest.mark.parametrize(
    "labels",
    [
        ["low", "mid"],  # one is gone
        ["high", "low", "loud", "mid"],  # one came, in between
        ["a", "low", "mid", "z"],  # both
        ["mid", "low", "high"],  # another order
        ["a", "b"],  # all others
    ],
)
def test_classes_that_stay_are_scored_as_before(labels: list[str], cnn: Exported) -> None:
    blocks = make_blocks()
    champion = read_champion(cnn.folder)
    model, fresh = build(blocks, labels), build(blocks, labels)
    assert find_misfit(champion, settings(blocks), "classify", model) == ""
    carry_weights(champion, model, labels, feeding.model("classify"))
    old, new = cnn.model(waveforms()).numpy(), model(waveforms()).numpy()
    for label in set(labels) & set(LABELS):
        np.testing.assert_allclose(
            new[:, labels.index(label)], old[:, LABELS.index(label)], atol=1e-5
        )
    head, untouched = model.get_layer("logits"), fresh.get_layer("logits")
    for label in set(labels) - set(LABELS):
        place = labels.index(label)
        np.testing.assert_array_equal(head.kernel[:, place], untouched.kernel[:, place])
        assert float(head.bias[place]) == 0.0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"architecture": "rnn"}, "model.architecture was 'cnn' and is 'rnn'"),
        ({"units": 8}, "model.units was 6 and is 8"),
        ({"kind": "mfcc"}, "frontend.kind was 'log_mel' and is 'mfcc'"),
    ],
)
def test_another_model_does_not_fit_and_it_is_said_why(
    changed: dict[str, Any], said: str, cnn: Exported
) -> None:
    others = make_blocks(**changed)
    assert (
        find_misfit(read_champion(cnn.folder), settings(others), "classify", build(others)) == said
    )


def test_audio_of_another_rate_does_not_fit(cnn: Exported) -> None:
    blocks = make_blocks()
    champion = read_champion(cnn.folder)
    others = {**blocks, "audio": Audio(sample_rate=4000, clip_s=0.5).model_dump()}
    assert (
        find_misfit(champion, settings(others), "classify", build(blocks))
        == "audio.sample_rate was 8000 and is 4000"
    )


def test_settings_that_leave_the_weights_their_meaning_may_differ(tmp_path: Path) -> None:
    blocks = make_blocks(dropout=0.1)
    champion = read_champion(export(build(blocks), blocks, tmp_path))
    others = make_blocks(dropout=0.5)
    others["augment"] = Augment(speed=0.0, time_shift_ms=0.0, gain_db=0.0).model_dump()
    assert find_misfit(champion, settings(others), "classify", build(others)) == ""


def test_weights_of_the_same_shapes_under_other_names_do_not_fit(tmp_path: Path) -> None:
    """As a champion of older code would be, whose layers came in another order."""
    blocks = make_blocks("rnn")
    champion = read_champion(export(build(blocks), blocks, tmp_path))
    shapes = [value.shape for _, value in champion.weights]
    twins = [i for i in range(1, len(shapes)) if shapes[i] == shapes[i - 1]]
    assert twins  # gamma and beta of a normalisation
    place = twins[0]
    weights = champion.weights
    weights[place - 1], weights[place] = weights[place], weights[place - 1]
    assert "its layers are not those" in find_misfit(
        champion, settings(blocks), "classify", build(blocks)
    )


def test_its_digest_is_that_of_a_pushed_version(tmp_path: Path) -> None:
    blocks = make_blocks()
    directory = Path(export(build(blocks), blocks, tmp_path / "model"))
    digest = read_champion(str(directory)).digest
    manifest = write_manifest(directory, "t")  # after the pusher has added what it knows
    assert digest == manifest.model_digest
    lines = sorted(
        (path.relative_to(directory).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in directory.rglob("*")
        if path.is_file() and "assets.extra" not in path.parts
    )
    text = "".join(f"{sha256}  {path}\n" for path, sha256 in lines)
    assert digest == hashlib.sha256(text.encode()).hexdigest()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="SavedModel"):
        read_champion(str(tmp_path))
