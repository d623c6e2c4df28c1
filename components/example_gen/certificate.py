"""The split certificate of stored shards: in one process of few clips, by grouping of many.

What `leakage.certify` finds among clips that one process holds, `CertifySplits` finds on any number
of workers, with nothing in one place that grows with the clips: workers read the ledgers of their
shards; speakers, samples and pieces of fingerprints meet by Beam's grouping, in blocks of numbers
that name clips by shard and row; what met is looked up in the ledgers again. Text and fingerprints
travel for those only that met, samples never. `certify_on_disk` takes the same steps in one
process, and groups in scratch files: Beam's local runner groups in memory.
"""

import base64
import contextlib
import functools
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import apache_beam as beam
import numpy as np

from components.audio.fingerprint import SAME_RECORDING, correlation
from components.audio.pcm16 import from_pcm16
from components.example_gen.files import open_uncompressed
from components.example_gen.groups import Groups
from components.example_gen.index import Index, read_index, read_rows
from components.example_gen.leakage import (
    MOST_CANDIDATES,
    MOST_DIFFERENT_BITS,
    PAIRS_AT_ONCE,
    Found,
    Prints,
    StoredClip,
    certify,
    different_bits,
    fewest_pieces,
    leak_of,
    leak_of_speaker,
)
from components.example_gen.pieces import find_pieces, parts_of, shared_pieces, split_codes
from components.example_gen.shard_entry import Entry, Shard, TargetFeatures
from components.example_gen.shards import ShardStore
from schemas.example import decode_example
from schemas.reports.leakage import SplitCertificate
from schemas.tfrecord import unframe_record
from schemas.utterance import is_must_pass

_CLIPS_IN_PART = 1 << 20  # whose samples meet in one place: 40 bytes each
_PIECES_IN_PART = 1 << 20  # some 100 bytes each while they are joined
_ROW_BITS = 32  # of the number that names a clip; those above are its shard's

Block: TypeAlias = tuple[int, np.ndarray]  # number of a shard, and what is said of its rows


class Near(NamedTuple):
    """A clip that may be the recording of others, and where its record is."""

    id: str
    split: str
    shard: int
    entry: Entry


class Others(NamedTuple):
    """Clips of one shard that may be recordings of clips of another, packed: chance makes many.

    `pairs` are int32 [pairs, 3]: row of the other shard's clip, position of ours, shift. Ours have
    `ids`, start and length of their records in `places`, int64 [clips, 2], and fingerprints, one
    after another in `prints`, uint16, that end at `ends`, int64 [clips].
    """

    shard: int
    pairs: np.ndarray
    ids: list[str]
    places: np.ndarray
    prints: np.ndarray
    ends: np.ndarray

    def near(self, position: int, split: str) -> Near:
        """One of ours."""
        start, length = self.places[position].tolist()
        return Near(self.ids[position], split, self.shard, Entry("", start, length))


def certify_shards(index_uri: str, index: Index, store: ShardStore) -> SplitCertificate:
    """The certificate of all stored shards, made of their ledgers and a few of their records."""
    clips: list[StoredClip] = []
    places: list[tuple[Shard, Entry]] = []
    with open_uncompressed(index_uri) as file:
        for shard in index.shards:
            entries = store.entries(shard)
            for row, entry in zip(read_rows(file, shard), entries, strict=True):
                if not entry.is_reject:
                    clips.append(_stored_clip(row, entry, shard.split, index.target))
                    places.append((shard, entry))
    return certify(clips, lambda number: _read_waveform(store, *places[number]))


