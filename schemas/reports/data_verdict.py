"""Whether training may begin."""

from schemas.document import Document
from schemas.reports.rule import Rule

DATA_VERDICT_FILE = "data_verdict.json"


class DataVerdict(Document):
    """Why training may begin: every rule that DataGate looked at.

    `drifts`: how far each feature of the train split moved since the last run that passed, from 0
    to 1; None where there was none.
    """

    rules: list[Rule]
    drifts: dict[str, float] | None = None
