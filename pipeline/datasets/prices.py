"""What clouds charge, in one dated table; an estimate is no better than it.

List prices without discounts, of the cheapest large region of each cloud. Look at the source before
you decide by them: providers change prices, and regions differ.
"""

from typing import Literal

from pydantic import BaseModel

AS_OF = "2026-12-01"  # when the table was written down, from public lists

Unit = Literal["vCPU hour", "GB hour", "GB month", "1,000 requests"]


class Price(BaseModel):
    """Dollars for one `unit` of something."""

    name: str
    unit: Unit
    dollars: float
    source: str


DATAFLOW_VCPU = Price(
    name="Dataflow batch worker, vCPU",
    unit="vCPU hour",
    dollars=0.056,
    source="cloud.google.com/dataflow/pricing, us-central1",
)
DATAFLOW_MEMORY = Price(
    name="Dataflow batch worker, memory",
    unit="GB hour",
    dollars=0.003557,
    source="cloud.google.com/dataflow/pricing, us-central1",
)
TRAINING_VCPU = Price(
    name="Vertex AI custom training, n1-standard, by vCPU",
    unit="vCPU hour",
    dollars=0.0546,
    source="cloud.google.com/vertex-ai/pricing, us-central1",
)
STORAGE = {
    "gs": Price(
        name="Cloud Storage, standard",
        unit="GB month",
        dollars=0.020,
        source="cloud.google.com/storage/pricing, us-central1",
    ),
    "s3": Price(
        name="S3, standard",
        unit="GB month",
        dollars=0.023,
        source="aws.amazon.com/s3/pricing, us-east-1",
    ),
}
# Both stores charge alike: writing, copying and listing; reading.
WRITES = Price(
    name="Store, writes, copies and pages of listings",
    unit="1,000 requests",
    dollars=0.005,
    source="cloud.google.com/storage/pricing, aws.amazon.com/s3/pricing",
)
READS = Price(
    name="Store, reads",
    unit="1,000 requests",
    dollars=0.0004,
    source="cloud.google.com/storage/pricing, aws.amazon.com/s3/pricing",
)
