"""How long the steps of a run took."""

from schemas.document import Document

TIMINGS_FILE = "timings.json"  # in the run directory


class StepTiming(Document):
    """How long one step of a run took; a timings file is a list of these, in the order of the run.

    A reused step did nothing but find its earlier result.
    """

    name: str
    seconds: float
    is_reused: bool
