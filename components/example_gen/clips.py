"""One row of an index becomes the values of its `tf.Example`: read, decode, measure, condition."""

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from components.audio.condition import condition, to_pcm16
from components.audio.decode import Decoded, decode
from components.audio.fingerprint import fingerprint
from components.audio.measure import measure
from components.audio.synthesis import generate, voices
from components.example_gen.entry import Entry
from components.example_gen.sources import GENERATED_SCHEME
from schemas.errors import AuricleError, ClipError
from schemas.example import FeatureValue, encode_example
from schemas.tfrecord import frame_record
from schemas.workflow import Audio, Generated

_MOST_FILE_BYTES = 1 << 30


class ClipReader:
    """Makes records of rows; runs in child processes, where a file may crash its decoder.

    Keeps the last file that it read: the pieces of a long recording follow each other.
    """

    def __init__(self, audio: Audio, generated: Generated | None = None) -> None:
        self._audio = audio
        self._generated = generated
        self._voices = (
            {voice.name: voice for voice in voices(generated.speakers, generated.seed)}
            if generated
            else {}
        )
        self._last: tuple[str, bytes] = "", b""

    def __call__(self, row: dict[str, Any]) -> tuple[Entry, bytes]:
        """What becomes of a row: its entry, and its framed record; empty for a reject.

        Raises:
            AuricleError: the file is not the one that was indexed.
        """
        try:
            example, print_ = self.example(row)
        except ClipError as error:
            reject = Entry(
                row["key"], reason=error.reason, detail=error.detail, decoder=error.decoder
            )
            return reject, b""
        pcm = example["audio"]
        assert isinstance(pcm, bytes)
        entry = Entry(
            row["key"],
            seconds=float(example["duration_s"]),
            pcm_sha256=hashlib.sha256(pcm).hexdigest(),
            fingerprint=base64.b64encode(print_.tobytes()).decode(),
        )
        return entry, frame_record(encode_example(example))

    def example(self, row: dict[str, Any]) -> tuple[dict[str, FeatureValue], np.ndarray]:
        """The values of `schemas.example.FEATURES` for one row, and the stored clip's fingerprint.

        Raises:
            ClipError: the clip cannot be used.
            AuricleError: the file is not the one that was indexed.
        """
        rate = self._audio.sample_rate
        decoded = self._speak(row) if self._generated else self._decode(row)
        features: dict[str, FeatureValue] = dict(measure(decoded.waveform, rate))
        features["id"] = row["id"]
        features["uri"] = row["uri"]
        features["split_key"] = row["split_key"]
        features["speaker"] = row["speaker"]
        features["label"] = row["label"]
        conditioned = condition(decoded.waveform, self._audio)
        features["audio"] = to_pcm16(conditioned)
        features["source_rate_hz"] = decoded.source_rate_hz
        features["source_channels"] = decoded.source_channels
        features["source_format"] = decoded.source_format
        return features, fingerprint(conditioned, rate)

    def _decode(self, row: dict[str, Any]) -> Decoded:
        path = row["path"]
        if self._last[0] != path:
            self._last = path, _read_as_indexed(path, row["sha256"])
        data = self._last[1]
        return decode(data, self._audio.sample_rate, row["offset_s"], row["duration_s"])

    def _speak(self, row: dict[str, Any]) -> Decoded:
        assert self._generated is not None
        word, voice, take = row["uri"].removeprefix(GENERATED_SCHEME).rsplit("/", 2)
        rate = self._audio.sample_rate
        waveform = generate(word, self._voices[voice], int(take), self._generated, rate)
        return Decoded(np.asarray(waveform, np.float32), rate, 1, "generated")


def _read_as_indexed(path: str, sha256: str) -> bytes:
    """The file's content, which has to be what the index saw: the cache is keyed on that.

    An empty `sha256` means that the index could not read it either.
    """
    try:
        with Path(path).open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > _MOST_FILE_BYTES:
                raise ClipError("too_large", f"more than {_MOST_FILE_BYTES} bytes")
            data = file.read()
    except OSError as error:
        if sha256:
            raise AuricleError(f"{path} is gone since the run began: {error}") from error
        raise ClipError("unreadable", error.strerror or str(error)) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise AuricleError(f"{path} changed since the run began; run again")
    return data
