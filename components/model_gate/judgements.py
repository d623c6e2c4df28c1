"""What ModelGate decided before on the same test clips, kept in a file of the run directory.

The more often the same clips judge, and the more a limit is chosen once their answers are known,
the less their verdict says of other clips. So a verdict tells how often they have judged, and how
the gate was changed since.
"""

import hashlib
import json
from collections.abc import Iterable

from components.storage.location import Location
from schemas.document import Document
from schemas.reports.verdict import Verdict

_DIGEST_DIGITS = 16


class Judgement(Document):
    """One verdict: `judged_by` names the test clips, `limits` the rules of the gate in words, and
    `artifact` the blessing, so that a step that is tried again is one judgement.
    """

    artifact: str
    judged_by: str
    limits: list[str]
    outcome: str
    value: float


def clips_digest(ids: Iterable[str]) -> str:
    """Stands for a set of clips, whatever their order."""
    text = json.dumps(sorted(ids))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]


def add_trace(verdict: Verdict, artifact: str, file: Location) -> Verdict:
    """`verdict` with what the same clips decided before; it is added to the `file`.

    Raises:
        OSError: the file cannot be written.
    """
    others = [each for each in _read(file) if each.artifact != artifact]
    before = [each for each in others if each.judged_by == verdict.judged_by]
    changed = next((each for each in reversed(before) if each.limits != verdict.limits), None)
    own = Judgement(
        artifact=artifact,
        judged_by=verdict.judged_by,
        limits=verdict.limits,
        outcome=verdict.outcome,
        value=verdict.headline.value,
    )
    content = "".join(f"{each.model_dump_json()}\n" for each in [*others, own])
    file.put(content.encode())
    return verdict.model_copy(
        update={
            "judged_before": len(before),
            "gate_change": "" if changed is None else _in_words(changed, verdict),
        }
    )


def _in_words(before: Judgement, verdict: Verdict) -> str:
    earlier, now = ("; ".join(each) or "no rule" for each in (before.limits, verdict.limits))
    return (
        f"the gate was changed after these test clips had judged: with {earlier!r} the outcome was"
        f" {before.outcome} ({verdict.headline.name} {before.value:.3f}), and it now says {now!r}"
    )


def _read(file: Location) -> list[Judgement]:
    if not file.is_present():
        return []
    return [Judgement.model_validate_json(line) for line in file.read().splitlines()]
