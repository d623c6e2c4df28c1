"""A real SavedModel hears real files: alarms are where they were planted."""

import hashlib
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from planted import CrashingWindowReader

from components.audio.condition import condition
from components.audio.decode import decode
from components.audio.pcm16 import from_pcm16, to_pcm16
from components.tasks.spot.stream_scoring import (
    WindowReader,
    WindowRequest,
    score_recordings,
)
from components.tasks.spot.wake_word import count_alarms, divide
from schemas.background import BackgroundRecording
from schemas.errors import AuricleError, DataError
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.workflow.audio import Audio

RATE = 8000
AUDIO = Audio(sample_rate=RATE, clip_s=0.5, trim=False, normalize="none")
LABELS = ["_unknown_", "tone"]


class _Loudness(tf.Module):
    """`tone` in a loud clip, else `_unknown_`; its score grows with the clip's peak.

    NaN of a clip at full scale.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gain = tf.Variable(1.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def classify(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        audio = tf.io.parse_example(examples, {"audio": tf.io.FixedLenFeature([], tf.string)})
        waveform = tf.cast(tf.io.decode_raw(audio["audio"], tf.int16), tf.float32) / 32768
        peak = self.gain * tf.reduce_max(tf.abs(waveform), axis=1, keepdims=True)
        scores = tf.concat([1 - peak, peak], axis=1)
        return {"scores": tf.where(peak > 0.99, tf.fill(tf.shape(scores), np.nan), scores)}


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return ModelCard(
        name="t",
        labels=LABELS,
        audio=AUDIO.model_dump(),
        frontend={},
        model={},
        parameters=1,
        generated=False,
    )


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> Path:
    path = tmp_path_factory.mktemp("model") / "Format-Serving"
    module = _Loudness()
    tf.saved_model.save(module, str(path), signatures={"serving_examples": module.classify})
    (path / MODEL_CARD_FILE).parent.mkdir(exist_ok=True)
    (path / MODEL_CARD_FILE).write_text(card.model_dump_json())
    return path


def noise(seconds: float, loud_s: tuple[float, ...] = (), peak: float = 0.9) -> np.ndarray:
    """Soft noise with a click at each of `loud_s`."""
    waveform = np.random.default_rng(0).uniform(-0.1, 0.1, round(seconds * RATE))
    for start_s in loud_s:
        waveform[round(start_s * RATE)] = peak
    return waveform


def write(path: Path, waveform: np.ndarray) -> BackgroundRecording:
    soundfile.write(path, waveform, RATE)
    return listed(path)


def listed(path: Path, length_s: float = 100.0) -> BackgroundRecording:
    """A header may promise more than there is."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return BackgroundRecording(name=path.name, path=str(path), length_s=length_s, sha256=sha256)


def test_alarms_are_where_they_were_planted(tmp_path, saved_model, card):
    recordings = [
        write(tmp_path / "a.wav", noise(60.0, (10.1, 10.2, 50.1))),
        write(tmp_path / "b.flac", noise(60.3)),
    ]
    found = score_recordings(recordings, saved_model, card)
    assert found.names.tolist() == ["a.wav", "b.flac"]
    assert found.lengths_s.tolist() == [60.0, 60.3]
    assert np.bincount(found.recordings).tolist() == [239, 240]  # 0.25 s apart
    assert found.start_s[found.recordings == 1][-1] == 59.75
    loud = found.scores > 0
    assert set(found.recordings[loud]) == {0}
    # A click is in the windows that begin up to 0.5 s before it; soft noise is `_unknown_`.
    assert found.start_s[loud].tolist() == [9.75, 10.0, 49.75, 50.0]
    np.testing.assert_allclose(found.scores[loud], 0.9, atol=1e-4)
    parts = divide(found)
    assert [count_alarms(part, 0.5, found.clip_s) for part in parts] == [0, 2]
    assert found.left_out == {}


def test_a_window_is_the_clip_that_ingest_would_make(tmp_path):
    audio = Audio(sample_rate=RATE, clip_s=0.7, denoise=True)
    path = tmp_path / "a.wav"
    waveform = noise(20.0, (3.0, 7.5))
    soundfile.write(path, waveform, RATE)
    reader = WindowReader(audio)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    for first in (0, 8, 16, 40):  # the last does not follow the one before
        heard = reader(WindowRequest(str(path), sha256, first, 8))
        for number, clip in enumerate(heard.clips, start=first):
            start_s = 0.35 * number
            part = decode(path.read_bytes(), RATE, start_s, 0.7).waveform
            assert clip == to_pcm16(condition(part, audio)), number
    assert heard.length_s == 20.0
    assert reader(WindowRequest(str(path), sha256, 48, 8)).clips != []
    assert reader(WindowRequest(str(path), sha256, 56, 8)).clips == []
    assert len(from_pcm16(clip)) == round(0.7 * RATE)


