"""What became of the rows of a data set."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

from schemas.document import Document
from schemas.splits import folds_of, is_fold, teaching

SplitBy = Literal["speaker", "clip", "named speakers", "manifest"]


INGEST_REPORT_FILE = "report.json"


class SplitCounts(Document):
    """What one split holds: clips by label and by known speaker, known speakers by label.

    Labels are those of targets that form groups; of others there are none.
    """

    clips: int
    hours: float
    labels: dict[str, int]
    speakers: dict[str, int]
    speakers_by_label: dict[str, int]

    @classmethod
    def of(cls, clips: Mapping[tuple[str, str], int], seconds: float) -> "SplitCounts":
        """From the clips of each label and speaker, which are empty where there is none."""
        labels: Counter[str] = Counter()
        speakers: Counter[str] = Counter()
        speakers_by_label: Counter[str] = Counter()
        for (label, speaker), count in sorted(clips.items()):
            if label:
                labels[label] += count
                speakers_by_label[label] += bool(speaker)
            if speaker:
                speakers[speaker] += count
        return cls(
            clips=sum(clips.values()),
            hours=seconds / 3600,
            labels=dict(labels),
            speakers=dict(sorted(speakers.items())),
            speakers_by_label=dict(speakers_by_label),
        )


class IngestReport(Document):
    """What became of the rows: rows = clips of all splits + rejects. Of `truncated` clips less was
    there than there should be.
    """

    rows: int
    generated: bool
    split_by: SplitBy
    splits: dict[str, SplitCounts]
    rejects: dict[str, int]
    truncated: int = 0

    @property
    def is_cross_validated(self) -> bool:
        """Whether every clip judges a model once."""
        return any(map(is_fold, self.splits))

    def least_taught(self) -> tuple[dict[str, int], dict[str, int]]:
        """Clips and speakers by label that every training has, at least: a model that a fold
        judges is taught by the others.
        """
        folds = [self.splits[name] for name in folds_of(self.splits)]
        clips, speakers = Counter[str](), Counter[str]()
        for name in teaching(self.splits):
            clips.update(self.splits[name].labels)
            speakers.update(self.splits[name].speakers_by_label)
        return (
            {label: n - _most(label, [f.labels for f in folds]) for label, n in clips.items()},
            {
                label: n - _most(label, [f.speakers_by_label for f in folds])
                for label, n in speakers.items()
            },
        )


def _most(label: str, counts: Iterable[Mapping[str, int]]) -> int:
    return max((each.get(label, 0) for each in counts), default=0)
