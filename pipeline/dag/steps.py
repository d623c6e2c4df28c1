"""The steps of a run, in their order, and what each one does, for people."""

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
