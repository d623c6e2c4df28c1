"""Answers of a model on the terminal."""

from components.evaluation.formatting import score_text
from pipeline.cli.output import say
from pipeline.inference.predict import Answer, FilePrediction, Predictions
from schemas.utterance import is_keyword


def print_predictions(predictions: Predictions) -> None:
    """Prints a line for each file: name, label, score, and further labels with theirs.

    A first answer that does not count as heard stands in brackets.

    What went wrong, and what to know about a clip or the model, goes to stderr.
    """
    if predictions.generated:
        say(f"{predictions.model} was trained on generated speech", err=True)
    width = max(len(file.file) for file in predictions.files)
    for file in predictions.files:
        if file.error is not None:
            say(f"{file.file}: {file.error}", err=True)
            continue
        first, *others = file.answers
        shown = [_first_answer(first, file, predictions.threshold)]
        shown += [_answer(answer) for answer in others]
        say(f"{file.file:<{width}}  {'  '.join(shown)}")
        for note in file.notes:
            say(f"{file.file}: {note}", err=True)


def _first_answer(answer: Answer, file: FilePrediction, threshold: float | None) -> str:
    """`stop 0.870`; of what does not count as heard `- (stop 0.410, below 0.620)`, and of what is
    none of a classifier's words `none of them (nearest: stop 0.410)`.
    """
    if file.is_none and threshold is None:
        nearest = "nearest: " if is_keyword(answer.label) else ""
        return f"none of them ({nearest}{_answer(answer)})"
    if file.heard is not False or threshold is None or answer.score is None:
        return _answer(answer)
    shown = f"{answer.label} {score_text(answer.score)}"
    below = f", below {score_text(threshold)}" if answer.score < threshold else ""
    return f"- ({shown}{below})"


def _answer(answer: Answer) -> str:
    return answer.label if answer.score is None else f"{answer.label} {answer.score:.3f}"
