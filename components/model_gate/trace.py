"""What a verdict adds to the judgements, and what it says of those before."""

import hashlib
import itertools
import json
from collections.abc import Iterable

from components.judgements import Judgement, read_judgements
from components.storage.location import Location
from schemas.reports.verdict import Verdict

_DIGEST_DIGITS = 16
_MOST_SORTED = 100_000
_SUMS = 1 << 256


def clips_digest(ids: Iterable[str]) -> str:
    """Stands for a set of clips, whatever their order.

    Of more than 100,000 it is the sum of the digests of their ids, none of which is kept.
    """
    rest = iter(ids)
    first = list(itertools.islice(rest, _MOST_SORTED + 1))
    if len(first) <= _MOST_SORTED:
        text = json.dumps(sorted(first))
    else:
        digests = (hashlib.sha256(id_.encode()).digest() for id_ in itertools.chain(first, rest))
        text = str(sum(int.from_bytes(digest, "big") for digest in digests) % _SUMS)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]


def add_trace(verdict: Verdict, artifact: str, file: Location, model: str = "") -> Verdict:
    """`verdict` on a `model` with what the same clips decided before; it is added to the `file`.

    Raises:
        OSError: the file cannot be written.
        InputError: it was changed so that it cannot be read.
    """
    others = [each for each in read_judgements(file) if each.artifact != artifact]
    before = [each for each in others if each.judged_by == verdict.judged_by]
    changed = next((each for each in reversed(before) if each.limits != verdict.limits), None)
    own = Judgement(
        artifact=artifact,
        judged_by=verdict.judged_by,
        limits=verdict.limits,
        outcome=verdict.outcome,
        value=verdict.headline.value,
        blessed=model if verdict.allows_push else "",
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
