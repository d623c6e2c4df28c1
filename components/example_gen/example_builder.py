"""One row of an index becomes the values of its `tf.Example`: read, decode, measure, condition."""

import base64
import hashlib
import json
from collections.abc import Mapping

import numpy as np

from components.audio.condition import condition
from components.audio.decode import Decoded
from components.audio.fingerprint import fingerprint
from components.audio.limits import MAX_DURATION_S
from components.audio.measure import frame_levels_db, measure
from components.audio.pcm16 import to_pcm16
from components.audio.source_file import Recording
from components.audio.synthesis import generate, voices
from components.example_gen.shard_entry import LABELS, Entry, Row, TargetFeatures
from schemas.errors import ClipError
from schemas.example import FeatureValue, encode_example
from schemas.tfrecord import frame_record
from schemas.utterance import GENERATED_SCHEME, Seen
from schemas.workflow.audio import Audio
from schemas.workflow.generated import Generated


class ClipReader:
    """Makes records of rows; runs in child processes, where a file may crash its decoder.

    Keeps the last file open: the pieces of a long recording follow each other.
    """

    def __init__(
        self,
        audio: Audio,
        generated: Generated | None = None,
        target: TargetFeatures = LABELS,
    ) -> None:
        self._audio = audio
        self._target = target
        self._generated = generated
        self._voices = (
            {voice.name: voice for voice in voices(generated.speakers, generated.seed)}
            if generated
            else {}
        )
        self._path = ""
        self._recording: Recording | None = None

    def __call__(self, row: Row) -> tuple[Entry, bytes]:
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
            is_truncated=float(example["missing_s"]) > 0,
            pcm_sha256=hashlib.sha256(pcm).hexdigest(),
            fingerprint=base64.b64encode(print_.tobytes()).decode(),
        )
        return entry, frame_record(encode_example(example, self._target.kinds))

    def example(self, row: Row) -> tuple[dict[str, FeatureValue], np.ndarray]:
        """The features of one row's example, and the stored clip's fingerprint.

        Raises:
            ClipError: the clip cannot be used.
            AuricleError: the file is not the one that was indexed.
        """
        rate = self._audio.sample_rate
        decoded = self._decode(row) if row["path"] else self._speak(row)
        waveform = decoded.waveform
        frames_db = frame_levels_db(waveform, rate)
        features: dict[str, FeatureValue] = dict(measure(waveform, rate, frames_db))
        features["id"] = row["id"]
        features["uri"] = row["uri"]
        features["split_key"] = row["split_key"]
        features["speaker"] = row["speaker"]
        features |= _target_values(row, self._target)
        features["metadata"] = json.dumps(row["metadata"])
        longest_s = MAX_DURATION_S if self._target.variable_length else None
        conditioned = condition(waveform, self._audio, frames_db, longest_s)
        features["audio"] = to_pcm16(conditioned)
        features["source_rate_hz"] = decoded.source_rate_hz
        features["missing_s"] = decoded.missing_s
        features["source_channels"] = decoded.source_channels
        features["heard_channels"] = decoded.heard_channels
        features["source_format"] = decoded.source_format
        return features, fingerprint(conditioned, rate)

    def _decode(self, row: Row) -> Decoded:
        if self._path != row["path"]:
            if self._recording is not None:
                self._recording.close()
            self._path, self._recording = "", None
            seen = Seen(*row["seen"]) if "seen" in row else None
            self._recording = Recording(row["path"], row["sha256"], seen)
            self._path = row["path"]
        assert self._recording is not None
        rate = self._audio.sample_rate
        part = row["offset_s"], row["duration_s"], row.get("channel")
        return self._recording.decode(rate, *part).checked(self._audio)

    def _speak(self, row: Row) -> Decoded:
        assert self._generated is not None
        word, voice, take = row["uri"].removeprefix(GENERATED_SCHEME).rsplit("/", 2)
        rate = self._audio.sample_rate
        waveform = generate(word, self._voices[voice], int(take), self._generated, rate)
        return Decoded(np.asarray(waveform, np.float32), rate, 1, "generated")


def _target_values(row: Mapping[str, object], target: TargetFeatures) -> dict[str, FeatureValue]:
    values = {name: row[name] for name in target.kinds}
    return {name: value for name, value in values.items() if isinstance(value, str | int | float)}
