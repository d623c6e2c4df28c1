"""An explanation on the terminal."""

from pipeline.cli.output import say
from pipeline.inference.explain import Explanation


def print_explanation(explanation: Explanation) -> None:
    """Prints label and score, the times that decided by each method, and where the picture is."""
    from components.explanation.salient_ranges import TimeRange, in_words

    if explanation.generated:
        say(f"{explanation.model} was trained on generated speech", err=True)
    say(f"{explanation.file}  {explanation.label} {explanation.score:.3f}")
    rows = {
        f"by {name}": in_words([TimeRange(**each.model_dump()) for each in method.decisive])
        for name, method in explanation.methods.items()
    }
    rows["agreement"] = "none to speak of: a method found nothing"
    if explanation.agreement is not None:
        rows["agreement"] = f"{explanation.agreement:.2f}, rank correlation over time"
    rows["picture"] = explanation.picture
    width = max(map(len, rows))
    for key, value in rows.items():
        say(f"{key:>{width}}  {value}")
