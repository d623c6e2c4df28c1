"""The typed workflow: every key a workflow file may say, its type, its default and its meaning.

Reading the file, and saying where in it something is wrong, is `pipeline.config.loader`'s duty. The
JSON schema for editors (`workflow.schema.json`) and the table in `docs/workflow.md` are generated
from these types.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from schemas.tasks import FIRST_TASK, TASKS, is_task, load_part, meant_task
from schemas.workflow import conflicts
from schemas.workflow.audio import Audio
from schemas.workflow.augment import Augment
from schemas.workflow.beam_conflicts import beam_conflicts
from schemas.workflow.block import Block
from schemas.workflow.conditions import Conditions
from schemas.workflow.data import Data
from schemas.workflow.data_gate import DataGate
from schemas.workflow.frontend import Frontend
from schemas.workflow.gate import Gate
from schemas.workflow.model import Model
from schemas.workflow.notify import Notify
from schemas.workflow.push import Push
from schemas.workflow.registry import Registry
from schemas.workflow.run import Run
from schemas.workflow.schedule import Schedule
from schemas.workflow.serving_check import ServingCheck
from schemas.workflow.train import Train
from schemas.workflow.vertex_conflicts import vertex_conflicts


def _check_task(name: str) -> str:
    if not is_task(name):
        raise PydanticCustomError("task", "no such task")
    return name


class Workflow(Block):
    """A speech model, from labelled recordings to a published SavedModel."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Name of model and run directory."
    )
    task: Annotated[str, AfterValidator(_check_task)] = Field(
        FIRST_TASK,
        description="What the model is taught: `classify`, one label for a clip; `spot`, keywords"
        " in long recordings.",
        json_schema_extra={"enum": list(TASKS)},
    )
    data: Data = Field(description="Where the labelled recordings are.")
    audio: Audio = Field(Audio(), description="What every clip becomes before it is stored.")
    frontend: Frontend = Field(Frontend(), description="The features; computed inside the model.")
    augment: Augment = Field(Augment(), description="Random changes while training.")
    model: Model = Field(Model(), description="The Keras model behind the frontend.")
    train: Train = Field(Train(), description="How the model is trained.")
    conditions: Conditions = Field(
        Conditions(), description="What test clips are also judged under."
    )
    data_gate: DataGate = Field(DataGate(), description="When training may begin.")
    gate: SerializeAsAny[Gate] = Field(
        Gate(), validate_default=True, description="When a model is blessed."
    )
    serving_check: ServingCheck = Field(
        ServingCheck(), description="What the exported model has to do before it is published."
    )
    push: Push = Field(Push(), description="Where a blessed model is published.")
    registry: Registry = Field(Registry(), description="Where published versions are registered.")
    schedule: Schedule = Field(Schedule(), description="When a new model is trained.")
    notify: Notify = Field(Notify(), description="Who is notified how a run ended.")
    run: Run = Field(Run(), description="Where and on what the workflow runs.")

    @model_validator(mode="before")
    @classmethod
    def _bring_up_to_date(cls, stored: object) -> object:
        """A workflow written before tasks had names, as the task that it means."""
        if isinstance(stored, dict) and stored.get("task", FIRST_TASK) == FIRST_TASK:
            return {**stored, "task": meant_task(stored)}
        return stored

    @field_validator("gate", mode="before")
    @classmethod
    def _read_gate(cls, gate: object, info: ValidationInfo) -> Gate:
        """The rules of the task; of a task that is wrong itself there is nothing to say."""
        if "task" not in info.data:
            return Gate()
        rules = gate.model_dump(exclude_unset=True) if isinstance(gate, Gate) else gate
        return load_part(info.data["task"], "config").Gate.model_validate(rules)

    @model_validator(mode="after")
    def _refuse_conflicts(self) -> "Workflow":
        found = list(self.find_conflicts())
        if found:
            text = "; ".join(map(str, found))
            raise PydanticCustomError("conflicts", "{text}", {"text": text, "conflicts": found})
        return self

    def find_conflicts(self) -> Iterator[conflicts.Conflict]:
        """Every impossible combination; empty where there is none."""
        yield from conflicts.data_conflicts(self.data)
        yield from conflicts.fold_conflicts(self.data, self.train)
        yield from conflicts.frame_conflicts(self.audio, self.frontend)
        yield from conflicts.band_conflicts(self.audio, self.frontend)
        yield from conflicts.augment_conflicts(self.audio, self.frontend, self.augment)
        yield from conflicts.condition_conflicts(self.conditions, self.gate)
        yield from conflicts.model_conflicts(self.model)
        yield from conflicts.registry_conflicts(self.registry)
        yield from conflicts.text_conflicts(self.model_dump(mode="json"))
        yield from conflicts.schedule_conflicts(self.schedule)
        yield from conflicts.notify_conflicts(self.notify)
        yield from load_part(self.task, "config").conflicts(self)
        yield from beam_conflicts(self.run, self.data)
        yield from vertex_conflicts(self.run)
