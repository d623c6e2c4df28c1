"""What a model is taught, a folder each: what depends on what a clip's target is.

`schemas.tasks` loads them by name. A task's folder is split by what its parts import, since the
command line must not load numpy:

    config.py    the keys of a workflow that it alone has, and conflicts among its keys
    scoring.py   per clip: errors and units, answer, confidence (numpy)
    metrics.py   its metrics and the headline: name, value, interval, unit, which way is better
    details.py   what a verdict holds of this task alone (pydantic)
    gate.py      its rules
    report.py    its sections of the report, with their templates
    card.py      its paragraphs of the model card

Slices, paired comparison, must-pass clips, worst clips, history and registry know none of it: they
go by errors and units of each clip. Reading targets, training and serving do not ask the task yet:
they take one label for a clip.
"""