class CertifySplits(beam.PTransform):
    """`Shard`s that are stored -> one `SplitCertificate`, of the `rows` in them."""

    def __init__(self, index_uri: str, store_uri: str, settings: str, rows: int) -> None:
        super().__init__()
        self._places = index_uri, store_uri, settings
        self._rows = rows

    def expand(self, shards: beam.PCollection[Shard]) -> beam.PCollection[SplitCertificate]:
        places, rows = self._places, self._rows
        seen = shards | "ReadClips" >> beam.ParDo(_ReadClipsFn(*places, rows)).with_outputs()
        speakers = (
            seen.speakers
            | "GroupSpeakers" >> beam.CombinePerKey(_union)
            | "FindSpeakers" >> beam.FlatMap(_speaker_leaks)
        )
        marks = seen.sums | "GroupSums" >> beam.GroupByKey() | "FindCopies" >> beam.ParDo(_copies)
        told = (
            {"shard": seen.shards, "marks": marks}
            | "GroupMarks" >> beam.CoGroupByKey()
            | "ReadPieces" >> beam.ParDo(_ReadPiecesFn(*places, rows)).with_outputs()
        )
        copies = told.members | "GroupCopies" >> beam.GroupByKey() | beam.MapTuple(_found_copies)
        near = (
            told.pieces
            | "GroupPieces" >> beam.GroupByKey()
            | "JoinPieces" >> beam.ParDo(_JoinPiecesFn(*places))
            | "GroupOthers" >> beam.GroupByKey()
            | "ReadOthers" >> beam.ParDo(_ReadOthersFn(*places))
            | "GroupCandidates" >> beam.GroupByKey()
            | "CompareCandidates" >> beam.ParDo(_CompareFn(*places))
        )
        found = (seen.found, speakers, copies, near) | beam.Flatten()
        return found | beam.CombineGlobally(_merged) | beam.Map(Found.certificate)


def certify_on_disk(
    shards: Sequence[Shard], index_uri: str, store_uri: str, settings: str, rows: int
) -> SplitCertificate:
    """What `CertifySplits` says of all shards of an index, with the memory of one or two of them.

    Raises:
        sqlite3.OperationalError: this machine's folder for scratch files is full.
    """
    places = index_uri, store_uri, settings
    found, speakers = Found(), defaultdict[str, set[str]](set)
    with contextlib.ExitStack() as stack:
        sums, marks, members, pieces, others, candidates = (
            stack.enter_context(Groups()) for _ in range(6)
        )
        for output in _outputs(_ReadClipsFn(*places, rows), shards):
            if output.tag == "found":
                found.merged(output.value)
            elif output.tag == "speakers":
                speakers[output.value[0]] |= output.value[1]
            elif output.tag == "sums":
                sums.add(*output.value)
        for number, mark in itertools.chain.from_iterable(map(_copies, sums)):
            marks.add(number, mark)
        numbers = range(len(shards))
        told = ((number, {"marks": list(marks.values(number))}) for number in numbers)
        for output in _outputs(_ReadPiecesFn(*places, rows), told):
            {"members": members, "pieces": pieces}[output.tag].add(*output.value)
        for number, joined in _outputs(_JoinPiecesFn(*places), pieces):
            others.add(number, joined)
        for number, packed in _outputs(_ReadOthersFn(*places), others):
            candidates.add(number, packed)
        leaks = itertools.chain(
            itertools.chain.from_iterable(map(_speaker_leaks, speakers.items())),
            itertools.starmap(_found_copies, members),
            _outputs(_CompareFn(*places), candidates),
        )
        return functools.reduce(Found.merged, leaks, found).certificate()


def _outputs(function: "_ShardFn", elements: Iterable[Any]) -> Iterator[Any]:
    """What a step of Beam gives for each element, in this process."""
    function.setup()
    return itertools.chain.from_iterable(map(function.process, elements))


class _ShardFn(beam.DoFn):
    """Has the table of shards and their store at hand; a shard is named by its number in it."""

    def __init__(self, index_uri: str, store_uri: str, settings: str, rows: int = 0) -> None:
        super().__init__()
        self._index_uri = index_uri
        self._store_uri, self._settings = store_uri, settings
        self._rows = rows

    def setup(self) -> None:
        with open_uncompressed(self._index_uri) as file:
            index = read_index(file)
        self._shards, self._target = index.shards, index.target
        self._codes = split_codes([shard.split for shard in index.shards])
        self._store = ShardStore(self._store_uri, self._settings)

    def _clips(self, number: int) -> dict[int, tuple[StoredClip, Entry]]:
        """What is stored in a shard, by row."""
        shard = self._shards[number]
        with open_uncompressed(self._index_uri) as file:
            rows = read_rows(file, shard)
        return {
            place: (_stored_clip(row, entry, shard.split, self._target), entry)
            for place, (row, entry) in enumerate(zip(rows, self._store.entries(shard), strict=True))
            if not entry.is_reject
        }


