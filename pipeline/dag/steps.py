"""The steps of a run, in their order, and what each one does, for people."""

from schemas.workflow.workflow import Workflow

STEPS = {
    "Prepare": "lists the recordings, hashes their content, loads TFX",
    "AudioExampleGen": "decodes, resamples, conditions and measures every clip; writes TFRecords",
    "ImportSchemaGen": "brings the curated schema of the examples",
    "StatisticsGen": "counts and describes labels, speakers and side features",
    "ExampleValidator": "looks for anomalies against the schema",
    "DataGate": "lets training begin, or says what is wrong with the data",
    "Trainer": "trains the model and exports it as a SavedModel",
    "Evaluator": "judges model and last blessed model on the test clips, by slice",
    "ModelGate": "blesses or refuses the model by the workflow's thresholds",
    "ServingCheck": "asks the exported model in a process of its own",
    "Pusher": "copies a blessed model to the serving directory, all or nothing",
    "Report": "writes one HTML page about the run",
}


def task_of(workflow: Workflow) -> str:
    """The task whose parts the steps load; recordings without words make a classifier a spotter."""
    return "spot" if workflow.data.background else workflow.task
