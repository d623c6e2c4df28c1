"""The certificate finds what is in two splits, whatever the order, and nothing else."""

import hashlib
import io
from typing import get_args

import numpy as np
import pytest
import soundfile

from components.audio.condition import condition
from components.audio.decode import decode
from components.audio.fingerprint import fingerprint
from components.audio.pcm16 import to_pcm16
from components.audio.synthesis import generate, voices
from components.example_gen.leakage import (
    LEAKS_LISTED,
    Prints,
    StoredClip,
    certify,
    different_bits,
)
from schemas.reports.leakage import Leak, LeakKind
from schemas.workflow.audio import Audio
from schemas.workflow.generated import Generated

RATE = 8000
AUDIO = Audio(sample_rate=RATE)
GENERATED = Generated(words=["left", "right", "seven"], speakers=12, takes=1)
SPLITS = ["train"] * 8 + ["eval"] * 2 + ["test"] * 2


@pytest.fixture(scope="module")
def speech() -> list[tuple[str, str, np.ndarray]]:
    """(id, split, waveform) of every word by every voice, a voice in one split only."""
    return [
        (f"{voice.name}/{word}", split, generate(word, voice, 0, GENERATED, RATE))
        for voice, split in zip(voices(12, GENERATED.seed), SPLITS, strict=True)
        for word in GENERATED.words
    ]


class DataSet:
    """Clips as ingest would have stored them."""

    def __init__(self, speech: list[tuple[str, str, np.ndarray]]) -> None:
        self.clips: list[StoredClip] = []
        self.waveforms: list[np.ndarray] = []
        for id_, split, waveform in speech:
            self.add(id_, split, waveform, speaker=id_.split("/")[0])

    def add(self, id_: str, split: str, waveform: np.ndarray, speaker: str = "") -> None:
        stored = condition(waveform.astype(np.float32), AUDIO)
        sha256 = hashlib.sha256(to_pcm16(stored)).hexdigest()
        self.clips.append(StoredClip(id_, split, speaker, sha256, fingerprint(stored, RATE)))
        self.waveforms.append(stored)

    def certify(self, order: list[int] | None = None):
        numbers = order or range(len(self.clips))
        waveforms = [self.waveforms[number] for number in numbers]
        return certify([self.clips[number] for number in numbers], waveforms.__getitem__)


@pytest.fixture
def data_set(speech) -> DataSet:
    return DataSet(speech)


