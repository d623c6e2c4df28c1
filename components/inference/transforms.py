"""The Beam half of batch inference: parts of the rows become files of answers.

One call of one worker reads a part's rows, has its clips decoded, asks the model, and writes the
whole file. Its bytes do not depend on the runner, and a retry writes the same file again. What says
that a part is done is written after its file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import RunInference

from components.inference.answers import answered_rows, encode, rejected_rows
from components.inference.handler import AnsweredPart, PublishedModel
from components.inference.rows import Format, Part
from components.storage.location import location_of
from schemas.document import Document
from schemas.reports.model_card import ModelCard
from schemas.reports.rejects import Reject

DONE_SUFFIX = ".json"


@dataclass(frozen=True)
class Question:
    """What is asked of whom, and where its answers go: URIs of the folder of the `model`, of the
    file of `rows`, and of the folders of `answers` and of what is `done`.
    """

    model: str
    card: ModelCard
    version: int
    rows: str
    answers: str
    done: str
    form: Format
    settings: str


class DonePart(Document):
    """What a part became: `clips` of its rows were answered, the others are `rejects`."""

    clips: int
    rejects: list[Reject]


class InferClips(beam.PTransform):
    """Applied to a pipeline: writes the answers to `parts`. `processes` of a worker decode."""

    def __init__(self, question: Question, parts: Sequence[Part], processes: int) -> None:
        super().__init__()
        self._question = question
        self._parts = list(parts)
        self._processes = processes

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection[int]:
        asked = self._question
        handler = PublishedModel(asked.model, asked.card, asked.rows, self._processes)
        return (
            pipeline
            | "CreateParts" >> beam.Create(self._parts)
            | "SpreadParts" >> beam.Reshuffle()
            | "RunInference" >> RunInference(handler)
            | "WriteAnswers" >> beam.ParDo(_WriteAnswersFn(asked))
        )


class _WriteAnswersFn(beam.DoFn):
    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question
        self._answered = Metrics.counter("inference", "clips_answered")
        self._rejected = Metrics.counter("inference", "clips_rejected")

    def process(self, answered: AnsweredPart) -> Iterator[int]:
        asked, name = self._question, answered.part.name
        rows = answered_rows(answered, asked.card, asked.version)
        done = DonePart(clips=len(rows), rejects=rejected_rows(answered, asked.settings))
        if rows:
            place = location_of(asked.answers) / f"{name}.{asked.form}"
            place.put(encode(rows, asked.card.labels, asked.form))
        place = location_of(asked.done) / f"{name}{DONE_SUFFIX}"
        place.put(done.model_dump_json().encode())
        self._answered.inc(len(rows))
        self._rejected.inc(len(done.rejects))
        yield len(rows)
