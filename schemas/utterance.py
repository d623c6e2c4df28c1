"""One row of the data set, and the closed list of reasons for which a row is not used."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

GENERATED_SCHEME = "generated:"  # of the uri of a clip of generated speech
MUST_PASS = "must_pass"  # key of the metadata; such a clip tests, and stays out of all statistics

TWO_LABELS = "two_labels"

REJECT_REASONS = (
    "bad_row",  # the manifest row is not JSON, lacks a key, or a value has the wrong type
    "duplicate",  # another row has the same id
    TWO_LABELS,  # another row has the same id and audio, and another label
    "missing",  # the file does not exist
    "outside",  # the path leaves the folder that recordings may be in
    "unreadable",  # the file cannot be read, or is damaged, or crashes its decoder
    "unsupported",  # not a format that is read here
    "truncated",  # less of it is there than its header, or the manifest's `duration`, says
    "empty",  # no samples in it, or none between `offset` and `duration`
    "silent",  # nothing but digital silence
    "non_finite",  # NaN or infinity among the samples
    "too_long",  # longer than any clip may be
    "too_short",  # shorter than `audio.min_s`
    "unknown_label",  # not one of `data.labels`
)


def is_keyword(label: str) -> bool:
    """Whether `label` is a word to be heard; `_unknown_`, `_silence_` and their like are none."""
    return not label.startswith("_")


class Seen(NamedTuple):
    """What the listing of a store said of an object: its size, the generation it is of, and what
    stands for its content.
    """

    size_bytes: int
    stamp: str
    digest: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recorded clip with its target, before anything was decoded.

    Attributes:
        id: names the utterance for ever; the same in every checkout.
        uri: the file as the source names it, relative to the source; `generated:word/voice/take`
            for generated speech.
        path: the file: an absolute path on this machine, or a URI; empty for generated speech.
        target: what a model is to answer, as text; a classifier's label.
        speaker: who speaks; empty where nobody knows.
        offset_s: where in the file it begins, in seconds.
        duration_s: how long it is from there, in seconds; None is to the end of the file.
        channel: the one channel of the file that it is, counted from 0; None is the mean of all.
        split: train, eval or test, where the manifest says so; else empty.
        metadata: what else the manifest says about it, as far as it is text or numbers, by key.
        seen: what its store said when it was listed; None of a file of this machine, and where the
            store's listing does not say enough.
    """

    id: str
    uri: str
    path: str
    target: str
    speaker: str = ""
    offset_s: float = 0.0
    duration_s: float | None = None
    channel: int | None = None
    split: str = ""
    metadata: dict[str, object] = field(default_factory=dict)
    seen: Seen | None = None

    @property
    def split_key(self) -> str:
        """What must not be divided between splits: the speaker, or else the whole recording."""
        return self.speaker or self.uri

    @property
    def audio(self) -> tuple[str, float, float | None, int | None]:
        """The part of a file that it is: the same of two rows that are the same audio."""
        file = self.path or self.id
        if "/." in file or "//" in file:
            file = posixpath.normpath(file)
        return file, self.offset_s, self.duration_s, self.channel

    @property
    def is_must_pass(self) -> bool:
        """Whether every model has to answer this clip right."""
        return is_must_pass(self.metadata)


def is_must_pass(metadata: Mapping[str, object]) -> bool:
    """Whether a row with this metadata is a test that every model has to pass."""
    return metadata.get(MUST_PASS) in (True, "true")
