"""What models answer on the clips of files of examples: workers write a part of the table each.

Beside the table of the clips as they are, there is one for each condition they are heard under.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
from apache_beam.utils.shared import Shared

from components.evaluation.coded import Coded
from components.evaluation.score_files import SCORES_FILE, condition_folder, write_scores
from components.evaluation.score_summary import FilePlace, ScoreSummary
from components.evaluation.scores import SPEAKER, ClipScores
from components.evaluation.slices import slice_features, tabulate
from components.evaluator.asked_model import AskedModel, Outputs
from components.evaluator.disturbances import Disturb, Disturbances
from components.examples import read_files
from components.storage.location import Location, location_of
from components.tasks import feeding, parts
from components.versions.model_card import read_card
from schemas.example import FeatureValue, decode_example
from schemas.progress import report_progress
from schemas.tfrecord import framed_bytes

CLIPS_OF_A_FILE = 50_000
_BATCH_CLIPS = 256


@dataclass(frozen=True)
class AskedModels:
    """Who is asked: the folders of `saved_models`, the candidate first. `incomparable` says why
    there is no baseline among them, if there might have been one.
    """

    saved_models: tuple[str, ...]
    task: str
    incomparable: str = ""


@dataclass(frozen=True)
class Heard:
    """The conditions that clips are heard under, besides as they are: their `names`, of at most
    how many `clips`, and a list of recordings of `noise`, by URI, where it is not generated.
    """

    names: tuple[str, ...] = ()
    clips: int = 0
    noise: str = ""


def score_files(
    pipeline: beam.Pipeline,
    files: Sequence[str],
    asked: AskedModels,
    folder: str,
    heard: Heard = Heard(),
) -> None:
    """Has a pipeline write the answers to the clips of TFRecord `files` into `folder`, and a list
    of what it wrote when all is there; of each condition, into a folder of its own.
    """
    # Of no file too: that says which outputs there are.
    numbered = list(enumerate(files)) or [(0, "")]
    most = -(-heard.clips // len(numbered))
    wanted = [(name, *each) for name in ("", *heard.names) for each in numbered]
    _ = (
        pipeline
        | "CreateFiles" >> beam.Create(wanted)
        | "SpreadFiles" >> beam.Reshuffle()
        | "ScoreClips" >> beam.ParDo(_ScoreClipsFn(asked, folder, heard.noise, most))
        | "Summarise" >> beam.CombinePerKey(_JoinFn())
        | "WriteList" >> beam.Map(_write_list, asked, folder)
    )


class ClipScorer:
    """Makes tables of scores; holds the models."""

    def __init__(self, asked: AskedModels) -> None:
        self._scoring = parts.scoring(asked.task)
        self._targeting = feeding.features(asked.task)
        self._incomparable = asked.incomparable
        self._cards = [read_card(folder) for folder in asked.saved_models]
        self._models = [AskedModel(folder, self._scoring.OUTPUTS) for folder in asked.saved_models]

    def score(
        self, records: Iterable[bytes], disturb: Disturb | None = None
    ) -> tuple[ClipScores, list[dict[str, str]]]:
        """What each model answers on the clips, and all their features, those with too many values
        to slice by among them. With `disturb` it hears what that makes of them.
        """
        clips = _Clips(self._targeting)
        outputs: list[list[Outputs]] = [[] for _ in self._models]
        rest = iter(records)
        while (batch := list(itertools.islice(rest, _BATCH_CLIPS))) or not outputs[0]:
            examples = [decode_example(record) for record in batch]
            if disturb is not None:
                batch = [disturb(example) for example in examples]
            folds = [model.unheard(examples) for model in self._models]
            for batches, model, asked in zip(outputs, self._models, folds, strict=True):
                batches.append(model.answer(batch, asked))
            for example, fold in zip(examples, folds[0].tolist(), strict=True):
                clips.add(example, fold)
        return self._table(clips, [_joined(batches) for batches in outputs]), clips.features

    def _table(self, clips: "_Clips", outputs: list[Outputs]) -> ClipScores:
        targets = np.array(clips.targets, np.str_)
        judged = [
            self._scoring.judge(targets, answered, card)
            for answered, card in zip(outputs, self._cards, strict=True)
        ]
        features, unsliced = tabulate(clips.features)
        if self._targeting.GROUPED_BY is not None:
            features = {self._targeting.GROUPED_BY: Coded.of(targets), **features}
        return ClipScores(
            ids=np.array(clips.ids, np.str_),
            targets=Coded.of(targets),
            units=self._scoring.units(targets),
            speakers=Coded.of([each.get(SPEAKER, "") for each in clips.features]),
            folds=Coded.of(clips.folds),
            features=features,
            unsliced=unsliced,
            candidate=judged[0],
            baseline=judged[1] if len(judged) > 1 else None,
            incomparable=self._incomparable,
        )


class _ScoreClipsFn(beam.DoFn):
    """Writes the answers to a file of examples, as often as it is tried the same bytes under the
    same names.
    """

    def __init__(self, asked: AskedModels, folder: str, noise: str, most: int) -> None:
        """`most` clips of a file are heard under a condition."""
        super().__init__()
        self._asked, self._folder, self._noise, self._most = asked, folder, noise, most
        self._shared = Shared()
        self._scorer: ClipScorer | None = None
        self._done = 0

    def setup(self) -> None:
        self._scorer = self._shared.acquire(lambda: ClipScorer(self._asked))  # one a process
        self._disturbances = Disturbances(read_card(self._asked.saved_models[0]), self._noise)

    def process(self, element: tuple[str, int, str]) -> Iterator[tuple[str, ScoreSummary]]:
        condition, number, file = element
        files = [file] if file else []
        if not condition:
            records, folder = read_files(files), location_of(self._folder)
            for each in self._score(records, number, folder, None):
                yield condition, each
            return
        step = max(1, -(-sum(1 for _ in read_files(files)) // self._most))
        some = itertools.islice(read_files(files), 0, None, step)
        disturb = functools.partial(self._disturbances.apply, condition)
        for each in self._score(some, number, condition_folder(self._folder, condition), disturb):
            yield condition, each

    def _score(
        self,
        found: Iterable[bytes],
        number: int,
        folder: Location,
        disturb: Disturb | None,
    ) -> Iterator[ScoreSummary]:
        """Writes the answers to the records of the file of this number, part by part."""
        assert self._scorer is not None
        records, start = self._counted(found), 0
        for part in itertools.count():
            sizes: list[int] = []
            some = _sized(itertools.islice(records, CLIPS_OF_A_FILE), sizes)
            scores, features = self._scorer.score(some, disturb)
            offsets = list(itertools.accumulate(sizes, initial=start))
            start = offsets.pop()
            if part and not len(scores):
                return
            place: FilePlace = (number, part)
            name = f"test-{number:05}-{part:05}.npz"
            write_scores(scores, folder / name, offsets if disturb is None else None)
            yield ScoreSummary.of(place, name, scores, features)
            if len(scores) < CLIPS_OF_A_FILE:
                return

    def _counted(self, records: Iterable[bytes]) -> Iterator[bytes]:
        for record in records:
            yield record
            self._done += 1
            if not self._done % _BATCH_CLIPS:
                report_progress(self._done, self._done, "clips scored")


def _sized(records: Iterable[bytes], sizes: list[int]) -> Iterator[bytes]:
    """The records, whose bytes in their file are added to `sizes`."""
    for record in records:
        sizes.append(framed_bytes(record))
        yield record


class _JoinFn(beam.CombineFn):
    def create_accumulator(self) -> ScoreSummary:
        return ScoreSummary()

    def add_input(self, summary: ScoreSummary, element: ScoreSummary) -> ScoreSummary:
        return summary.joined(element)

    def merge_accumulators(self, accumulators: Iterable[ScoreSummary]) -> ScoreSummary:
        merged = ScoreSummary()
        for each in accumulators:
            merged = merged.joined(each)
        return merged

    def extract_output(self, summary: ScoreSummary) -> ScoreSummary:
        return summary


def _write_list(found: tuple[str, ScoreSummary], asked: AskedModels, folder: str) -> None:
    condition, summary = found
    listed = summary.listed(
        feeding.features(asked.task).GROUPED_BY,
        has_baseline=len(asked.saved_models) > 1,
        incomparable=asked.incomparable,
    )
    content = listed.model_dump_json(indent=2).encode()
    place = condition_folder(folder, condition) if condition else location_of(folder)
    (place / SCORES_FILE).put(content)


class _Clips:
    """What is kept of the clips while models are asked, a list each."""

    def __init__(self, targeting: feeding.Features) -> None:
        self._targeting = targeting
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.folds: list[str] = []
        self.features: list[dict[str, str]] = []

    def add(self, example: Mapping[str, FeatureValue], fold: str) -> None:
        self.ids.append(str(example["id"]))
        self.targets.append(self._targeting.decode_target(example))
        self.folds.append(fold)
        self.features.append(slice_features(example))


def _joined(batches: list[Outputs]) -> Outputs:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
