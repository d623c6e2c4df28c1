"""What a part of a table of scores tells of all of it, small enough to be gathered."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from components.evaluation.score_files import ScoreFile, ScoreList
from components.evaluation.scores import ClipScores
from components.evaluation.slices import MOST_VALUES
from schemas.utterance import MUST_PASS

_KEPT = 65_536
_HASHES = 2.0**64

FilePlace = tuple[int, int]  # which file of examples, and which part of it


class DistinctTexts:
    """How many texts differ: exact up to 65,536, estimated to some 0.4 % beyond; 512 kB at most.

    It keeps the lowest of their hashes (Bar-Yossef et al. 2002): of a million texts that are spread
    evenly, the 65,536th lowest lies where a million would put it.
    """

    def __init__(self, hashes: NDArray[np.uint64] | None = None) -> None:
        self.hashes = np.empty(0, np.uint64) if hashes is None else hashes

    @classmethod
    def of(cls, texts: Iterable[str]) -> "DistinctTexts":
        """Of these."""
        digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in set(texts))
        return cls(_lowest(np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)))

    def joined(self, other: "DistinctTexts") -> "DistinctTexts":
        """Of both together."""
        return DistinctTexts(_lowest(np.concatenate([self.hashes, other.hashes])))

    @property
    def count(self) -> int:
        """How many."""
        if len(self.hashes) < _KEPT:
            return len(self.hashes)
        return round((_KEPT - 1) / ((float(self.hashes[-1]) + 1) / _HASHES))


def _lowest(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.unique(hashes)[:_KEPT]


@dataclass(frozen=True)
class ScoreSummary:
    """`files` by their place; `values` of each feature, `counted` the features that clips which
    need not pass have; `grouped_by` is a feature that is never too many values.
    """

    files: dict[FilePlace, ScoreFile] = field(default_factory=dict)
    values: dict[str, DistinctTexts] = field(default_factory=dict)
    counted: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        place: FilePlace,
        name: str,
        scores: ClipScores,
        features: Sequence[Mapping[str, str]],
    ) -> "ScoreSummary":
        """Of the part in the file `name`, whose clips have these features, those with too many
        values among them.
        """
        names = {name for clip in features for name in clip} | scores.features.keys()
        counted = scores.select(~scores.is_must_pass)
        return cls(
            files={place: ScoreFile(name=name, clips=len(scores), examples=place[0])},
            values={
                name: DistinctTexts.of(scores.features[name].distinct())
                if name in scores.features
                else DistinctTexts.of(clip.get(name, "") for clip in features)
                for name in names
            },
            counted=frozenset(n for n, texts in counted.features.items() if any(texts.distinct())),
        )

    def joined(self, other: "ScoreSummary") -> "ScoreSummary":
        """Of both parts."""
        values = {
            name: self._values(name).joined(other._values(name))
            for name in self.values.keys() | other.values.keys()
        }
        return ScoreSummary(self.files | other.files, values, self.counted | other.counted)

    def _values(self, name: str) -> DistinctTexts:
        """Clips without a feature have an empty one."""
        has_clips = any(file.clips for file in self.files.values())
        return self.values.get(name, DistinctTexts.of([""] if has_clips else []))

    def listed(self, grouped_by: str | None, *, has_baseline: bool, incomparable: str) -> ScoreList:
        """The list of files; `grouped_by` repeats the target, and slices however many there are."""
        names = sorted(self.values)
        kept = [name for name in names if self.values[name].count <= MOST_VALUES]
        features = [name for name in (grouped_by,) if name] + [n for n in kept if n != grouped_by]
        has_hard = MUST_PASS in self.values
        return ScoreList(
            files=[file for _, file in sorted(self.files.items())],
            features=features,
            counted_features=[n for n in features if not has_hard or n in self.counted],
            unsliced={n: self.values[n].count for n in names if n not in features},
            has_baseline=has_baseline,
            incomparable=incomparable,
        )
