"""Generated speech: the same in any order and any process, and words that can be told apart."""

import _ctypes
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest

from components.audio import espeak, synthesis
from components.audio.synthesis import CLIP_S, PEAK_DB, Voice, generate, speak, voices
from schemas.errors import AuricleError
from schemas.workflow.generated import COMMAND_WORDS, Generated

ROOT = Path(__file__).parents[3]
DIGEST_OF_CLIPS = """
import hashlib, random, sys
from components.audio.synthesis import generate, voices
from schemas.workflow.data import Generated
generated = Generated()
clips = [(w, v, t) for w in generated.words[:4] for v in voices(9, 1) for t in (0, 1)]
order = list(clips)
random.Random(int(sys.argv[1])).shuffle(order)
made = {clip: generate(*clip, generated, 16000).tobytes() for clip in order}
print(hashlib.sha256(b"".join(made[clip] for clip in clips)).hexdigest())
"""


@pytest.fixture(autouse=True)
def _nothing_remembered():
    speak.cache_clear()


class TestVoices:
    def test_are_distinct_and_named_after_what_they_are(self):
        many = voices(2000, 1)
        assert len(set(many)) == len({voice.name for voice in many}) == 2000
        assert Voice("en-us", "f3", 40, 160).name == "en-us+f3-p40-r160"

    def test_a_longer_list_begins_with_the_shorter(self):
        assert voices(200, 5)[:60] == voices(60, 5)

    def test_follow_from_the_seed(self):
        assert voices(20, 1) == voices(20, 1)
        assert voices(20, 1) != voices(20, 2)

    def test_sixty_are_of_sixty_variants(self):
        assert len({voice.variant for voice in voices(60, 1)}) == 60

    def test_more_than_there_are_is_refused(self):
        with pytest.raises(ValueError, match="1000000"):
            voices(1_000_000, 1)


class TestSpeak:
    @pytest.mark.parametrize("accent", synthesis.ACCENTS)
    def test_every_accent_speaks(self, accent):
        waveform, rate = speak("seven", Voice(accent, "f2", 50, 160))
        assert rate == 22050
        assert waveform.dtype == np.float32
        assert 0.15 < len(waveform) / rate < 1.0
        assert 0.05 < np.abs(waveform).max() <= 1.0

    def test_every_variant_sounds_different_and_is_a_word_long(self):
        digests = set()
        for variant in synthesis.VARIANTS:
            waveform, rate = speak("stop", Voice("en-us", variant, 50, 160))
            assert 0.15 < len(waveform) / rate < 1.0, variant
            assert np.mean(np.abs(waveform) >= 0.999) < 0.01, variant
            digests.add(hashlib.sha256(waveform.tobytes()).hexdigest())
        assert len(digests) == len(synthesis.VARIANTS)

    def test_pitch_and_rate_do_what_they_say(self):
        slow, _ = speak("seven", Voice("en-us", "m1", 50, 120))
        fast, _ = speak("seven", Voice("en-us", "m1", 50, 200))
        assert len(slow) > 1.3 * len(fast)
        low, high = (
            pitch_hz(speak("left", Voice("en-us", "m1", pitch, 120))[0]) for pitch in (30, 70)
        )
        assert high > 1.2 * low

    def test_a_word_does_not_hear_the_words_before_it(self):
        # eSpeak NG left loaded fails this with nearly every variant.
        chosen = voices(len(synthesis.VARIANTS), 3)
        first = [espeak_digest("yes", voice) for voice in chosen]
        backwards = [espeak_digest("yes", voice) for voice in reversed(chosen)]
        assert first == backwards[::-1]

    def test_what_cannot_be_spoken_is_an_error(self):
        with pytest.raises(AuricleError, match="'xx'"):
            espeak.synthesize("yes", "xx", 160, 50, 50)
        with pytest.raises(AuricleError):
            speak(" ", Voice("en", "f1", 50, 160))

    def test_the_library_is_unloaded_after_an_error(self):
        with pytest.raises(AuricleError):
            espeak.synthesize("yes", "xx", 160, 50, 50)
        assert len(espeak.synthesize("yes", "en", 160, 50, 50)[0]) > 0

    def test_an_environment_in_a_deep_directory_speaks_the_same(self, tmp_path, monkeypatch):
        near = espeak.synthesize("yes", "en", 160, 50, 50)[0]
        deep = tmp_path / ("y" * 120) / ("z" * 120)
        deep.mkdir(parents=True)
        (deep / "data").symlink_to(espeakng_loader.get_data_path())
        monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(deep / "data"))
        assert np.array_equal(espeak.synthesize("yes", "en", 160, 50, 50)[0], near)

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
    def test_a_library_that_others_hold_is_refused(self):
        handle = _ctypes.dlopen(espeakng_loader.get_library_path(), os.RTLD_LAZY)
        try:
            with pytest.raises(AuricleError):
                espeak.synthesize("yes", "en", 160, 50, 50)
        finally:
            _ctypes.dlclose(handle)
        assert "libespeak" not in Path("/proc/self/maps").read_text()


