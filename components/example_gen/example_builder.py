"""Rows of an index become the records of their `tf.Example`: read, decode, measure, condition."""

import base64
import hashlib
import itertools
import json
import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from components.audio.condition import condition, condition_all, find_faults
from components.audio.decode import Decoded
from components.audio.fingerprint import fingerprint, fingerprint_all
from components.audio.limits import MAX_DURATION_S
from components.audio.measure import Levels, find_levels, measure_all
from components.audio.pcm16 import to_pcm16, to_pcm16_all
from components.audio.source_file import Recording
from components.audio.synthesis import generate, voices
from components.example_gen.shard_entry import LABELS, Entry, Outcome, Row, TargetFeatures
from schemas.errors import ClipError
from schemas.example import FeatureValue, encode_example
from schemas.tfrecord import frame_record
from schemas.utterance import GENERATED_SCHEME, Seen
from schemas.workflow.audio import Audio
from schemas.workflow.generated import Generated

_SAMPLES_AT_ONCE = 1 << 18  # clips together, as many as a processor's cache holds
_SAMPLES_HELD = 1 << 20  # of clips that wait for others of their length


@dataclass
class _Clip:
    """A row on its way: decoded, then with features and fingerprint, or with a fault."""

    row: Row
    decoded: Decoded | None = None
    fault: ClipError | None = None
    features: dict[str, FeatureValue] = field(default_factory=dict)
    fingerprint: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint16))

    @property
    def waveform(self) -> np.ndarray:
        """float32 [samples], of one that was decoded."""
        assert self.decoded is not None
        return self.decoded.waveform


class ClipReader:
    """Makes records of rows; runs in child processes, where a file may crash its decoder.

    Clips of one length are measured, conditioned and fingerprinted together, which changes none of
    them. Keeps the last file open: the pieces of a long recording follow each other.
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

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """What becomes of each row, in their order; the record of a reject is empty.

        Raises:
            AuricleError: a file is not the one that was indexed.
        """
        return map(self._outcome, itertools.chain.from_iterable(map(self._made, self._read(rows))))

    def example(self, row: Row) -> tuple[dict[str, FeatureValue], np.ndarray]:
        """The features of one row's example, and the stored clip's fingerprint.

        Raises:
            ClipError: the clip cannot be used.
            AuricleError: the file is not the one that was indexed.
        """
        [clip] = self._made(next(self._read([row])))
        if clip.fault is not None:
            raise clip.fault
        return clip.features, clip.fingerprint

    def _read(self, rows: Iterable[Row]) -> Iterator[list["_Clip"]]:
        """The rows with what was decoded of each, about a million samples at a time."""
        batch: list[_Clip] = []
        samples = 0
        for row in rows:
            clip = _Clip(row)
            batch.append(clip)
            try:
                clip.decoded = self._decode(row) if row["path"] else self._speak(row)
                samples += len(clip.decoded.waveform)
            except ClipError as error:
                clip.fault = error
            if samples >= _SAMPLES_HELD:
                yield batch
                batch, samples = [], 0
        yield batch

    def _made(self, batch: list["_Clip"]) -> list["_Clip"]:
        """The clips of a batch, each with its features and fingerprint, or a fault."""
        alike: dict[int, list[_Clip]] = {}
        for clip in batch:
            if clip.decoded is not None:
                alike.setdefault(len(clip.decoded.waveform), []).append(clip)
        for length, clips in alike.items():
            at_once = max(1, _SAMPLES_AT_ONCE // max(1, length))
            for start in range(0, len(clips), at_once):
                self._make(clips[start : start + at_once])
        return batch

    def _make(self, clips: list["_Clip"]) -> None:
        """Of decoded clips of one length."""
        rate = self._audio.sample_rate
        waveforms = np.stack([clip.waveform for clip in clips])
        for clip, fault in zip(clips, find_faults(waveforms, self._audio), strict=True):
            clip.fault = fault
        good = [number for number, clip in enumerate(clips) if clip.fault is None]
        if not good:
            return
        if len(good) < len(clips):
            waveforms, clips = waveforms[good], [clips[number] for number in good]
        levels = find_levels(waveforms, rate)
        for clip, measured in zip(clips, measure_all(waveforms, rate, levels), strict=True):
            clip.features = {**measured, **self._told(clip)}
        if self._target.variable_length:
            self._store_each(clips, levels)
            return
        conditioned = condition_all(waveforms, self._audio, levels)
        prints = fingerprint_all(conditioned, rate)
        for clip, pcm, print_ in zip(clips, to_pcm16_all(conditioned), prints, strict=True):
            clip.features["audio"], clip.fingerprint = pcm, print_

    def _store_each(self, clips: list["_Clip"], levels: Levels) -> None:
        """Of clips that keep their lengths, which are no longer one after trimming."""
        for number, clip in enumerate(clips):
            try:
                own = condition(clip.waveform, self._audio, levels.of(number), MAX_DURATION_S)
            except ClipError as error:
                clip.fault = error
            else:
                clip.features["audio"] = to_pcm16(own)
                clip.fingerprint = fingerprint(own, self._audio.sample_rate)

    def _told(self, clip: "_Clip") -> dict[str, FeatureValue]:
        """The features that the row and the file say."""
        row, decoded = clip.row, clip.decoded
        assert decoded is not None
        return {
            "id": row["id"],
            "uri": row["uri"],
            "split_key": row["split_key"],
            "speaker": row["speaker"],
            **_target_values(row, self._target),
            "metadata": json.dumps(row["metadata"]),
            "source_rate_hz": decoded.source_rate_hz,
            "missing_s": decoded.missing_s,
            "source_channels": decoded.source_channels,
            "heard_channels": decoded.heard_channels,
            "source_format": decoded.source_format,
        }

    def _outcome(self, clip: "_Clip") -> Outcome:
        key = clip.row["key"]
        if (fault := clip.fault) is not None:
            return Entry(key, reason=fault.reason, detail=fault.detail, decoder=fault.decoder), b""
        pcm = clip.features["audio"]
        assert isinstance(pcm, bytes)
        record = frame_record(encode_example(clip.features, self._target.kinds))
        entry = Entry(
            key,
            length=len(record),
            seconds=float(clip.features["duration_s"]),
            is_truncated=float(clip.features["missing_s"]) > 0,
            pcm_sha256=hashlib.sha256(pcm).hexdigest(),
            fingerprint=base64.b64encode(clip.fingerprint.tobytes()).decode(),
        )
        return entry, pickle.PickleBuffer(record)  # type: ignore[return-value]

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
