"""How the exported model answered."""

from schemas.document import Document
from schemas.reports.rule import Rule

SERVING_FILE = "serving.json"


class ServingReport(Document):
    """How the exported model answered in a process of its own; `asked` 0 where it was not asked."""

    passed: bool
    rules: list[Rule]
    asked: int
