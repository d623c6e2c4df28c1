"""Attributions against a planted model whose scores depend on one patch of the features alone."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pushed import make_card

from components.explanation.attribution import (
    Attribution,
    Frames,
    Model,
    integrated_gradients,
    occlusion,
    silence,
)
from components.explanation.salient_ranges import (
    TimeRange,
    agreement,
    decisive_ranges,
    in_words,
)
from components.models import build_model
from components.trainer.export import ServedModel
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model as ModelBlock

# Frames of 20 samples that do not overlap, at 1 kHz: a frame is 20 ms, a sample a bin.
FRAMES = Frames(sample_rate=1000, frame_length=20, frame_step=20)
COUNT, BINS = 50, 20
PATCH = (slice(30, 35), slice(8, 12))


class Planted(tf.Module):
    """Hears the mean of `PATCH` and nothing else; the second class is what it speaks for."""

    @tf.function(input_signature=[tf.TensorSpec([None, COUNT * BINS], tf.float32)])
    def features(self, waveform: tf.Tensor) -> tf.Tensor:
        return tf.reshape(waveform, [-1, COUNT, BINS])

    @tf.function(input_signature=[tf.TensorSpec([None, COUNT, BINS], tf.float32)])
    def scores_of_features(self, features: tf.Tensor) -> tf.Tensor:
        logit = 6.0 * tf.reduce_mean(features[:, PATCH[0], PATCH[1]], axis=[1, 2])
        return tf.nn.softmax(tf.stack([-logit, logit], axis=1))


def planted_clip() -> np.ndarray:
    """Positive noise, with a pause in frame 3."""
    clip = np.random.default_rng(0).uniform(0.1, 1.0, [COUNT, BINS]).astype(np.float32)
    clip[3] = 0.0
    return clip.reshape(-1)


def integrated_gradients_of(
    model: Model, clip: np.ndarray, class_id: int, frames: Frames, **options: Any
) -> Attribution:
    [found] = integrated_gradients(model, clip[None], [class_id], frames, **options)
    return found


def occlusion_of(
    model: Model, clip: np.ndarray, class_id: int, frames: Frames, **options: Any
) -> Attribution:
    [found] = occlusion(model, clip[None], [class_id], frames, **options)
    return found


def silence_of(model: Model, clip: np.ndarray) -> np.ndarray:
    return silence(model, clip[None], REAL_FRAMES)[0]


def test_integrated_gradients_have_the_closed_form() -> None:
    # The score is a function of the patch's mean, so every cell has its share of the rise.
    clip = planted_clip()
    found = integrated_gradients_of(Planted(), clip, 1, FRAMES, steps=256)
    heard = clip.reshape(COUNT, BINS)[PATCH]
    rise = 1 / (1 + np.exp(-12.0 * heard.mean(dtype=np.float64))) - 0.5
    expected = np.zeros([COUNT, BINS])
    expected[PATCH] = heard / heard.sum() * rise
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert found.score == pytest.approx(0.5 + rise, abs=1e-6)
    assert found.silence_score == 0.5
    assert abs(found.unexplained) < 1e-5


def test_a_path_too_steep_for_the_steps_asked_for_gets_more() -> None:
    # The score jumps within a hundredth of the way, which one step does not see.
    class Steep(Planted):
        def scores_of_features(self, features: tf.Tensor) -> tf.Tensor:
            heard = tf.reduce_mean(features[:, PATCH[0], PATCH[1]], axis=[1, 2])
            return tf.nn.softmax(tf.stack([-heard, 500.0 * (heard - 0.1)], axis=1))

    found = integrated_gradients_of(Steep(), planted_clip(), 1, FRAMES, steps=1)
    assert found.score - found.silence_score > 0.9
    assert abs(found.unexplained) < 0.005


def test_what_speaks_against_a_class_is_below_zero() -> None:
    against = integrated_gradients_of(Planted(), planted_clip(), 0, FRAMES)
    assert against.by_frame[PATCH[0]].max() < -0.01
    assert decisive_ranges(against) == []
    assert in_words([]) == "no time more than another"


def test_occlusion_points_to_the_planted_patch_and_nowhere_else() -> None:
    found = occlusion_of(Planted(), planted_clip(), 1, FRAMES, patch_s=0.1, patch_share=0.2)
    assert (found.blur_frames, found.values.shape) == (5, (COUNT, BINS))
    frame, bin_ = np.unravel_index(found.values.argmax(), found.values.shape)
    assert 30 <= frame < 35
    assert 8 <= bin_ < 12
    reach = np.zeros([COUNT, BINS], bool)  # of patches that touch the planted one
    reach[26:39, 5:15] = True
    np.testing.assert_allclose(found.values[~reach], 0.0, atol=1e-8)


def test_one_occlusion_of_everything_costs_all_that_silence_does() -> None:
    found = occlusion_of(Planted(), planted_clip(), 1, FRAMES, patch_s=9.0, patch_share=1.0)
    np.testing.assert_allclose(found.values, (found.score - 0.5) / (COUNT * BINS), rtol=1e-5)
    assert abs(found.unexplained) < 1e-6


def test_both_methods_name_the_planted_time() -> None:
    clip = planted_clip()
    gradients = integrated_gradients_of(Planted(), clip, 1, FRAMES)
    occluded = occlusion_of(Planted(), clip, 1, FRAMES)
    for found in (gradients, occluded):
        [decisive] = decisive_ranges(found)
        assert 0.56 <= decisive.start_s <= 0.62  # planted from 0.6 to 0.7 s
        assert 0.68 <= decisive.end_s <= 0.74
        assert decisive.share > 0.7
    together = agreement(gradients, occluded)
    assert together is not None
    assert together > 0.95
    assert agreement(gradients, gradients) == pytest.approx(1.0)


def test_no_agreement_with_a_method_that_found_nothing() -> None:
    deaf = Planted()
    deaf.scores_of_features = lambda features: tf.fill([len(features), 2], 0.5)
    nothing = occlusion_of(deaf, planted_clip(), 1, FRAMES)
    assert agreement(nothing, occlusion_of(Planted(), planted_clip(), 1, FRAMES)) is None
    assert decisive_ranges(nothing) == []


def test_pauses_are_no_agreement() -> None:
    # Both methods find nothing in the pause, and opposite things where there is something to hear.
    found = []
    for slope in (1.0, -1.0):
        values = np.zeros([COUNT, 1])
        values[:10, 0] = 10.0 + slope * np.arange(10)
        features = (values > 0).astype(np.float32)
        pause = np.zeros(1, np.float32)
        found.append(Attribution(FRAMES, features, pause, values, 1.0, 0.0, blur_frames=1))
    assert agreement(*found) == pytest.approx(-1.0)


def test_ranges_are_the_weightiest_three() -> None:
    by_frame = np.zeros(COUNT)
    for start, height in ((5, 1.0), (15, 0.7), (25, 0.9), (35, 0.8), (45, -5.0)):
        by_frame[start : start + 4] = height
    found = Attribution(
        frames=FRAMES,
        features=np.zeros([COUNT, 1], np.float32),
        pause=np.zeros(1, np.float32),
        values=by_frame[:, None],
        score=1.0,
        silence_score=0.0,
        blur_frames=1,
    )
    ranges = decisive_ranges(found)
    starts = [each.start_s for each in ranges]
    assert starts == pytest.approx([0.1, 0.5, 0.7])
    assert ranges[0].end_s == pytest.approx(0.18)
    assert in_words([TimeRange(0.1, 0.18, 0.3), TimeRange(0.5, 0.6, 0.255)]) == (
        "0.10 to 0.18 s (30%), 0.50 to 0.60 s (26%)"
    )


def test_times_are_the_middles_of_frames() -> None:
    times_s = Frames(sample_rate=8000, frame_length=200, frame_step=80).times_s(3)
    assert times_s == pytest.approx([0.0125, 0.0225, 0.0325])


RATE, SAMPLES = 8000, 2400
REAL_FRAMES = Frames(sample_rate=RATE, frame_length=160, frame_step=80)


# Networks of many layers answer anything alike until training has measured what they normalise by.
ANSWER_UNTRAINED = ("cnn", "rnn", "lstm", "cnn_lstm", "tc_resnet", "crnn")


def real_model(architecture: str, kind: str) -> ServedModel:
    keras_model = build_model(
        num_outputs=3,
        sample_rate=RATE,
        clip_samples=SAMPLES,
        frontend=Frontend.model_validate(
            {
                "kind": kind,
                "frame_length_ms": 20.0,
                "frame_step_ms": 10.0,
                "num_mel_bins": 16,
                "num_mfcc": 8,
                "lower_edge_hertz": 60.0,
                "upper_edge_hertz": None,
            }
        ),
        augment=Augment.model_validate(
            {
                "time_shift_ms": 0.0,
                "speed": 0.0,
                "frequency_warp": 0.0,
                "equalizer_db": 0.0,
                "gain_db": 0.0,
                "spec_augment": {
                    "time_masks": 1,
                    "time_mask_ms": 40.0,
                    "freq_masks": 0,
                    "freq_mask_bins": 0,
                },
            }
        ),
        model=ModelBlock.model_validate(
            {
                "units": 8,
                "layers": 1,
                "filters": 4,
                "pooling": "max",
                "peephole": False,
                "dropout": 0.1,
                "architecture": architecture,
            }
        ),
        seed=1,
    )
    audio = {"sample_rate": RATE, "clip_s": SAMPLES / RATE}
    return ServedModel(keras_model, make_card(labels=["a", "b", "c"], audio=audio))


def padded_clip() -> np.ndarray:
    """A tone from 0.1 to 0.2 s, in digital silence."""
    clip = np.zeros(SAMPLES, np.float32)
    time_s = np.arange(800) / RATE
    clip[800:1600] = 0.3 * np.sin(2 * np.pi * 900 * time_s)
    return clip


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [(name, "log_mel") for name in ANSWER_UNTRAINED] + [("cnn", "mfcc"), ("rnn", "waveform")],
)
def test_attributions_of_real_models_are_complete(architecture: str, kind: str) -> None:
    model = real_model(architecture, kind)
    found = [integrated_gradients_of(model, padded_clip(), each, REAL_FRAMES) for each in range(3)]
    rises = [each.score - each.silence_score for each in found]
    assert max(rises) > 0.01
    np.testing.assert_allclose([each.values.sum() for each in found], rises, atol=0.005)
    for each in found:  # a pause is the baseline, so nothing can be attributed to it
        assert not each.by_frame[[0, 1, 2, -3, -2, -1]].any()


@pytest.mark.parametrize("kind", ["log_mel", "mfcc", "waveform"])
def test_silence_is_what_a_pause_of_the_clip_looks_like(kind: str) -> None:
    model = real_model("cnn", kind)
    clip = padded_clip()
    features = np.asarray(model.features(clip[None]))[0]
    np.testing.assert_array_equal(silence_of(model, clip), features[0])
    if kind == "log_mel":
        np.testing.assert_array_equal(silence_of(model, clip), features.min(axis=0))


def test_silence_where_the_clip_has_no_pause() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, SAMPLES).astype(np.float32)
    model = real_model("cnn", "log_mel")
    before = noise.copy()
    features = np.asarray(model.features(noise[None]))[0]
    assert (silence_of(model, noise) <= features.min(axis=0)).all()
    np.testing.assert_array_equal(noise, before)  # the caller's clip is left as it was


def test_the_same_clip_twice_gives_identical_attributions() -> None:
    model = real_model("cnn", "log_mel")
    first, second = (
        integrated_gradients_of(model, padded_clip(), 0, REAL_FRAMES) for _ in range(2)
    )
    np.testing.assert_array_equal(first.values, second.values)


@pytest.mark.parametrize("architecture", ["cnn", "cnn_lstm"])
def test_of_several_clips_each_is_attributed_as_if_alone(architecture: str) -> None:
    model = real_model(architecture, "log_mel")
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLES).astype(np.float32)
    clips, class_ids = np.stack([padded_clip(), noise, padded_clip()]), [2, 0, 1]
    for together, alone in (
        (integrated_gradients, integrated_gradients_of),
        (occlusion, occlusion_of),
    ):
        for found, clip, class_id in zip(
            together(model, clips, class_ids, REAL_FRAMES), clips, class_ids, strict=True
        ):
            expected = alone(model, clip, class_id, REAL_FRAMES)
            np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
            assert found.score == pytest.approx(expected.score, abs=1e-6)


def test_of_several_clips_only_the_steep_gets_more_steps() -> None:
    asked: list[int] = []

    class Steep(Planted):
        def scores_of_features(self, features: tf.Tensor) -> tf.Tensor:
            asked.append(len(features))
            heard = tf.reduce_mean(features[:, PATCH[0], PATCH[1]], axis=[1, 2])
            return tf.nn.softmax(tf.stack([-heard, 500.0 * (heard - 0.1)], axis=1))

    steep, quiet = planted_clip(), np.zeros(COUNT * BINS, np.float32)
    found = integrated_gradients(Steep(), np.stack([quiet, steep]), [1, 1], FRAMES, steps=8)
    assert max(abs(each.unexplained) for each in found) < 0.005
    assert asked[:3] == [2, 2, 16]  # both ends of both clips, then eight steps of each
    assert asked[3] == 16  # twice as many, of the steep one alone
    assert len(asked) > 4


def test_no_clips_are_no_attributions() -> None:
    nothing = np.zeros([0, COUNT * BINS], np.float32)
    assert integrated_gradients(Planted(), nothing, [], FRAMES) == []
    assert occlusion(Planted(), nothing, [], FRAMES) == []