def mp3(waveform: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(file, waveform, RATE, format="MP3")
    return decode(file.getvalue(), RATE).waveform


def first_of(speech, split: str) -> tuple[str, str, np.ndarray]:
    return next(clip for clip in speech if clip[1] == split)


def test_speakers_kept_apart_leak_nothing(data_set: DataSet) -> None:
    certificate = data_set.certify()
    assert certificate.clips == 36
    assert certificate.counts == dict.fromkeys(get_args(LeakKind), 0)
    assert certificate.leaks == []


@pytest.mark.parametrize("split", ["eval", "test"])
def test_a_re_encoded_copy_is_found(data_set: DataSet, speech, split: str) -> None:
    id_, _, waveform = first_of(speech, split)
    data_set.add("copy.mp3", "train", mp3(0.5 * waveform))
    expected = Leak(kind="near_duplicate", what=sorted(["copy.mp3 (train)", f"{id_} ({split})"]))
    assert data_set.certify().leaks == [expected]


def test_copies_between_eval_and_test_are_found_once(data_set: DataSet, speech) -> None:
    id_, _, waveform = first_of(speech, "eval")
    data_set.add("copy.mp3", "test", mp3(waveform))
    expected = Leak(kind="near_duplicate", what=sorted(["copy.mp3 (test)", f"{id_} (eval)"]))
    assert data_set.certify().leaks == [expected]


def test_identical_audio_is_found_under_any_name(data_set: DataSet, speech) -> None:
    id_, _, waveform = first_of(speech, "test")
    data_set.add("same.wav", "train", waveform)
    certificate = data_set.certify()
    assert certificate.counts == dict.fromkeys(get_args(LeakKind), 0) | {"identical": 1}
    assert certificate.leaks[0].what == sorted(["same.wav (train)", f"{id_} (test)"])


def test_copies_within_a_split_are_counted_but_leak_nothing(data_set: DataSet, speech) -> None:
    waveform = first_of(speech, "train")[2]
    data_set.add("same.wav", "train", waveform)
    data_set.add("copy.mp3", "train", mp3(waveform))
    certificate = data_set.certify()
    assert certificate.copies_within_splits == 1
    assert certificate.leaks == []


def test_a_speaker_in_two_splits_is_found(data_set: DataSet, speech) -> None:
    speaker = first_of(speech, "train")[0].split("/")[0]
    data_set.add("other.wav", "test", np.random.default_rng(1).normal(size=RATE), speaker)
    [leak] = data_set.certify().leaks
    assert leak == Leak(kind="speaker", what=[speaker, "test", "train"])


def test_the_order_does_not_matter(data_set: DataSet, speech) -> None:
    for number, (_, _, waveform) in enumerate(speech[-6:]):
        data_set.add(f"copy{number}.mp3", "train", mp3(waveform))
    once = data_set.certify()
    assert once.counts["near_duplicate"] == 6
    order = np.random.default_rng(1).permutation(len(data_set.clips)).tolist()
    assert data_set.certify(order) == once


def test_all_leaks_are_counted_and_the_first_are_listed() -> None:
    clip = StoredClip("", "train", "", "", np.empty(0, np.uint16))
    clips = [
        StoredClip(f"{number}/{split}", split, "", str(number), clip.fingerprint)
        for number in range(150)
        for split in ("train", "test")
    ]
    certificate = certify(clips, lambda number: np.zeros(1))
    assert certificate.counts["identical"] == 150
    assert len(certificate.leaks) == LEAKS_LISTED


@pytest.mark.parametrize("splits", [("train", "train", "train"), ("train", "test", "eval")])
def test_the_same_audio_with_two_labels_is_found_wherever_it_is(splits: tuple[str, ...]) -> None:
    def clip(id_: str, split: str, target: str, sha256: str = "same") -> StoredClip:
        return StoredClip(id_, split, "", sha256, np.empty(0, np.uint16), target)

    clips = [clip("b", splits[0], "yes"), clip("a", splits[1], "no"), clip("c", splits[2], "yes")]
    clips += [clip("d", "train", "yes", "other"), clip("e", "train", "no", "another")]
    for order in (clips, clips[::-1]):
        certificate = certify(order, lambda number: np.zeros(1))
        [leak] = [leak for leak in certificate.leaks if leak.kind == "two_labels"]
        assert leak.what == [f"a (no, {splits[1]})", f"b (yes, {splits[0]})"]
        assert certificate.counts["two_labels"] == 1


def test_no_finding_hides_those_of_another_kind() -> None:
    clips = [
        StoredClip(f"{number}/{split}", split, "", str(number), np.empty(0, np.uint16), split)
        for number in range(LEAKS_LISTED + 1)
        for split in ("train", "test")
    ]
    leaks = certify(clips, lambda number: np.zeros(1)).leaks
    assert [leak.kind for leak in leaks].count("two_labels") == LEAKS_LISTED
    assert [leak.kind for leak in leaks].count("identical") == LEAKS_LISTED


def test_no_clips() -> None:
    assert certify([], lambda number: np.zeros(1)).leaks == []


def test_a_hum_that_everybody_has_does_not_make_pairs_explode() -> None:
    hum = np.full(52, 0x5555, np.uint16)
    clips = [
        StoredClip(str(n), "test" if n % 2 else "train", "", str(n), hum) for n in range(20_000)
    ]
    assert certify(clips, lambda number: np.ones(9)).leaks == []


def test_bits_are_counted_where_both_clips_are_active():
    """Pair by pair, as the definition has it."""
    random = np.random.default_rng(1)
    ours, theirs = (
        [random.integers(0, 1 << 16, size).astype(np.uint16) for size in (40, 3, 17, 90)]
        for _ in range(2)
    )
    for print_ in (*ours, *theirs):
        print_[random.random(len(print_)) < 0.3] = 0  # pauses
    pairs = np.array([(a, b, s) for a in range(4) for b in range(4) for s in range(-95, 95, 7)])
    found = different_bits(Prints.of(ours), Prints.of(theirs), pairs)
    for (one, other, shift), share in zip(pairs.tolist(), found.tolist(), strict=True):
        matched = [
            (a, theirs[other][frame - shift])
            for frame, a in enumerate(ours[one])
            if 0 <= frame - shift < len(theirs[other])
        ]
        active = [(int(a), int(b)) for a, b in matched if a and b]
        expected = sum(bin(a ^ b).count("1") for a, b in active) / max(1, 16 * len(active))
        assert share == pytest.approx(expected if len(active) >= 8 else 1.0)
