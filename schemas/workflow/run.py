"""Where and on what the workflow runs."""

from typing import Literal

from pydantic import Field

from schemas.workflow.block import Block, Text
from schemas.workflow.vertex import Vertex

BeamRunner = Literal[
    "DirectRunner", "DataflowRunner", "FlinkRunner", "SparkRunner", "PortableRunner"
]

Value = str | int | float | bool | list[str]  # of an option


class Beam(Block):
    """What runs the audio."""

    runner: BeamRunner = Field(
        "DirectRunner",
        description="Beam runner; DirectRunner runs on this machine. `docs/deploy/beam.md` says"
        " what the others were tried on: PortableRunner with Beam's own job service, DataflowRunner"
        " up to its submission, FlinkRunner and SparkRunner not at all.",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Processes of a Beam worker that decode; by the size of the work if not given.",
    )
    options: dict[str, Value] = Field(
        {}, description="Further Beam pipeline options, by name without dashes."
    )


class Run(Block):
    """Where and on what the workflow runs."""

    directory: Text | None = Field(
        None,
        description=("Run directory, a path or `gs://` or `s3://`; `runs/<name>` if not given."),
    )
    orchestrator: Literal["local", "vertex"] = Field("local", description="What runs the graph.")
    beam: Beam = Field(Beam(), description="What runs the audio.")
    vertex: Vertex = Field(
        Vertex(), description="Where on Google Cloud the graph runs, and on what."
    )
    keep_examples: int = Field(3, ge=1, description="How many past data sets' examples to keep.")
