"""Vertex AI: where the graph runs on Google Cloud, and on which machines."""

from typing import Literal

from pydantic import Field

from schemas.workflow.block import Block, Text

Accelerator = Literal[
    "NVIDIA_TESLA_P4",
    "NVIDIA_TESLA_P100",
    "NVIDIA_TESLA_V100",
    "NVIDIA_TESLA_T4",
    "NVIDIA_L4",
    "NVIDIA_TESLA_A100",
    "NVIDIA_A100_80GB",
    "NVIDIA_H100_80GB",
    "NVIDIA_H100_MEGA_80GB",
    "NVIDIA_H200_141GB",
    "NVIDIA_B200",
]


class TrainerPool(Block):
    """The machines that train."""

    machine: Text = Field(description="Machine type, such as n1-standard-8.")
    accelerator: Accelerator | None = Field(None, description="GPU of each machine; none at first.")
    count: int = Field(1, ge=1, le=16, description="How many of them a machine has.")
    replicas: int = Field(1, ge=1, le=64, description="How many machines train together.")


class Vertex(Block):
    """Where on Google Cloud the graph runs, and on which machines."""

    project: Text | None = Field(
        None, description="Google Cloud project; that of Dataflow if not given."
    )
    region: Text | None = Field(None, description="Its region; that of Dataflow if not given.")
    image: Text | None = Field(
        None,
        description="Container image of the steps, as docs/deploy/Dockerfile builds it; that of"
        " Dataflow's workers if not given.",
    )
    service_account: Text | None = Field(
        None,
        description="Account that the steps run as; Compute Engine's default one if not given.",
    )
    network: Text | None = Field(
        None, description="Network that the steps are peered with: projects/N/global/networks/NAME."
    )
    labels: dict[str, str] = Field({}, description="Labels of all jobs, for the bill.")
    trainer: TrainerPool | None = Field(
        None, description="The machines that train; one small one without a GPU if not given."
    )
    endpoint: Text | None = Field(
        None,
        description="Vertex AI's interface, such as a private one; that of the region if not"
        " given.",
    )
