"""How often the gate errs: simulated models whose true accuracies are known.

    python benchmarks/gate_calibration.py [--draws 1000] [--seed 1]

Each draw is a test split, answered by a candidate and by the last blessed model, right or wrong
as their true accuracies say; half of the clips that the blessed model gets wrong are wrong
for both. Three ways to judge `no_worse_by_more_than: 0.005`: the gate's interval, the
95 % percentile interval of a paired bootstrap, and comparing the bare numbers. And the floor
`at_least`, by the gate and by the bare number, for a model that is exactly as good as the floor.
Between the two: intervals of clips by few speakers, each with a rate of their own.
"""

import argparse
import itertools

import numpy as np

from components.evaluation.intervals import Paired, accuracy_interval, difference_interval
from components.evaluation.measures import ShareRight
from components.evaluation.scores import Sample
from components.evaluation.tallies import Tally

ALLOWED_LOSS = 0.005
CONFIDENCE = 0.95
MEASURE = ShareRight("accuracy")
BOOTSTRAPS = 1000
OUTCOMES = ("blessed", "undecided", "refused")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    print("| true difference | clips | judged by | blessed | undecided | refused |")
    print("|---|---|---|---|---|---|")
    for loss in (0.0, 0.005, 0.02):
        for clips in (200, 2400, 20_000):
            pairs = _pairs(rng, 0.95, loss, clips, arguments.draws)
            for name, judge in (
                ("the gate", _by_interval),
                ("bootstrap", lambda pair: _by_bootstrap(pair, rng)),
                ("bare numbers", _by_number),
            ):
                _print_row([f"{0.0 - loss:+.3f}", clips, name], [judge(pair) for pair in pairs])
    _print_by_speaker(rng, arguments.draws)
    print("\n| true accuracy | floor | clips | judged by | blessed | undecided | refused |")
    print("|---|---|---|---|---|---|---|")
    for floor in (0.8, 0.95):
        for clips in (50, 500, 2400):
            right = rng.binomial(clips, floor, arguments.draws)
            gate = [_at_least(int(count), clips, floor) for count in right]
            bare = ["blessed" if count / clips >= floor else "refused" for count in right]
            _print_row([floor, floor, clips, "the gate"], gate)
            _print_row([floor, floor, clips, "bare number"], bare)


def _print_by_speaker(rng: np.random.Generator, draws: int) -> None:
    """How often the lower end is above the true accuracy, where speakers differ."""
    print("\n| speakers | clips of each | alike | accuracy | independent | by speaker | from |")
    print("|---|---|---|---|---|---|---|")
    cells = [(2, 50), (3, 33), (5, 20), (5, 100), (10, 10), (10, 50), (30, 10)]
    for (speakers, each), alike, accuracy in itertools.product(cells, (0.05, 0.15), (0.9, 0.95)):
        who, spread = np.repeat([f"s{n}" for n in range(speakers)], each), (1 - alike) / alike
        low = np.zeros((draws, 2))
        for draw in range(draws):
            rates = rng.beta(accuracy * spread, (1 - accuracy) * spread, speakers)
            errors = (rng.random((speakers, each)) >= rates[:, None]).astype(float).ravel()
            units = np.ones(len(errors))
            for column, is_clustered in enumerate((False, True)):
                sample, tally = Sample(errors, units, who, is_clustered), Tally.of(errors, units)
                low[draw, column], _ = MEASURE.interval(tally, sample, CONFIDENCE)
        plain, clustered = (low > accuracy).mean(axis=0)
        print(
            f"| {speakers} | {each} | {alike} | {accuracy} | {plain:.3f} | {clustered:.3f} |"
            f" {low[:, 1].mean():.2f} |"
        )


def _pairs(
    rng: np.random.Generator, accuracy: float, loss: float, clips: int, draws: int
) -> list[Paired]:
    neither = only_candidate = (1 - accuracy) / 2
    only_baseline = only_candidate + loss
    cells = (1 - neither - only_candidate - only_baseline, only_candidate, only_baseline, neither)
    return [Paired(*map(int, draw)) for draw in rng.multinomial(clips, cells, draws)]


def _by_interval(pair: Paired) -> str:
    return _outcome(*difference_interval(pair, CONFIDENCE), -ALLOWED_LOSS)


def _by_bootstrap(pair: Paired, rng: np.random.Generator) -> str:
    cells = np.array([pair.both, pair.only_candidate, pair.only_baseline, pair.neither])
    draws = rng.multinomial(pair.clips, cells / pair.clips, BOOTSTRAPS)
    differences = (draws[:, 1] - draws[:, 2]) / pair.clips
    low, high = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return _outcome(low, high, -ALLOWED_LOSS)


def _by_number(pair: Paired) -> str:
    return "blessed" if pair.difference >= -ALLOWED_LOSS else "refused"


def _at_least(right: int, clips: int, floor: float) -> str:
    return _outcome(*accuracy_interval(right, clips, CONFIDENCE), floor)


def _outcome(low: float, high: float, limit: float) -> str:
    return "blessed" if low >= limit else "refused" if high < limit else "undecided"


def _print_row(cells: list[object], outcomes: list[str]) -> None:
    shares = [f"{100 * outcomes.count(outcome) / len(outcomes):.1f} %" for outcome in OUTCOMES]
    print(f"| {' | '.join(map(str, [*cells, *shares]))} |")


if __name__ == "__main__":
    main()
