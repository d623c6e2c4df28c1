"""16-bit PCM, in which clips are stored: its scale, both ways, and a WAV file of it."""

import io
import wave

import numpy as np

FULL_SCALE = 32768  # of what int16 holds; 1.0 of a waveform


def to_pcm16(waveform: np.ndarray) -> bytes:
    """`waveform` [samples] as little-endian 16-bit PCM; what passes full scale is clipped."""
    [pcm] = to_pcm16_all(waveform[None])
    return pcm


def to_pcm16_all(waveforms: np.ndarray) -> list[bytes]:
    """Each of `waveforms` [clips, samples], as `to_pcm16` gives it alone."""
    scaled = np.asarray(waveforms, np.float32) * FULL_SCALE
    np.rint(scaled, out=scaled)
    np.minimum(scaled, FULL_SCALE - 1, out=scaled)  # np.clip takes three times as long
    np.maximum(scaled, -FULL_SCALE, out=scaled)
    return [samples.tobytes() for samples in scaled.astype("<i2")]


def from_pcm16(pcm: bytes) -> np.ndarray:
    """float32 [samples] in [-1, 1) of little-endian 16-bit PCM."""
    return to_waveform(np.frombuffer(pcm, "<i2"))


def to_waveform(samples: np.ndarray) -> np.ndarray:
    """float32 in [-1, 1) of int16, in the same shape."""
    return samples.astype(np.float32) / FULL_SCALE


def wav_file(pcm: bytes, sample_rate: int) -> bytes:
    """A mono WAV file of little-endian 16-bit PCM."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm)
    return buffer.getvalue()
