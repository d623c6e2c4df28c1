"""Clips of many lengths: their batches, a training on them, and the model that is served."""

import io
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from components.audio.condition import condition
from components.audio.limits import MAX_DURATION_S
from components.audio.pcm16 import to_pcm16
from components.models import build_model
from components.models.masking import keep_steps
from components.tasks import feeding
from components.trainer.dataset import Learned, make_eval_dataset, make_train_dataset
from components.trainer.export_lengths import export_model_of_lengths
from components.trainer.fit import fit
from schemas.reports.model_card import ModelCard
from schemas.workflow.audio import Audio
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model

RATE, LABELS = 8000, ["high", "low", "mid"]
LEARNED = Learned("classify", LABELS, 1)
CLIPS, BATCH = 301, 4
LENGTHS = [int(length) for length in np.random.default_rng(1).integers(400, 4000, CLIPS)]
STEPS = -(-CLIPS // BATCH)


@pytest.fixture(scope="module")
def files(write_tones):
    return write_tones(CLIPS, 3, lengths=LENGTHS)


@pytest.fixture(params=["cached", "streamed"])
def cache_bytes(request):
    return 1 << 30 if request.param == "cached" else 0


def _train(files, cache_bytes, seed=1, start_epoch=0):
    return make_train_dataset(files, LEARNED, None, BATCH, seed, start_epoch, cache_bytes)


def _numbers(batches):
    """Clip numbers of each batch; a clip's first sample is its number."""
    return [
        np.round(waveform.numpy()[:, 0] * 32768).astype(int).tolist()
        for (waveform, _), _ in batches
    ]


def _padding(batches):
    """The share of the samples of `batches` that are no clip's own."""
    samples = own = 0
    for (waveform, lengths), _ in batches:
        samples += waveform.shape[0] * waveform.shape[1]
        own += int(tf.reduce_sum(lengths))
    return 1 - own / samples


class TestBatches:
    def test_an_epoch_is_one_pass_over_whole_clips(self, files, cache_bytes):
        seen = []
        for (waveform, lengths), class_ in _train(files, cache_bytes).take(STEPS):
            assert (waveform.dtype, lengths.dtype) == (tf.float32, tf.int32)
            assert waveform.shape[1] == int(tf.reduce_max(lengths))
            numbers = np.round(waveform.numpy()[:, 0] * 32768).astype(int)
            np.testing.assert_array_equal(lengths, [LENGTHS[number] for number in numbers])
            np.testing.assert_array_equal(class_, numbers % len(LABELS))
            np.testing.assert_array_equal(waveform, keep_steps(waveform, lengths))
            assert waveform.numpy()[0, int(lengths[0]) - 1] != 0.0
            seen += numbers.tolist()
        assert sorted(seen) == list(range(CLIPS))

    def test_clips_of_like_length_meet_and_short_ones_do_not_come_first(self, files, cache_bytes):
        batches = list(_train(files, cache_bytes).take(STEPS))
        assert _padding(batches) < 0.06
        assert _padding(make_eval_dataset(files, LEARNED, None, BATCH)) > 0.25
        longest = [waveform.shape[1] for (waveform, _), _ in batches]
        assert abs(np.corrcoef(longest, np.arange(STEPS))[0, 1]) < 0.4

    def test_other_clips_meet_in_the_next_epoch(self, files, cache_bytes):
        numbers = _numbers(_train(files, cache_bytes).take(2 * STEPS))
        first, second = (
            {frozenset(batch) for batch in half}
            for half in np.split(np.array(numbers, dtype=object), 2)
        )
        assert len(first & second) < STEPS / 10

    def test_seed_and_epoch_alone_fix_the_order(self, files, cache_bytes):
        tf.random.set_seed(1)
        whole = _numbers(_train(files, cache_bytes).take(4 * STEPS))
        tf.random.set_seed(2)
        rest = _numbers(_train(files, cache_bytes, start_epoch=2).take(2 * STEPS))
        assert rest == whole[2 * STEPS :]
        assert _numbers(_train(files, cache_bytes, seed=2).take(STEPS)) != whole[:STEPS]

    def test_evaluation_is_one_pass_in_the_order_of_the_files(self, files, cache_bytes):
        dataset = make_eval_dataset(files, LEARNED, None, BATCH, cache_bytes)
        numbers = [number for batch in _numbers(dataset) for number in batch]
        assert numbers == list(range(CLIPS))
        for (waveform, lengths), _ in dataset:
            np.testing.assert_array_equal(waveform, keep_steps(waveform, lengths))


FRONTEND = Frontend(frame_step_ms=20.0, num_mel_bins=12)
MODEL = Model(architecture="cnn_lstm", units=8, layers=1, filters=4, dropout=0.0)
NO_AUGMENT = {
    **dict.fromkeys(("time_shift_ms", "speed", "frequency_warp", "equalizer_db", "gain_db"), 0.0),
    "spec_augment": {"time_masks": 0, "time_mask_ms": 0.0, "freq_masks": 0, "freq_mask_bins": 0},
    **{key: {"share": 0.0} for key in ("noise", "room", "clipping")},
    "narrow_band": 0.0,
}


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    """A model of three epochs, their history, and where it was exported to."""
    model = build_model(
        num_outputs=len(LABELS),
        sample_rate=RATE,
        clip_samples=1,
        frontend=Frontend.model_validate(FRONTEND.model_dump()),
        augment=Augment.model_validate(NO_AUGMENT),
        model=Model.model_validate({**MODEL.model_dump(), "architecture": MODEL.architecture}),
        seed=1,
        variable_length=True,
    )
    folder = tmp_path_factory.mktemp("lengths")
    history = fit(
        model,
        lambda epoch: _train(files, 1 << 30, start_epoch=epoch),
        make_eval_dataset(files, LEARNED, None, BATCH),
        feeding.model("classify"),
        epochs=3,
        steps_per_epoch=STEPS,
        learning_rate=0.01,
        patience=3,
        checkpoint_dir=folder / "checkpoint",
        log_dir=folder / "log",
    )
    card = ModelCard(
        name="tones",
        labels=LABELS,
        audio=Audio(sample_rate=RATE),
        frontend=FRONTEND,
        model=MODEL,
        parameters=model.count_params(),
        generated=False,
    )
    export_model_of_lengths(model, card, str(folder / "saved"))
    return model, history, folder / "saved"


@pytest.fixture(scope="module")
def served(trained):
    return tf.saved_model.load(str(trained[2]))


def _pcm(count=6):
    rng = np.random.default_rng(3)
    return [np.round(rng.normal(0, 3000, 501 + 307 * i)).astype("<i2") for i in range(count)]


def _padded(clips, more, fill):
    batch = np.full((len(clips), max(map(len, clips)) + more), fill, np.float32)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip / 32768
    return tf.constant(batch), tf.constant([len(clip) for clip in clips], tf.int32)


def _wav(clip, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, clip, rate, subtype="PCM_16", format="WAV")
    return file.getvalue()


def _example(clip):
    audio = tf.train.Feature(bytes_list=tf.train.BytesList(value=[clip.tobytes()]))
    example = tf.train.Example(features=tf.train.Features(feature={"audio": audio}))
    return example.SerializeToString()


def test_training_learns_from_padded_batches(trained):
    _, history, _ = trained
    assert history[-1].val_value > 0.8  # of three tones


def _heard(clip):
    """The 16-bit samples that ingest stores of a raw clip."""
    audio = Audio(sample_rate=RATE)
    stored = to_pcm16(condition(clip / np.float32(32768), audio, longest_s=MAX_DURATION_S))
    return np.frombuffer(stored, "<i2")


@pytest.fixture(scope="module")
def alone(trained):
    """Scores of each clip, once ingest conditioned it, by the Keras model in a batch of its own."""
    model, _, _ = trained
    inputs = [_padded([_heard(clip)], 0, 0.0) for clip in _pcm()]
    return np.concatenate([tf.nn.softmax(model(each)).numpy() for each in inputs])


class TestServed:
    @pytest.mark.parametrize(("more", "fill"), [(0, 0.0), (1, 9.0), (3001, np.nan)])
    def test_a_padded_batch_with_lengths_has_the_scores_of_each_clip(
        self, served, alone, more, fill
    ):
        waveform, lengths = _padded(_pcm(), more, fill)
        answer = served.signatures["serving_lengths"](waveform=waveform, lengths=lengths)
        np.testing.assert_allclose(answer["scores"], alone, atol=1e-5)
        expected = [LABELS[class_] for class_ in alone.argmax(axis=1)]
        assert [label.decode() for label in answer["label"].numpy()] == expected

    def test_without_lengths_a_waveform_is_the_whole_clip(self, served, alone):
        for clip, expected in zip(_pcm(), alone, strict=True):
            waveform = tf.constant(clip[np.newaxis] / 32768, tf.float32)
            answer = served.signatures["serving_default"](waveform=waveform)
            np.testing.assert_allclose(answer["scores"][0], expected, atol=1e-5)

    def test_files_and_examples_have_lengths_of_their_own(self, served, alone):
        files = tf.constant([_wav(clip) for clip in _pcm()])
        by_wav = served.signatures["serving_wav"](audio=files)
        np.testing.assert_allclose(by_wav["scores"], alone, atol=1e-5)
        examples = tf.constant([_example(_heard(clip)) for clip in _pcm()])
        by_example = served.signatures["serving_examples"](examples=examples)
        np.testing.assert_allclose(by_example["scores"], alone, atol=1e-5)

    def test_what_is_no_clip_costs_its_own_answer(self, served, alone):
        waveform, lengths = _padded(_pcm(), 0, np.nan)
        lengths = tf.tensor_scatter_nd_update(lengths, [[1], [2]], [0, waveform.shape[1] + 1])
        answer = served.signatures["serving_lengths"](waveform=waveform, lengths=lengths)
        assert answer["error"].numpy().tolist() == [b"", b"empty", b"bad_row", b"", b"", b""]
        kept = [0, 3, 4, 5]
        np.testing.assert_allclose(answer["scores"].numpy()[kept], alone[kept], atol=1e-5)
        assert not answer["scores"].numpy()[1:3].any()

    def test_an_empty_batch_has_an_empty_answer(self, served):
        nothing, no_strings = tf.zeros([0, 0]), tf.zeros([0], tf.string)
        for answer in (
            served.signatures["serving_default"](waveform=nothing),
            served.signatures["serving_wav"](audio=no_strings),
            served.signatures["serving_examples"](examples=no_strings),
        ):
            assert answer["scores"].shape == (0, len(LABELS))

    def test_scores_can_be_differentiated_by_the_features(self, served):
        features, frames = served.features(*_padded(_pcm(), 10, 0.0))
        with tf.GradientTape() as tape:
            tape.watch(features)
            score = served.scores_of_features(features, frames)[:, 1]
        gradient = tape.gradient(score, features).numpy()
        for row, count in zip(gradient, frames.numpy(), strict=True):
            assert np.abs(row[:count]).max() > 0

    def test_the_card_lies_inside_the_model(self, trained):
        path = Path(trained[2]) / "assets.extra" / "auricle.json"
        assert ModelCard.model_validate_json(path.read_text()).labels == LABELS
        assert isinstance(trained[0], keras.Model)
