"""What a model is taught, a folder each: everything that depends on what a clip's target is.

`schemas.tasks` loads them by name. A task's folder is split by what its parts import, since Beam
workers must not load TensorFlow, nor the command line numpy:

    config.py    WORKFLOW, the type of its workflow files: its blocks and their conflicts (pydantic)
    targets.py   from a manifest row to a target or a reject; what a split needs; data-gate rules
    features.py  the target in the tf.Example: encode, decode
    model.py     targets in tf.data, head, loss, training metrics, warm start (TensorFlow)
    serving.py   signatures and what they answer (TensorFlow)
    scoring.py   per clip: errors and units, answer, confidence (numpy)
    metrics.py   its metrics and the headline: name, value, interval, unit, which way is better
    details.py   what a verdict holds of this task alone (pydantic)
    gate.py      its rules
    report.py    its sections of the report, with their templates
    card.py      its paragraphs of the model card
    views.py     its rows on the terminal

Outside a task's folder nothing knows labels, transcripts or loudness: slices, paired comparison,
must-pass clips, worst clips, history and registry go by errors and units of each clip.
"""
