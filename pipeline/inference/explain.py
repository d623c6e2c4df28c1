"""Says which times and frequencies of a clip decided the answer of a workflow's newest model.

The clip is read, and the model found, as `pipeline.inference.predict` does it. Times are those of
the clip after conditioning (trimmed, padded or cropped), since that is what the model hears.
"""

from pathlib import Path

import numpy as np
from pydantic import BaseModel

from pipeline.inference.predict import TrainedModel
from schemas.errors import InputError


class Stretch(BaseModel):
    """A stretch of time, and its share of all that speaks for the label."""

    start_s: float
    end_s: float
    share: float


class Method(BaseModel):
    """What one method found: the stretches that decided most, and what each frame adds."""

    decisive: list[Stretch]
    by_frame: list[float]


class Explanation(BaseModel):
    """Why one clip was answered as it was, by the name of each method.

    `silence_score` is the label's score where everything is a pause. `agreement` is the rank
    correlation of the methods over time, None where one found nothing. `unexplained` is what the
    integrated gradients miss of `score - silence_score`. `description` says what the picture shows.
    """

    model: str
    version: int | None
    run: int | None = None
    generated: bool
    file: str
    label: str
    score: float
    silence_score: float
    times_s: list[float]
    methods: dict[str, Method]
    agreement: float | None
    unexplained: float
    picture: str
    description: str


def explain_file(published: TrainedModel, file: Path, picture: Path) -> Explanation:
    """Explains the most likely label of `file`, and writes the PNG `picture`.

    Raises InputError where the model cannot be used or explained, the file cannot be used, or the
    picture not be written.
    """
    card = published.card
    if not card.labels:
        raise InputError(f"answers of task {card.task!r} cannot be explained: it has no labels")
    [read] = published.read([file])
    if isinstance(read, str):
        raise InputError(f"{file}: {read}")
    from components.explanation.explain import attribute, is_explainable
    from components.explanation.picture import explanation_png, explanation_text
    from components.explanation.salient_ranges import agreement, decisive_ranges

    model = published.saved_model
    if not is_explainable(model):
        raise InputError(
            f"{published.folder} is of an earlier version of auricle, whose models cannot"
            " be explained; `auricle run` makes one that can"
        )
    clip = published.hear(read.waveform)
    if isinstance(clip, str):
        raise InputError(f"{file}: {clip}")
    scores = np.asarray(model.scores_of_features(model.features(clip[None])))[0]
    label = card.labels[int(scores.argmax())]
    [attributions] = attribute(model, card, clip[None], [int(scores.argmax())])
    gradients, occluded = attributions.values()
    _write(picture, explanation_png(attributions, label))
    return Explanation(
        model=card.name,
        version=published.version,
        run=published.run,
        generated=card.generated,
        file=str(file),
        label=label,
        score=gradients.score,
        silence_score=gradients.silence_score,
        times_s=gradients.times_s.tolist(),
        methods={
            method: Method(
                decisive=[Stretch(**vars(each)) for each in decisive_ranges(attribution)],
                by_frame=attribution.by_frame.tolist(),
            )
            for method, attribution in attributions.items()
        },
        agreement=agreement(gradients, occluded),
        unexplained=gradients.unexplained,
        picture=str(picture),
        description=explanation_text(attributions, label),
    )


def _write(picture: Path, content: bytes) -> None:
    try:
        picture.write_bytes(content)
    except OSError as error:
        raise InputError(f"--output: {picture}: {error.strerror}") from error
