"""Loads a SavedModel as a stranger would, with TensorFlow and nothing of ours, and asks it.

    python -I client.py SAVED_MODEL REQUESTS.npz ANSWERS.npz

A program of its own, run by `executor`. It writes what each signature answered, how long
single clips took, the memory of the process, and what was said to audio that cannot be answered.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

Signature = Callable[..., Mapping[str, tf.Tensor]]

_OURS = ("components", "pipeline", "schemas")
_BATCH_CLIPS = 32
_WARM_UP_CLIPS = 3


def main(saved_model: str, requests: str, answers: str) -> None:
    """Asks all that `requests` holds and writes `answers`."""
    for name in _OURS:
        sys.modules[name] = None  # type: ignore[assignment]  # nothing of ours can be imported
    started = time.monotonic()
    signatures = tf.saved_model.load(saved_model).signatures
    load_s = time.monotonic() - started
    with np.load(requests, allow_pickle=False) as asked:
        waveforms = [np.frombuffer(raw, np.float32) for raw in _unpack(asked, "waveforms")]
        wavs, examples = _unpack(asked, "wavs"), _unpack(asked, "examples")
        sample_rate, over_long = int(asked["sample_rate"]), int(asked["over_long"])
    answered = {
        "serving_default": _ask(
            signatures["serving_default"], "waveform", waveforms, _together(waveforms)
        ),
        "serving_wav": _ask(signatures["serving_wav"], "audio", wavs),
        "serving_examples": _ask(signatures["serving_examples"], "examples", examples),
    }
    facts = {
        "load_s": load_s,
        "latencies_ms": _time(signatures["serving_default"], waveforms),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "refusals": _provoke(signatures, sample_rate, over_long),
    }
    arrays = {
        f"{signature} {name}": values
        for signature, outputs in answered.items()
        for name, values in outputs.items()
    }
    np.savez(answers, facts=np.array(json.dumps(facts)), **arrays)


def _unpack(asked: Mapping[str, np.ndarray], name: str) -> list[bytes]:
    """Byte strings, stored as one array and their lengths."""
    joined, ends = asked[name].tobytes(), np.cumsum(asked[f"{name}_bytes"]).tolist()
    return [joined[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _together(waveforms: list[np.ndarray]) -> int:
    """How many waveforms are asked at once: one, where they differ in length."""
    return _BATCH_CLIPS if len({len(waveform) for waveform in waveforms}) == 1 else 1


def _ask(
    signature: Signature,
    key: str,
    clips: list[np.ndarray] | list[bytes],
    at_once: int = _BATCH_CLIPS,
) -> dict[str, np.ndarray]:
    """The numbers that a signature answers to all clips, by name: [clips, ...]."""
    parts = [
        signature(**{key: tf.constant(clips[start : start + at_once])})
        for start in range(0, len(clips), at_once)
    ]
    names = [name for name, values in parts[0].items() if values.dtype.is_floating]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in names}


def _time(signature: Signature, waveforms: list[np.ndarray]) -> list[float]:
    """Milliseconds of each clip asked alone."""
    for waveform in waveforms[:_WARM_UP_CLIPS]:
        signature(waveform=tf.constant(waveform[None]))
    took = []
    for waveform in waveforms:
        started = time.perf_counter()
        for values in signature(waveform=tf.constant(waveform[None])).values():
            values.numpy()
        took.append(1e3 * (time.perf_counter() - started))
    return took


def _provoke(
    signatures: Mapping[str, Signature], sample_rate: int, over_long: int
) -> dict[str, str]:
    """What is said to audio that nobody can answer; empty where it was answered all the same."""
    not_finite = np.zeros((1, sample_rate), np.float32)
    not_finite[0, 7] = np.nan
    waveforms = {
        "empty audio": np.zeros((1, 0), np.float32),
        "over-long audio": np.zeros((1, over_long), np.float32),
        "non-finite audio": not_finite,
    }
    answered = {
        what: _refusal(signatures["serving_default"], waveform=waveform)
        for what, waveform in waveforms.items()
    }
    return answered | {"no WAV file": _refusal(signatures["serving_wav"], audio=[b"not audio"])}


def _refusal(signature: Signature, **arguments: np.ndarray | list[bytes]) -> str:
    try:
        signature(**{key: tf.constant(value) for key, value in arguments.items()})
    except tf.errors.InvalidArgumentError as error:
        return str(error.message)
    return ""


if __name__ == "__main__":
    main(*sys.argv[1:])
