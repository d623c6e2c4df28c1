"""Where published versions are registered."""

from typing import Literal

from pydantic import Field

from schemas.workflow.block import Block, Text


class Registry(Block):
    """Where published versions are registered."""

    kind: Literal["mlflow", "none"] = Field(
        "mlflow",
        description="MLflow or none; a pipeline compiled for Vertex AI uses its own registry.",
    )
    uri: Text | None = Field(
        None,
        description="MLflow tracking server; `registry.sqlite` in the run directory if not given."
        " User and password come from `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.",
    )
