"""What came before, found in the files of the run directory.

On this machine resolvers find it in the metadata store (`components/resolvers.py`). Steps on Vertex
AI have no store of ours to ask, so they look here, when they run: a step that is reused looks at
nothing.
"""

import itertools
import json
import logging

from pydantic import ValidationError

from components.artifacts import model_at, saved_model_uri
from components.judgements import read_judgements
from components.storage.location import Location, location_of
from components.versions.ledger import read_ledger
from components.versions.manifest import digest_model
from components.versions.model_card import read_card
from schemas.document import Document
from schemas.workflow.audio import Audio
from schemas.workflow.training import Earlier

_LOG = logging.getLogger(__name__)


class PassedData(Document):
    """One verdict of DataGate that let training begin, and the ingest report it judged, as URIs."""

    verdict: str
    of: str


def blessed_before(earlier: Earlier, *, candidate: str = "", audio: Audio | None = None) -> str:
    """The URI of the Model artifact that was blessed last, but before `candidate` was; empty where
    there is none. With `audio`, of those that take such audio.

    A model whose version failed is passed over, and so is one whose files were deleted.
    """
    judged = [each.blessed for each in read_judgements(location_of(earlier["judgements"]))]
    before = itertools.takewhile(lambda uri: not candidate or uri != candidate, judged)
    ledger = read_ledger(location_of(earlier["ledger"]))
    failed = {record.model_digest for record in ledger.versions if record.failed}
    for uri in reversed(list(dict.fromkeys(filter(None, before)))):
        folder = location_of(saved_model_uri(model_at(uri)))
        try:
            card = read_card(folder)
        except (OSError, ValidationError) as error:
            _LOG.warning("%s was blessed before, and cannot be read now: %s", uri, error)
            continue
        if audio is not None and card.audio != audio:
            continue
        if failed and digest_model(folder) in failed:
            continue
        return uri
    return ""


def passed_before(file: Location, ingest_report: str) -> str:
    """The URI of DataGate's newest verdict on other data than `ingest_report`'s; empty where there
    is none.
    """
    others = [each.verdict for each in _read_passed(file) if each.of != ingest_report]
    return others[-1] if others else ""


def add_passed(file: Location, verdict: str, ingest_report: str) -> None:
    """Has later runs find a verdict; the same data counts once."""
    kept = [each for each in _read_passed(file) if each.of != ingest_report]
    kept.append(PassedData(verdict=verdict, of=ingest_report))
    file.put("".join(f"{each.model_dump_json()}\n" for each in kept).encode())


def _read_passed(file: Location) -> list[PassedData]:
    try:
        return [PassedData.model_validate(json.loads(line)) for line in file.read().splitlines()]
    except FileNotFoundError:
        return []
