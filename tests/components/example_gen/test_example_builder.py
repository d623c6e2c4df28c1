import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from components.example_gen.example_builder import ClipReader
from components.example_gen.shard_entry import LABELS
from schemas.errors import AuricleError, ClipError
from schemas.example import COMMON_FEATURES, LABEL_FEATURES, decode_example, encode_example
from schemas.workflow.audio import Audio
from schemas.workflow.generated import Generated

PLAIN = Audio(trim=False, normalize="none")


def _row(path, **more):
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
    return {
        "id": "x", "uri": path.name, "path": str(path), "label": "yes", "speaker": "ada",
        "split_key": "ada", "offset_s": 0.0, "duration_s": None, "channel": None, "sha256": sha256,
        "metadata": {"room": "k\u00fcche", "take": 3},
    } | more  # fmt: skip


@pytest.fixture
def ramp(tmp_path):
    """Two seconds at 16 kHz, every sample different, exactly representable in 16 bits."""
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.arange(-16000, 16000, dtype=np.int16), 16000)
    return path


def test_an_example_has_every_feature_and_encodes(ramp):
    example, _ = ClipReader(PLAIN).example(_row(ramp))
    assert example.keys() == (COMMON_FEATURES | LABEL_FEATURES).keys()
    decoded = decode_example(encode_example(example))
    assert len(decoded["audio"]) == 2 * 16000
    assert decoded["duration_s"] == 2.0
    assert (decoded["source_rate_hz"], decoded["source_channels"]) == (16000, 1)
    assert (decoded["source_format"], decoded["label"]) == ("wav", "yes")


def test_offset_and_duration_choose_the_piece(ramp):
    clips = ClipReader(PLAIN)
    one, _ = clips.example(_row(ramp, offset_s=0.5, duration_s=1.0))
    audio = np.frombuffer(one["audio"], "<i2")
    np.testing.assert_allclose(audio, np.arange(-8000, 8000), atol=1)
    assert one["duration_s"] == 1.0
    with pytest.raises(ClipError, match="empty"):
        clips.example(_row(ramp, offset_s=2.5))


def test_generated_speech_does_not_depend_on_who_asks_first():
    generated = Generated(words=["yes", "no"], speakers=4)
    voice = sorted(ClipReader(PLAIN, generated)._voices)[0]
    rows = [_row_of(word, voice, take) for word in ("yes", "no") for take in (0, 1)]
    forward = [ClipReader(PLAIN, generated).example(row)[0] for row in rows]
    backward = [ClipReader(PLAIN, generated).example(row)[0] for row in rows[::-1]][::-1]
    assert forward == backward
    assert len({example["audio"] for example in forward}) == 4
    assert {example["source_format"] for example in forward} == {"generated"}


def test_a_recording_is_decoded_also_among_generated_speech(ramp):
    generated = Generated(words=["yes", "no"], speakers=3, takes=2)
    plain, _ = ClipReader(PLAIN).example(_row(ramp))
    assert ClipReader(PLAIN, generated).example(_row(ramp))[0] == plain


def test_rows_of_one_call_are_its_channels(tmp_path):
    path = tmp_path / "call.wav"
    voices = np.stack([np.arange(16000), -2 * np.arange(16000)], axis=1).astype(np.int16)
    soundfile.write(path, voices, 16000)
    read = ClipReader(PLAIN)
    for channel in (1, 0, 1):
        example, _ = read.example(_row(path, channel=channel))
        heard = np.frombuffer(example["audio"], "<i2")
        np.testing.assert_array_equal(heard, voices[:, channel])
        assert example["source_channels"] == 2
    with pytest.raises(ClipError, match="bad_row: no channel 2: the file has 2 channels"):
        read.example(_row(path, channel=2))


def _row_of(word, voice, take):
    uri = f"generated:{word}/{voice}/{take}"
    row = {"id": uri, "uri": uri, "path": "", "label": word, "speaker": voice, "split_key": voice}
    return row | {"metadata": {}}


