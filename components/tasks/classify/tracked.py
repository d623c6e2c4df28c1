"""What a model registry shows of a classifier: its classes, and the confusions between them."""

from components.tasks.classify.charts import labelled_confusion_png
from components.tasks.classify.details import ClassDetails
from components.tasks.pages import Tracked
from schemas.reports.verdict import Verdict


def tracked(verdict: Verdict) -> Tracked:
    """Metrics by name, pictures by file name."""
    details = verdict.details
    assert isinstance(details, ClassDetails)
    metrics = {
        f"{name}/{label}": value
        for label, found in details.classes.items()
        for name, value in (("precision", found.precision), ("recall", found.recall))
        if value is not None
    }
    picture = labelled_confusion_png(details.labels, details.confusion)
    return Tracked(metrics, {"confusion.png": picture})
