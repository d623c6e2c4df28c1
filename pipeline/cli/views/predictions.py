"""Answers of a model on the terminal."""

import typer

from components.evaluation.formatting import score_text
from pipeline.inference.predict import Answer, Predictions


def print_predictions(predictions: Predictions) -> None:
    """Prints a line for each file: name, label, score, and further labels with theirs.

    A first answer that does not count as heard stands in brackets after a dash.

    What went wrong, and what to know about the model, goes to stderr.
    """
    if predictions.generated:
        typer.echo(f"{predictions.model} was trained on generated speech", err=True)
    width = max(len(file.file) for file in predictions.files)
    for file in predictions.files:
        if file.error is not None:
            typer.echo(f"{file.file}: {file.error}", err=True)
            continue
        first, *others = file.answers
        shown = [_first_answer(first, file.heard, predictions.threshold)]
        shown += [_answer(answer) for answer in others]
        typer.echo(f"{file.file:<{width}}  {'  '.join(shown)}")


def _first_answer(answer: Answer, heard: bool | None, threshold: float | None) -> str:
    """`stop 0.870`; of what does not count as heard `- (stop 0.410, below 0.620)`."""
    if heard is not False or threshold is None or answer.score is None:
        return _answer(answer)
    shown = f"{answer.label} {score_text(answer.score)}"
    below = f", below {score_text(threshold)}" if answer.score < threshold else ""
    return f"- ({shown}{below})"


def _answer(answer: Answer) -> str:
    return answer.label if answer.score is None else f"{answer.label} {answer.score:.3f}"