def test_silence_is_heard_without_an_alarm(tmp_path, saved_model, card):
    found = score_recordings([write(tmp_path / "a.wav", np.zeros(10 * RATE))], saved_model, card)
    assert found.lengths_s.tolist() == [10.0]
    assert found.scores.tolist() == [0.0] * 39


def test_a_recording_shorter_than_a_clip_is_one_window(tmp_path, saved_model, card):
    recordings = [write(tmp_path / "a.wav", noise(0.2)), write(tmp_path / "b.wav", noise(5.0))]
    found = score_recordings(recordings, saved_model, card)
    assert found.lengths_s.tolist() == [0.2, 5.0]
    assert found.start_s[found.recordings == 0].tolist() == [0.0]


def test_what_cannot_be_decoded_to_its_end_is_left_out_and_said(tmp_path, saved_model, card):
    good = write(tmp_path / "good.wav", noise(20.0, (3.0,)))
    bad = noise(40.0)
    bad[30 * RATE] = np.nan
    soundfile.write(tmp_path / "nan.wav", bad, RATE, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no audio")
    shutil.copy(tmp_path / "good.wav", tmp_path / "same.wav")
    (tmp_path / "gone.wav").write_bytes(b"")
    others = [listed(tmp_path / name) for name in ("nan.wav", "text.wav", "same.wav")]
    gone = listed(tmp_path / "gone.wav").model_copy(update={"sha256": ""})
    (tmp_path / "gone.wav").unlink()
    found = score_recordings([others[0], good, *others[1:], gone], saved_model, card)
    assert found.names.tolist() == ["good.wav"]
    assert (found.scores > 0).sum() == 2
    assert {name: why.partition(":")[0] for name, why in found.left_out.items()} == {
        "nan.wav": "non_finite",
        "text.wav": "unsupported",
        "same.wav": "the same content as good.wav",
        "gone.wav": "unreadable",
    }
    with pytest.raises(DataError, match=r"nan\.wav: non_finite"):
        score_recordings(others[:2], saved_model, card)


def test_a_recording_that_crashes_its_decoder_costs_itself_only(
    tmp_path, saved_model, card, monkeypatch
):
    monkeypatch.setattr("components.tasks.spot.stream_scoring.WindowReader", CrashingWindowReader)
    monkeypatch.setattr("components.tasks.spot.stream_scoring._ASKED_BYTES", 32 * 8000)
    lengths_s = {"a.wav": 40.0, "crash.wav": 41.0, "z.wav": 42.0}
    recordings = [write(tmp_path / name, noise(s, (3.0,))) for name, s in lengths_s.items()]
    found = score_recordings(recordings, saved_model, card)
    assert found.names.tolist() == ["a.wav", "z.wav"]
    assert found.lengths_s.tolist() == [40.0, 42.0]
    assert np.bincount(found.recordings).tolist() == [159, 167]
    assert (found.scores > 0).sum() == 4
    assert {name: why.split()[-1] for name, why in found.left_out.items()} == {
        "crash.wav": "SIGSEGV"
    }


def test_a_recording_that_changed_since_it_was_listed_ends_the_run(tmp_path, saved_model, card):
    recording = write(tmp_path / "a.wav", noise(5.0))
    write(tmp_path / "a.wav", noise(6.0))
    with pytest.raises(AuricleError):
        score_recordings([recording], saved_model, card)


def test_scores_that_are_no_numbers_are_kept_as_such(tmp_path, saved_model, card):
    found = score_recordings(
        [write(tmp_path / "a.wav", noise(5.0, (2.1,), peak=0.999))], saved_model, card
    )
    assert found.not_finite == 2


def test_memory_does_not_grow_with_a_recording(tmp_path, monkeypatch):
    monkeypatch.setattr("components.audio.source_file._MOST_IN_MEMORY", 1000)
    peaks = []
    for minutes in (2, 16):
        path = tmp_path / f"{minutes}.wav"
        soundfile.write(path, np.tile(noise(60.0), minutes), RATE)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        reader = WindowReader(AUDIO)
        tracemalloc.start()
        heard = 0
        while clips := reader(WindowRequest(str(path), sha256, heard, 32)).clips:
            heard += len(clips)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        reader.close()
        assert heard == 4 * 60 * minutes - 1
    assert peaks[1] < 1.1 * peaks[0]
