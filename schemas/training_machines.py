"""What the step that has other machines train is told of them."""

from schemas.document import Document


class TrainingMachines(Document):
    """The machines of a training, all alike, and whose they are."""

    name: str
    project: str
    region: str
    endpoint: str | None = None
    image: str
    machine: str
    accelerator: str | None = None
    count: int = 1
    replicas: int = 1
    service_account: str | None = None
    network: str | None = None
    labels: dict[str, str]
    environment: dict[str, str]
    poll_s: float = 20.0
