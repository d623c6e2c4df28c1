"""Batches: what is in them, in which order, and that the order can be taken up again anywhere."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.dataset import (
    Learned,
    make_eval_dataset,
    make_train_dataset,
    read_clips,
)
from schemas.errors import DataError
from schemas.reports.model_card import TrainingData

CLIPS, CLIP_SAMPLES, BATCH = 50, 2400, 16
STEPS_PER_EPOCH = 4  # 16, 16, 16, 2
LABELS = ["high", "low", "mid"]
LEARNED = Learned("classify", LABELS, 50)


@pytest.fixture(scope="module")
def files(write_tones):
    return write_tones(CLIPS, 3)


@pytest.fixture(params=["cached", "streamed"])
def cache_bytes(request):
    return 1 << 30 if request.param == "cached" else 0


def _numbers(batches):
    """Clip numbers of each batch; a clip's first sample is its number."""
    return [
        np.round(waveform.numpy()[:, 0] * 32768).astype(int).tolist() for waveform, _ in batches
    ]


def _train(files, cache_bytes, seed=1, start_epoch=0):
    return make_train_dataset(
        files, LEARNED, CLIP_SAMPLES, BATCH, seed, start_epoch, cache_bytes=cache_bytes
    )


def _epochs(dataset, count):
    numbers = _numbers(dataset.take(count * STEPS_PER_EPOCH))
    return [_flat(numbers[i : i + STEPS_PER_EPOCH]) for i in range(0, len(numbers), 4)]


def _flat(batches):
    return [number for batch in batches for number in batch]


def test_labels_are_sorted_and_counted(files):
    data = TrainingData(clips=50, speakers=0, licences={})
    assert read_clips(files, "classify") == (Learned("classify", ["high", "low", "mid"], 50), data)


def test_batches_hold_waveforms_and_classes(files, cache_bytes):
    waveform, class_ = next(iter(_train(files, cache_bytes)))
    assert (waveform.shape, waveform.dtype) == ((BATCH, CLIP_SAMPLES), tf.float32)
    assert (class_.shape, class_.dtype) == ((BATCH,), tf.int64)
    assert 0.05 < float(tf.reduce_max(tf.abs(waveform))) <= 1.0
    numbers = np.round(waveform.numpy()[:, 0] * 32768).astype(int)
    np.testing.assert_array_equal(class_, numbers % len(LABELS))  # as the files were written


def test_an_epoch_is_one_pass_in_an_order_of_its_own(files, cache_bytes):
    first, second = _epochs(_train(files, cache_bytes), 2)
    assert sorted(first) == sorted(second) == list(range(CLIPS))
    assert first != second
    assert first != sorted(first)


def test_a_seed_fixes_the_order(files, cache_bytes):
    first = _epochs(_train(files, cache_bytes, seed=1), 1)
    assert first == _epochs(_train(files, cache_bytes, seed=1), 1)
    assert first != _epochs(_train(files, cache_bytes, seed=2), 1)


def test_the_order_does_not_depend_on_global_seeds(files, cache_bytes):
    tf.random.set_seed(1)
    first = _epochs(_train(files, cache_bytes), 1)
    tf.random.set_seed(2)
    assert first == _epochs(_train(files, cache_bytes), 1)


def test_a_later_start_gives_the_batches_of_the_whole_run(files, cache_bytes):
    whole = _numbers(_train(files, cache_bytes).take(5 * STEPS_PER_EPOCH))
    rest = _numbers(_train(files, cache_bytes, start_epoch=3).take(2 * STEPS_PER_EPOCH))
    assert rest == whole[3 * STEPS_PER_EPOCH :]


def test_evaluation_is_one_pass_in_the_order_of_the_files(files, cache_bytes):
    dataset = make_eval_dataset(files, LEARNED, CLIP_SAMPLES, BATCH, cache_bytes=cache_bytes)
    assert _flat(_numbers(dataset)) == list(range(CLIPS))
    assert _flat(_numbers(dataset)) == list(range(CLIPS))


def test_a_label_that_training_never_sees_is_refused(files):
    with pytest.raises(DataError, match="labels that training never sees: mid"):
        make_eval_dataset(files, replace(LEARNED, labels=["high", "low"]), CLIP_SAMPLES, BATCH)


def test_files_without_clips_are_refused(tmp_path):
    empty = str(tmp_path / "data_tfrecord-00000-of-00001")
    tf.io.TFRecordWriter(empty).close()
    with pytest.raises(DataError, match="no clips"):
        Learned.read([empty], "classify")
    with pytest.raises(DataError, match="no clips"):
        make_train_dataset([empty], LEARNED, CLIP_SAMPLES, BATCH, 1)


def test_clips_of_another_length_are_refused(files):
    with pytest.raises(tf.errors.InvalidArgumentError, match="2400"):
        make_train_dataset(files, LEARNED, CLIP_SAMPLES + 1, BATCH, 1)
