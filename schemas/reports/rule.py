"""What one rule of a gate found."""

from pydantic import model_validator

from schemas.document import Document


class Explained(Document):
    """What was found or done, in words."""

    message: str

    @model_validator(mode="before")
    @classmethod
    def _bring_up_to_date(cls, stored: object) -> object:
        """One whose message had another name."""
        if isinstance(stored, dict) and "said" in stored:
            return {"message" if key == "said" else key: value for key, value in stored.items()}
        return stored


class Rule(Explained):
    """What one rule of DataGate or ServingCheck found."""

    name: str
    passed: bool
