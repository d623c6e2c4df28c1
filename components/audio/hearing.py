"""What a person should know of a recording that a model heard: which part, and what else is in it.

Conditioning keeps one length of sound and says nothing of the rest; this says it in words.
"""

import numpy as np

from components.audio.condition import denoise, fit_length, trim
from components.audio.decode import Decoded
from components.audio.measure import FRAME_MS, LOUD_FRAMES, frame_levels_db, is_active
from components.audio.mel import ms_to_samples
from schemas.workflow.audio import Audio

APART_MS = 300.0  # a longer pause lies between words, not within one
SHORTEST_MS = 100.0  # sound that is shorter is a click
STEADY_DB = 3.5  # in frames of 10 ms white noise varies by up to 2.8 dB, words by 4.6 and more


def recording_notes(decoded: Decoded) -> list[str]:
    """What to know of the recording that a clip was made of; mostly nothing: that it is cut short,
    and that not all of its channels are in the clip.
    """
    notes = []
    if decoded.missing:
        notes.append(f"cut short: {decoded.missing}")
    if decoded.heard_channels < decoded.source_channels:
        heard = f"{decoded.heard_channels} of {decoded.source_channels} channels"
        notes.append(f"heard {heard}: the others are silent, or the channels cancel each other")
    return notes


def hearing_notes(waveform: np.ndarray, audio: Audio) -> list[str]:
    """What to know of a model's answer to `waveform`, which `condition` takes; often nothing.

    Says which part was heard where the clip was cropped, how many stretches of sound a cropped
    clip holds, and whether its level is steady, as of noise.

    `waveform` is float [samples] at `audio.sample_rate`, before conditioning.
    """
    notes = []
    heard = heard_part(waveform, audio)
    if heard is not None:
        start_s, end_s = (place / audio.sample_rate for place in heard)
        length_s = len(waveform) / audio.sample_rate
        notes.append(f"cropped: heard {start_s:.2f} to {end_s:.2f} s of {length_s:.2f} s")
        stretches = sound_stretches(waveform, audio.sample_rate)
        if len(stretches) > 1:
            notes.append(
                f"several words? {len(stretches)} stretches of sound, the first two from"
                f" {stretches[0][0]:.2f} and {stretches[1][0]:.2f} s; one answer is given a clip"
            )
    varies_db = _variation_db(frame_levels_db(waveform, audio.sample_rate))
    if varies_db < STEADY_DB:
        notes.append(f"a steady sound: its level varies by {varies_db:.1f} dB, as that of noise")
    return notes


def heard_part(waveform: np.ndarray, audio: Audio) -> tuple[int, int] | None:
    """First and last sample that `condition` keeps of a clip longer than `audio.clip_s` after
    trimming; None where all of it is kept.
    """
    waveform = np.asarray(waveform, np.float32)
    if audio.denoise:
        waveform = denoise(waveform, audio.sample_rate)
    places = np.arange(len(waveform))
    if audio.trim:
        places = trim(places, audio.sample_rate, frame_levels_db(waveform, audio.sample_rate))
    num_samples = round(audio.clip_s * audio.sample_rate)
    if len(places) <= num_samples:
        return None
    kept = waveform[places[0] : places[-1] + 1]
    fitted = fit_length(kept, num_samples)  # a part of the same memory
    offset = (fitted.ctypes.data - kept.ctypes.data) // kept.itemsize
    return int(places[0]) + offset, int(places[0]) + offset + num_samples


def sound_stretches(waveform: np.ndarray, sample_rate: int) -> list[tuple[float, float]]:
    """Start and end, in seconds, of the stretches of sound that lie more than `APART_MS` apart.

    Sound is what `measure.is_active` says; of less than `SHORTEST_MS` it is left out. `waveform`
    is float [samples] and not empty.
    """
    active = np.flatnonzero(is_active(frame_levels_db(waveform, sample_rate)))
    pauses = np.flatnonzero(np.diff(active) > APART_MS / FRAME_MS + 1)
    frame_s = ms_to_samples(FRAME_MS, sample_rate) / sample_rate
    return [
        (float(frames[0] * frame_s), float((frames[-1] + 1) * frame_s))
        for frames in np.split(active, pauses + 1)
        if len(frames) * FRAME_MS >= SHORTEST_MS
    ]


def _variation_db(frames_db: np.ndarray) -> float:
    """From the quietest tenth of the frames to the fifth loudest one."""
    ranked_db = np.sort(frames_db)
    return float(ranked_db[-min(LOUD_FRAMES, len(ranked_db))] - ranked_db[len(ranked_db) // 10])
