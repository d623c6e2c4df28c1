"""What was found in two splits."""

from typing import Literal

from schemas.document import Document

CERTIFICATE_FILE = "certificate.json"  # beside the ingest report


LeakKind = Literal["speaker", "identical", "near_duplicate"]


class Leak(Document):
    """Something in two splits: `what` names a speaker and the splits, or clips with theirs."""

    kind: LeakKind
    what: list[str]


class SplitCertificate(Document):
    """What was looked for between the splits, and found; `leaks` are the first of them.

    `counts` has all of them by kind. `copies_within_splits` counts groups of identical clips of
    one split, which are no leak. `same_recording` is the correlation from which two clips are one.
    """

    clips: int
    counts: dict[LeakKind, int]
    leaks: list[Leak]
    copies_within_splits: int
    same_recording: float
