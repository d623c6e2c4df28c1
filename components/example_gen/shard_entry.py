"""What became of one row: a line of a shard's ledger."""

from typing import NamedTuple


class Entry(NamedTuple):
    """What became of one row: a record of `length` bytes at `start`, or a reject (length 0).

    `key` names the row and the content of its file; `pcm_sha256` and `fingerprint` (base64) are of
    the stored samples.
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

    @property
    def is_reject(self) -> bool:
        """Whether the row became a reject."""
        return bool(self.reason)