def test_a_file_that_changed_since_it_was_indexed_is_no_reject_but_an_error(ramp):
    row = _row(ramp)
    content = bytearray(ramp.read_bytes())
    content[-1] ^= 1
    ramp.write_bytes(content)
    with pytest.raises(AuricleError, match="changed since the run began"):
        ClipReader(PLAIN).example(row)
    ramp.unlink()
    with pytest.raises(AuricleError, match="cannot be read any more"):
        ClipReader(PLAIN).example(row)


def test_a_file_that_nobody_could_read_is_a_reject(tmp_path):
    with pytest.raises(ClipError, match="unreadable: No such file"):
        ClipReader(PLAIN).example(_row(tmp_path / "gone.wav"))


def test_a_clip_that_is_too_short_is_a_reject(ramp):
    [(entry, record)] = ClipReader(PLAIN)([_row(ramp, duration_s=0.01) | {"key": "k"}])
    assert (entry.reason, entry.detail, record) == ("too_short", "0.010 s, less than 0.02 s", b"")


def test_a_clip_that_is_cut_short_is_a_reject_or_says_so(ramp):
    whole = ramp.read_bytes()
    ramp.write_bytes(whole[: len(whole) // 2])
    [(entry, record)] = ClipReader(PLAIN)([_row(ramp) | {"key": "k"}])
    assert (entry.reason, record, entry.is_truncated) == ("truncated", b"", False)
    keep = PLAIN.model_copy(update={"truncated": "keep"})
    [(entry, record)] = ClipReader(keep)([_row(ramp) | {"key": "k"}])
    assert (entry.reason, entry.is_truncated) == ("", True)
    example, _ = ClipReader(keep).example(_row(ramp))
    assert example["missing_s"] == pytest.approx(1.0, abs=0.01)
    [(entry, _)] = ClipReader(keep)([_row(ramp, duration_s=0.5) | {"key": "k"}])
    assert entry.is_truncated is False


def test_a_row_that_asks_for_more_than_the_file_has_is_truncated(ramp):
    rows = [_row(ramp, offset_s=1.5, duration_s=length_s) for length_s in (1.0, 0.51)]
    (refused, _), (_, record) = ClipReader(PLAIN)(row | {"key": "k"} for row in rows)
    assert refused.reason == "truncated"
    assert bytes(record)


@pytest.mark.parametrize("variable_length", [False, True])
@pytest.mark.parametrize("denoise", [False, True])
def test_a_clip_becomes_the_same_alone_and_among_others(ramp, tmp_path, variable_length, denoise):
    """Of clips of several lengths, rates and channels, with some that cannot be used."""
    rng = np.random.default_rng(5)
    rows = [_row(ramp), _row(tmp_path / "gone.wav"), _row(ramp, offset_s=9.0)]
    for number in range(40):
        rate = (8000, 16000, 44100)[number % 3]
        samples = rng.normal(
            0, 0.1, (round(rate * (0.3, 1.0, 1.7)[number % 5 % 3]), number % 2 + 1)
        )
        samples[: rng.integers(1, len(samples))] *= 10 ** -rng.uniform(0, 3)
        samples *= 0 if number % 11 == 5 else 1  # silence
        path = tmp_path / f"{number}.{'flac' if number % 4 else 'wav'}"
        soundfile.write(path, samples, rate)
        rows.append(_row(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    rows = [row | {"key": str(number)} for number, row in enumerate(rows)]
    target = replace(LABELS, variable_length=variable_length)
    make = ClipReader(PLAIN.model_copy(update={"trim": True, "denoise": denoise}), target=target)
    alone = {row["key"]: next(make([row])) for row in rows}
    for together in (rows, rows[::-1], rows[7:31]):
        for row, (entry, record) in zip(together, make(together), strict=True):
            assert (entry, bytes(record)) == (alone[row["key"]][0], bytes(alone[row["key"]][1]))
    reasons = Counter(entry.reason for entry, _ in alone.values())
    assert reasons == {"": 37, "silent": 4, "unreadable": 1, "empty": 1}
