"""A shard, and what became of each of its rows: a line of the shard's ledger."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

from typing_extensions import NotRequired

from schemas.example import LABEL_FEATURES, FeatureKind


class Row(TypedDict):
    """A row of an index; beside these keys it has the features of the target, under their names.

    `key` stands for all of it but `path`, and `seen`: what the listing of its store said of the
    file (`schemas.utterance.Seen`).
    """

    id: str
    uri: str
    path: str
    seen: NotRequired[list[Any]]
    speaker: str
    split_key: str
    offset_s: float
    duration_s: float | None
    channel: NotRequired[int]
    metadata: dict[str, object]
    sha256: str
    key: str


class Entry(NamedTuple):
    """What became of one row: a record of `length` bytes at `start`, or a reject (length 0).

    `key` names the row and the content of its file; `pcm_sha256` and `fingerprint` (base64) are of
    the stored samples; less than there should be where it `is_truncated`.
    """

    key: str
    start: int = 0
    length: int = 0
    seconds: float = 0.0
    pcm_sha256: str = ""
    fingerprint: str = ""
    reason: str = ""
    detail: str = ""
    decoder: str = ""
    is_truncated: bool = False

    @property
    def is_reject(self) -> bool:
        """Whether the row became a reject."""
        return bool(self.reason)


# A row's entry, with no start yet, and its framed record: bytes, or a view of some.
Outcome = tuple[Entry, bytes]
# Entries of rows that follow each other, and their framed records, one after another.
Block = tuple[list[Entry], bytes]


@dataclass(frozen=True)
class Shard:
    """One output file, and where in the index file its rows are, in bytes.

    `digest` stands for the content of its rows; it is new each time where a file was unreadable.
    """

    split: str
    number: int
    of: int
    start: int
    length: int
    rows: int
    digest: str

    @property
    def file_name(self) -> str:
        """As TensorFlow names shards: `data_tfrecord-00003-of-00016`."""
        return f"data_tfrecord-{self.number:05d}-of-{self.of:05d}"


@dataclass(frozen=True)
class TargetFeatures:
    """What workers know of a task: the features of a target, by name, the one by whose values clips
    are counted, if any, and whether clips keep their length.
    """

    kinds: dict[str, FeatureKind]
    grouped_by: str | None
    variable_length: bool


LABELS = TargetFeatures(LABEL_FEATURES, "label", variable_length=False)
