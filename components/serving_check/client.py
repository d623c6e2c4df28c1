"""Loads a SavedModel as a stranger would, with TensorFlow and nothing of ours, and asks it.

    python -I client.py SAVED_MODEL REQUESTS.npz ANSWERS.npz

A program of its own, run by `executor`. It writes what each signature answered, how long
single clips took, the memory of the process, and what was said to audio that cannot be answered.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

Signature = Callable[..., Mapping[str, tf.Tensor]]
Asked = Callable[[Sequence[Any]], Mapping[str, tf.Tensor]]

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
        conditioned = [_example(pcm) for pcm in _unpack(asked, "conditioned")]
        sample_rate, over_long = int(asked["sample_rate"]), int(asked["over_long"])
    by_example = _by_name(signatures["serving_examples"], "examples")
    answered = {
        "serving_examples": _ask(by_example, examples),
        "conditioned": _ask(by_example, conditioned),
        "serving_default": _ask(_alone(signatures["serving_default"]), waveforms, 1),
        "serving_lengths": _ask(_padded(signatures["serving_lengths"]), waveforms),
        "serving_wav": _ask(_by_name(signatures["serving_wav"], "audio"), wavs),
    }
    facts = {
        "load_s": load_s,
        "latencies_ms": _time(signatures["serving_default"], waveforms),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "refusals": _provoke(signatures, sample_rate, over_long),
        "beside_bad_clips": _ask_beside_bad(
            signatures["serving_lengths"], max(waveforms, key=np.ptp)
        ),
        "rows_of_nothing": _ask_nothing(signatures),
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


def _example(pcm: bytes) -> bytes:
    """All of a tf.Example that a model looks at."""
    audio = tf.train.Feature(bytes_list=tf.train.BytesList(value=[pcm]))
    features = tf.train.Features(feature={"audio": audio})
    return tf.train.Example(features=features).SerializeToString()


def _by_name(signature: Signature, name: str) -> Asked:
    return lambda items: signature(**{name: tf.constant(items, tf.string)})


def _alone(signature: Signature) -> Asked:
    return lambda waveforms: signature(waveform=tf.constant(np.stack(waveforms)))


def _padded(signature: Signature) -> Asked:
    """What lies beyond a clip's end must not matter, so NaN lies there."""

    def ask(waveforms: Sequence[np.ndarray]) -> Mapping[str, tf.Tensor]:
        lengths = [len(waveform) for waveform in waveforms]
        padded = np.full((len(waveforms), max(lengths)), np.nan, np.float32)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = waveform
        return signature(waveform=tf.constant(padded), lengths=tf.constant(lengths, tf.int32))

    return ask


def _ask(
    signature: Asked, clips: Sequence[np.ndarray] | Sequence[bytes], at_once: int = _BATCH_CLIPS
) -> dict[str, np.ndarray]:
    """The numbers that are answered to all clips, and `error`, by name: [clips, ...]."""
    # Of no clips too: that says which outputs there are.
    starts = range(0, max(1, len(clips)), at_once)
    parts = [signature(clips[start : start + at_once]) for start in starts]
    names = [name for name, values in parts[0].items() if values.dtype.is_floating]
    answers = {name: np.concatenate([part[name].numpy() for part in parts]) for name in names}
    errors = [error for part in parts for error in part["error"].numpy().tolist()]
    return {**answers, "error": np.array(errors, np.bytes_)}


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
    """The error of audio that nobody can answer; empty where it was answered all the same."""
    not_finite = np.zeros(sample_rate, np.float32)
    not_finite[7] = np.nan
    waveforms = {
        "empty audio": np.zeros(0, np.float32),
        "over-long audio": np.zeros(over_long, np.float32),
        "non-finite audio": not_finite,
        "digital silence": np.zeros(sample_rate, np.float32),
    }
    answers = {
        what: signatures["serving_default"](waveform=tf.constant(waveform[None]))
        for what, waveform in waveforms.items()
    }
    answers["no WAV file"] = signatures["serving_wav"](audio=tf.constant([b"not audio"]))
    return {what: answer["error"].numpy()[0].decode() for what, answer in answers.items()}


def _ask_beside_bad(signature: Signature, waveform: np.ndarray) -> float:
    """How far the answer to a clip is from itself where the batch also holds what is no audio."""
    ask = _padded(signature)
    bad = [np.full(100, np.nan, np.float32), np.zeros(2 * len(waveform), np.float32)]
    [alone, beside] = _ask(ask, [waveform]), _ask(ask, [bad[0], waveform, bad[1]])
    return max(
        float(np.abs(values[1] - alone[name][0]).max(initial=0.0))
        for name, values in beside.items()
        if name != "error"
    )


def _ask_nothing(signatures: Mapping[str, Signature]) -> int:
    """The rows of the answers to empty batches, all together."""
    no_strings, no_clips = tf.zeros([0], tf.string), tf.zeros([0, 100])
    answers = [
        signatures["serving_default"](waveform=no_clips),
        signatures["serving_lengths"](waveform=no_clips, lengths=tf.zeros([0], tf.int32)),
        signatures["serving_wav"](audio=no_strings),
        signatures["serving_examples"](examples=no_strings),
    ]
    return sum(len(values) for answer in answers for values in answer.values())


if __name__ == "__main__":
    main(*sys.argv[1:])
