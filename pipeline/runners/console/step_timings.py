"""How long the steps of the present run took, kept in a file while it goes on: Report reads it."""

from pathlib import Path

from pydantic import TypeAdapter

from components.storage.location import location_of
from schemas.outcomes import StepOutcome
from schemas.reports.step_timings import StepTiming

_TIMINGS = TypeAdapter(list[StepTiming])


class Timings:
    """The finished steps of one run, in a file that is begun anew and whole at any time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._steps: list[StepTiming] = []
        self._write()

    def add(self, step: str, seconds: float, outcome: StepOutcome) -> None:
        """Says that a step has ended."""
        self._steps.append(StepTiming(name=step, seconds=seconds, is_reused=outcome == "reused"))
        self._write()

    def _write(self) -> None:
        location_of(self._file).put(_TIMINGS.dump_json(self._steps, indent=2))