def espeak_digest(word: str, voice: Voice) -> str:
    speak.cache_clear()
    return hashlib.sha256(speak(word, voice)[0].tobytes()).hexdigest()


def pitch_hz(waveform: np.ndarray) -> float:
    """The lag between 60 and 400 Hz where the loudest 50 ms resemble themselves most."""
    middle = np.convolve(waveform**2, np.ones(1103), "same").argmax()
    part = waveform[max(0, middle - 551) : middle + 551]
    correlation = np.correlate(part, part, "full")[len(part) - 1 :]
    lags = np.arange(22050 // 400, 22050 // 60)
    return 22050 / lags[correlation[lags].argmax()]


class TestGenerate:
    def test_order_and_process_change_nothing(self):
        digests = set()
        for seed in ("1", "2"):
            finished = subprocess.run(
                [sys.executable, "-c", DIGEST_OF_CLIPS, seed],
                cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed},
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            digests.add(finished.stdout)
        assert len(digests) == 1

    def test_every_part_of_the_key_changes_the_clip(self):
        voice, other = voices(2, 1)
        clips = [
            generate("yes", voice, 0, Generated(), 16000),
            generate("no", voice, 0, Generated(), 16000),
            generate("yes", other, 0, Generated(), 16000),
            generate("yes", voice, 1, Generated(), 16000),
            generate("yes", voice, 0, Generated(seed=2), 16000),
        ]
        assert len({clip.tobytes() for clip in clips}) == len(clips)

    @pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
    def test_length_level_and_type(self, sample_rate):
        for voice in voices(10, 1):
            clip = generate("stop", voice, 0, Generated(), sample_rate)
            assert clip.dtype == np.float32
            assert CLIP_S[0] - 0.01 <= len(clip) / sample_rate <= CLIP_S[1] + 0.01
            peak_db = 20 * np.log10(np.abs(clip).max())
            assert PEAK_DB[0] - 0.01 <= peak_db <= PEAK_DB[1] + 0.01

    @pytest.mark.parametrize("snr_db", [0.0, 15.0, 40.0])
    def test_the_noise_is_at_the_snr_asked_for(self, snr_db):
        for voice in voices(6, 1):
            loud = Generated(snr_db=(snr_db, snr_db))
            clean = generate("yes", voice, 0, Generated(snr_db=(200.0, 200.0)), 16000)
            noisy = generate("yes", voice, 0, loud, 16000)
            clean, noisy = clean.astype(np.float64), noisy.astype(np.float64)
            # The levels of both are random: the least-squares gain takes that out but for what
            # noise and speech have in common by chance.
            speech = clean * (noisy @ clean) / (clean @ clean)
            rest = noisy - speech
            sounding = len(speak("yes", voice)[0]) * 16000 / 22050
            measured = 10 * np.log10((speech @ speech / sounding) / np.mean(rest**2))
            assert measured == pytest.approx(snr_db, abs=1.0)

    def test_another_voice_says_the_same_words(self):
        """A nearest neighbour among 30 voices understands the words of 10 voices it never heard."""
        clean = [
            [spectral_shape(*speak(word, voice)) for word in COMMAND_WORDS]
            for voice in voices(40, 1)
        ]
        known = np.array(clean[:30]).reshape(300, -1)
        right = 0
        for shapes in clean[30:]:
            for label, shape in enumerate(shapes):
                right += known.dot(shape).argmax() % len(COMMAND_WORDS) == label
        assert right / 100 >= 0.8


def spectral_shape(waveform: np.ndarray, rate: int) -> np.ndarray:
    """Log spectrogram of 24 frames by 24 bands, the mean of each band taken off, length 1."""
    starts = np.linspace(0, len(waveform) - 512, 24).astype(int)
    frames = np.stack([waveform[s : s + 512] for s in starts]) * np.hanning(512)
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = np.unique(np.geomspace(4, 180, 25).astype(int))  # 170 Hz to 7.8 kHz
    bands = np.log(np.add.reduceat(power, edges, axis=1)[:, :-1] + 1e-6)
    bands -= bands.mean(axis=0)
    return (bands / np.linalg.norm(bands)).ravel()
