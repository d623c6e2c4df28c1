"""What a workflow file may say for `loudness`."""

from pydantic import Field

from schemas.workflow import gate

OWN_KEYS = ("gate.at_most_db", "gate.slice_by", "gate.no_worse_by_more_than_db")


class Gate(gate.Gate):
    at_most_db: float | None = Field(None, description="Largest mean error, in dB.")
    slice_by: list[str] = Field([], description="Features whose values are judged one by one.")
    no_worse_by_more_than_db: float | None = Field(None, description="Largest loss, in dB.")

    def slices(self):
        return {"gate.slice_by": self.slice_by}

    def in_words(self):
        return [f"mean error at most {self.at_most_db} dB"] if self.at_most_db is not None else []


def is_meant(document):
    return False


def conflicts(workflow):
    yield from ()
