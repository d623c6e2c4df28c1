"""What was found in two splits, or under two labels."""

from typing import Literal, get_args

from pydantic import field_validator

from schemas.document import Document

CERTIFICATE_FILE = "certificate.json"  # beside the ingest report


LeakKind = Literal["speaker", "identical", "near_duplicate", "two_labels"]


class Leak(Document):
    """Something in two splits: `what` names a speaker and the splits, or clips with theirs.

    With `two_labels` it is the same audio, and `what` names a clip of each label.
    """

    kind: LeakKind
    what: list[str]


class SplitCertificate(Document):
    """What was looked for between the splits, and found; `leaks` are the first of each kind.

    `counts` has all of them by kind. `copies_within_splits` counts groups of identical clips of
    one split, which are no leak. `same_recording` is the correlation from which two clips are one.
    """

    clips: int
    counts: dict[LeakKind, int]
    leaks: list[Leak]
    copies_within_splits: int
    same_recording: float

    @field_validator("counts")
    @classmethod
    def _count_every_kind(cls, counts: dict[LeakKind, int]) -> dict[LeakKind, int]:
        """Those written before a kind was looked for lack it."""
        return {kind: counts.get(kind, 0) for kind in get_args(LeakKind)}
