"""Where on Google Cloud a workflow runs."""

from components.vertex_rest import Place
from schemas.errors import WorkflowError
from schemas.workflow.workflow import Workflow


def find_place(workflow: Workflow) -> Place | None:
    """Project and region: of `run.vertex`, or else of Dataflow; None where neither names both."""
    beam, vertex = workflow.run.beam, workflow.run.vertex
    options = beam.options if beam.runner == "DataflowRunner" else {}
    project = vertex.project or options.get("project")
    region = vertex.region or options.get("region")
    return Place(str(project), str(region), vertex.endpoint) if project and region else None


def place_of(workflow: Workflow) -> Place:
    """`find_place`, which has to be there.

    Raises:
        WorkflowError: says what is missing.
    """
    if (place := find_place(workflow)) is None:
        raise WorkflowError(
            "run.vertex: got no project and region of Google Cloud, expected both, such as"
            " {project: my-project, region: europe-west4}"
        )
    return place
