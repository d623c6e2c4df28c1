"""The artifact types of our own that components pass to each other; the rest are TFX's."""

from tfx.types.artifact import Artifact


class Rejects(Artifact):
    """`rejects.jsonl`: a line for every row that did not become an example, with its reason."""

    TYPE_NAME = "Rejects"


class IngestReport(Artifact):
    """`report.json`: counts, hours, classes and speakers by split (`schemas.reports`)."""

    TYPE_NAME = "IngestReport"


class RunReport(Artifact):
    """`report.html`: one self-contained page a run."""

    TYPE_NAME = "RunReport"
