"""What one rule of a gate found."""

from schemas.document import Document


class Rule(Document):
    """What one rule of DataGate or ServingCheck found, in words."""

    name: str
    passed: bool
    said: str