class _ReadClipsFn(_ShardFn):
    """`Shard` -> speakers with their splits, sums of samples in parts, how many clips there are."""

    def setup(self) -> None:
        super().setup()
        self._numbers = {shard: number for number, shard in enumerate(self._shards)}

    def process(self, shard: Shard) -> Iterator[Any]:
        number = self._numbers[shard]
        clips = self._clips(number)
        yield beam.pvalue.TaggedOutput("shards", (number, number))
        yield beam.pvalue.TaggedOutput("found", Found(clips=len(clips)))
        for speaker in sorted({clip.speaker for clip, _ in clips.values()} - {""}):
            yield beam.pvalue.TaggedOutput("speakers", (speaker, {shard.split}))
        sums = [bytes.fromhex(clip.pcm_sha256)[:16] for clip, _ in clips.values()]
        table = np.empty((len(clips), 3), np.uint64)
        table[:, 0] = list(clips)
        table[:, 1:] = np.frombuffer(b"".join(sums), np.uint64).reshape(-1, 2)
        parts = (table[:, 1] % np.uint64(1 + self._rows // _CLIPS_IN_PART)).astype(np.int64)
        for part in np.unique(parts).tolist():
            yield beam.pvalue.TaggedOutput("sums", (part, (number, table[parts == part])))


def _copies(part: tuple[int, Iterable[Block]]) -> Iterator[tuple[int, np.ndarray]]:
    """Of clips with the same sum of samples: shard -> [row, group, is not the first] of each."""
    blocks = list(part[1])
    table = np.concatenate([rows for _, rows in blocks])
    shards = np.repeat([number for number, _ in blocks], [len(rows) for _, rows in blocks])
    order = np.lexsort((table[:, 0], shards, table[:, 2], table[:, 1]))
    table, shards = table[order], shards[order]
    same = (table[1:, 1:] == table[:-1, 1:]).all(axis=1)
    follows = np.concatenate([[False], same])
    is_copy = follows | np.concatenate([same, [False]])
    groups = np.cumsum(~follows)
    marked = np.stack([table[:, 0].astype(np.int64), groups, follows], axis=1)[is_copy]
    marked[:, 1] |= part[0] << _ROW_BITS
    owners = shards[is_copy]
    for number in np.unique(owners).tolist():
        yield number, marked[owners == number]


class _ReadPiecesFn(_ShardFn):
    """A shard, and which clips in it are copies -> those; of first ones the pieces, in parts."""

    def process(self, told: tuple[int, Mapping[str, list[np.ndarray]]]) -> Iterator[Any]:
        number, marks = told[0], [mark for table in told[1]["marks"] for mark in table.tolist()]
        clips = {row: clip for row, (clip, _) in self._clips(number).items()}
        for row, group, _ in marks:
            clip = clips[row]
            yield beam.pvalue.TaggedOutput("members", (group, (clip.id, clip.split, clip.target)))
        for row, _, is_later in marks:
            if is_later:
                del clips[row]
        if not clips:
            return
        fewest = fewest_pieces(self._rows)
        prints = [clip.fingerprint for clip in clips.values()]
        pieces, owners, places = find_pieces(prints, fewest)
        table = np.stack([pieces, np.array(list(clips))[owners], places], axis=1).astype(np.uint32)
        parts = parts_of(pieces, 1 + 2 * fewest * self._rows // _PIECES_IN_PART)
        for part in np.unique(parts).tolist():
            yield beam.pvalue.TaggedOutput("pieces", (part, (number, table[parts == part])))


class _JoinPiecesFn(_ShardFn):
    """Pieces of one part -> candidates [one, row of the other, shift], by the other's shard."""

    def process(self, part: tuple[int, Iterable[Block]]) -> Iterator[Block]:
        blocks = list(part[1])
        table = np.concatenate([rows for _, rows in blocks])
        shards = np.repeat([number for number, _ in blocks], [len(rows) for _, rows in blocks])
        owners = shards << _ROW_BITS | table[:, 1]
        places = table[:, 2].astype(np.int64)
        for found in shared_pieces(table[:, 0], owners, places, self._codes[shards]):
            ones, others, shifts = found
            candidates = np.stack([ones, others & ((1 << _ROW_BITS) - 1), shifts], axis=1)
            of_shard = others >> _ROW_BITS
            for number in np.unique(of_shard).tolist():
                yield number, candidates[of_shard == number]


class _ReadOthersFn(_ShardFn):
    """A shard and the candidates whose other clip is in it -> `Others`, by the shard of the one."""

    def process(self, told: tuple[int, Iterable[np.ndarray]]) -> Iterator[tuple[int, Others]]:
        clips = self._clips(told[0])
        candidates = np.unique(np.concatenate(list(told[1])), axis=0)
        of_shard = candidates[:, 0] >> _ROW_BITS
        for number in np.unique(of_shard).tolist():
            ones, others, shifts = candidates[of_shard == number].T
            rows, positions = np.unique(others, return_inverse=True)
            found = [clips[row] for row in rows.tolist()]
            prints = [clip.fingerprint for clip, _ in found]
            ones = ones & ((1 << _ROW_BITS) - 1)
            yield (
                number,
                Others(
                    told[0],
                    np.stack([ones, positions, shifts], axis=1).astype(np.int32),
                    [clip.id for clip, _ in found],
                    np.array([(entry.start, entry.length) for _, entry in found], np.int64),
                    np.concatenate(prints),
                    np.cumsum([len(each) for each in prints]),
                ),
            )


class _CompareFn(_ShardFn):
    """A shard and the candidates whose one clip is in it -> the pairs that are one recording."""

    def process(self, told: tuple[int, Iterable[Others]]) -> Iterator[Found]:
        clips = self._clips(told[0])
        near: dict[int, dict[Near, float]] = defaultdict(dict)
        rows = sorted(clips)
        own = Prints.of([clips[row][0].fingerprint for row in rows])
        for others in told[1]:
            packed = Prints(others.prints, others.ends)
            split = self._shards[others.shard].split
            pairs = others.pairs.astype(np.int64)
            pairs[:, 0] = np.searchsorted(rows, pairs[:, 0])
            for start in range(0, len(pairs), PAIRS_AT_ONCE):
                some = pairs[start : start + PAIRS_AT_ONCE]
                bits = different_bits(own, packed, some)
                for place in np.flatnonzero(bits <= MOST_DIFFERENT_BITS).tolist():
                    one, position, _ = some[place].tolist()
                    nearest, other = near[rows[one]], others.near(position, split)
                    nearest[other] = min(float(bits[place]), nearest.get(other, 1.0))
        found = Found()
        for row, nearest in near.items():
            clip, entry = clips[row]
            waveform = _read_waveform(self._store, self._shards[told[0]], entry)
            for other in sorted(nearest, key=lambda each: (nearest[each], each))[:MOST_CANDIDATES]:
                theirs = _read_waveform(self._store, self._shards[other.shard], other.entry)
                if correlation(waveform, theirs) >= SAME_RECORDING:
                    found.add(leak_of("near_duplicate", [(clip.id, clip.split), other[:2]]))
        yield found


def _stored_clip(
    row: Mapping[str, Any], entry: Entry, split: str, target: TargetFeatures
) -> StoredClip:
    # Of a clip that must pass, only the recording must not have been heard before.
    speaker = "" if is_must_pass(row["metadata"]) else row["speaker"]
    text = _target_text(row, target)
    return StoredClip(row["id"], split, speaker, entry.pcm_sha256, _fingerprint(entry), text)


def _fingerprint(entry: Entry) -> np.ndarray:
    return np.frombuffer(base64.b64decode(entry.fingerprint), np.uint16)


def _target_text(row: Mapping[str, object], target: TargetFeatures) -> str:
    """What a row is to be answered, as text: its features where it is more than one."""
    values = [row[name] for name in target.kinds]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else json.dumps(values)


def _read_waveform(store: ShardStore, shard: Shard, entry: Entry) -> np.ndarray:
    example = decode_example(unframe_record(store.read(shard, entry)))
    assert isinstance(example["audio"], bytes)
    return from_pcm16(example["audio"])


def _union(splits: Iterable[set[str]]) -> set[str]:
    return set().union(*splits)


def _speaker_leaks(found: tuple[str, set[str]]) -> Iterator[Found]:
    if len(found[1]) > 1:
        leaks = Found()
        leaks.add(leak_of_speaker(*found))
        yield leaks


def _found_copies(group: int, members: Iterable[tuple[str, str, str]]) -> Found:
    found, nothing = Found(), np.empty(0, np.uint16)
    found.add_copies(
        [StoredClip(id_, split, "", "", nothing, target) for id_, split, target in members]
    )
    return found


def _merged(found: Iterable[Found]) -> Found:
    return functools.reduce(Found.merged, found, Found())
