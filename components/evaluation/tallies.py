"""How many errors one model made on parts of the test split; knows nothing of TFMA."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

OVERALL = ""  # feature and value of all clips

# By feature and value.
Tallies = Mapping[str, Mapping[str, "Tally"]]


@dataclass(frozen=True)
class Tally:
    """Errors on some clips, and of how many units."""

    errors: float = 0.0
    units: float = 0.0
    clips: int = 0

    @classmethod
    def of(cls, errors: NDArray[np.float64], units: NDArray[np.float64]) -> "Tally":
        """Of clips with these errors and units: [clips]."""
        return cls(float(errors.sum()), float(units.sum()), len(errors))

    @property
    def error_rate(self) -> Fraction:
        """Exact errors a unit; 0 of no units."""
        return Fraction(self.errors) / Fraction(self.units) if self.units else Fraction(0)


def overall(tallies: Tallies) -> Tally:
    """Over all clips."""
    return tallies.get(OVERALL, {}).get(OVERALL, Tally())
