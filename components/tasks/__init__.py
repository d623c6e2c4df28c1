"""What a model is taught, a folder each: what depends on what a clip's target is.

`schemas.tasks` loads them by name. A task's folder is split by what its parts import, since the
command line must not load numpy:

    config.py    the keys of a workflow that it alone has, its gate, and conflicts among its keys
    targets.py   a row's target or why it has none; what is asked of all rows (no numpy)
    features.py  the target in the tf.Example, and whether clips keep their length (no numpy)
    model.py     the model's outputs, loss and metric; how a head is carried over (Keras)
    serving.py   what the exported model answers (TensorFlow)
    scoring.py   per clip: errors and units, answer, confidence; the headline number (numpy)
    recordings.py  what models answer on long recordings, where they are judged on such
    details.py   what a verdict holds of this task alone (pydantic)
    gate.py      its rules
    report.py    its sections of the report, with their templates
    card.py      its paragraphs of the model card

`feeding.py`, `parts.py`, `pages.py` and `card.py` say what each has to hold, as types. Slices,
paired comparison, must-pass clips, worst clips, history and registry know none of it: they go by
errors and units of each clip.
"""
