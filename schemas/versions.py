"""The documents about published models: what a version is, and what became of all of them."""

import datetime
import hashlib
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, PlainSerializer

from schemas.document import Document
from schemas.reports.model_card import Lineage

MANIFEST_FILE = "assets.extra/manifest.json"  # inside a version's folder
CARD_FILE = "assets.extra/model_card.md"
MODEL_DIGEST_PROPERTY = "model_sha256"  # of a PushedModel in the metadata: of all its files
VERSION_VERDICT_FILE = "assets.extra/verdict.json"
_ABOUT = "assets.extra/"  # what TensorFlow does not load

StoredVersion = Annotated[int, PlainSerializer(str, return_type=str)]
"""A version's number in documents that have it as text."""


class Manifest(Document):
    """What a version is; lies inside it, and is there before the version can be seen.

    `files` are the SHA-256 of all others, by relative path. `parent` was served before it.
    A version that `restores` an older one holds the same files; then `withdraws` may name the one
    that failed, and `reason` why.
    """

    name: str
    push_id: str
    created: datetime.datetime
    files: dict[str, str]
    lineage: Lineage | None
    parent: int | None = None
    restores: int | None = None
    withdraws: int | None = None
    reason: str = ""

    @property
    def model_digest(self) -> str:
        """SHA-256 of the model alone: the same whatever was found out and written about it."""
        return model_digest_of(self.files)


def model_digest_of(files: Mapping[str, str]) -> str:
    """`Manifest.model_digest` of files and their SHA-256."""
    model = sorted(item for item in files.items() if not item[0].startswith(_ABOUT))
    return hashlib.sha256("".join(f"{d}  {p}\n" for p, d in model).encode()).hexdigest()


class VersionRecord(Document):
    """What became of one version.

    `content` is the version that its files first were. `failed` and `replace` say why it
    must not be served again, and why it wants to be replaced; empty where nothing is wrong.
    `is_blessed` is False once the metadata store was told that it failed. `entry` is what the
    registry calls it; None until it is registered. `is_there` is False once its folder was removed.
    `manifest_digest` is the SHA-256 of its manifest, empty until it was taken down; anything else
    where it was not what was published even then.
    """

    version: int
    push_id: str
    created: datetime.datetime
    model_digest: str
    manifest_digest: str = ""
    content: int
    failed: str = ""
    replace: str = ""
    is_blessed: bool = True
    entry: str | None = None
    is_there: bool = True


class Ledger(Document):
    """All versions that were ever published to a serving directory, the first one first.

    `registered_state` is what the registry was last told.
    """

    versions: list[VersionRecord] = Field([])
    registered_state: str = ""

    @property
    def champion(self) -> VersionRecord | None:
        """What is served: the newest version."""
        there = [record for record in self.versions if record.is_there]
        return there[-1] if there else None

    @property
    def previous(self) -> VersionRecord | None:
        """What a rollback goes back to: the newest of an older content that did not fail."""
        champion = self.champion
        if champion is None:
            return None
        older = [r for r in self.versions if r.content < champion.content and self.is_good(r)]
        return max(older, key=lambda record: (record.content, record.version), default=None)

    @property
    def newest(self) -> int:
        """The highest version that was ever given; 0 before the first."""
        return max((record.version for record in self.versions), default=0)

    def is_good(self, record: VersionRecord) -> bool:
        """Whether it may be served again: it is there, and its model did not fail."""
        return record.is_there and not self.why_failed(record.model_digest)

    def why_failed(self, model_digest: str) -> str:
        """Why this model must not be served; empty where nothing is known of that."""
        failed = (r.failed for r in self.versions if r.model_digest == model_digest)
        return next(filter(None, failed), "")

    def find(self, version: int) -> VersionRecord | None:
        """The record of a version; None of one that was never pushed."""
        return next((record for record in self.versions if record.version == version), None)

    def changed(self, version: int, **values: object) -> "Ledger":
        """The same with other `values` in the record of `version`."""
        records = [
            record.model_copy(update=values) if record.version == version else record
            for record in self.versions
        ]
        return self.model_copy(update={"versions": records})

    def added(self, record: VersionRecord) -> "Ledger":
        """The same with one more."""
        records = sorted([*self.versions, record], key=lambda r: r.version)
        return self.model_copy(update={"versions": records})

    @property
    def state(self) -> str:
        """SHA-256 of all that a registry has to know; empty while there is nothing."""
        if not self.versions:
            return ""
        facts = [(r.version, r.content, r.failed, r.replace, r.is_there) for r in self.versions]
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    @property
    def candidate(self) -> VersionRecord | None:
        """The newest version that a run published, whether it is still served or not."""
        pushed = [record for record in self.versions if record.content == record.version]
        return pushed[-1] if pushed else None
