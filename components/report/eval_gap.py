"""Says what it means where a model did otherwise on the eval clips than on the test clips."""

import math

from components.pages.drawing import best_epoch
from components.pages.text import share
from schemas.reports.ingest import IngestReport
from schemas.reports.training import Epoch
from schemas.reports.verdict import Verdict

_FEW_SPEAKERS = 10


def eval_gap(epochs: list[Epoch], verdict: Verdict, ingest: IngestReport) -> str | None:
    """What the distance between eval and test usually means; None where chance explains it.

    The interval of the test number is known. That of the eval number is taken to be as wide for
    each clip, and the two are independent.
    """
    kept, headline = best_epoch(epochs), verdict.headline
    on_eval, on_test = ingest.splits.get("eval"), ingest.splits.get("test")
    if kept is None or kept.metric != headline.name or not (on_eval and on_test and on_eval.clips):
        return None
    if kept.val_value is None:
        return None
    gap = kept.val_value - headline.value
    interval = headline.interval
    half_width = interval.high - headline.value if gap > 0 else headline.value - interval.low
    if not abs(gap) > half_width * math.sqrt(1 + verdict.clips / on_eval.clips):
        return None
    numbers = (
        f"Eval and test differ: {headline.name} is {share(kept.val_value)} on"
        f" {on_eval.clips:,} eval clips and {share(headline.value)} on {verdict.clips:,} test"
        " clips, farther apart than chance puts them"
    )
    why = (
        "The eval clips chose the epoch, so their number is too good; expect the test number."
        if (gap > 0) == headline.higher_is_better
        else "The test clips are easier than the eval clips."
    )
    return f"{numbers}. {why}{_voices(len(on_eval.speakers), len(on_test.speakers))}"


def _voices(on_eval: int, on_test: int) -> str:
    if not 0 < min(on_eval, on_test) < _FEW_SPEAKERS:
        return ""
    plural = "" if on_eval == 1 else "s"
    return (
        f" Eval has {on_eval} speaker{plural} and test {on_test}: with so few, a single voice can"
        " move a number that far, and recordings of more speakers bring the two together."
    )
