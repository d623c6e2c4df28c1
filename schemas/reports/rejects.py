"""Rows that did not become examples."""

from schemas.document import Document

REJECTS_FILE = "rejects.jsonl"


class Reject(Document):
    """One row that did not become an example; `reason` is of `schemas.utterance.REJECT_REASONS`.

    `decoder` is what read the file, where anything got that far; `settings` the hash of the
    settings it was read under.
    """

    id: str
    uri: str
    reason: str
    detail: str
    decoder: str = ""
    settings: str = ""


def parse_rejects(content: bytes) -> list[Reject]:
    """Those of a file, a line each."""
    return [Reject.model_validate_json(line) for line in content.splitlines()]
