"""Tables of scores in files: a file for some of the clips each, and a list of these files.

Workers write the files, each without knowing of the others; who judges reads a few columns of all.
"""

import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from components.evaluation.coded import Coded
from components.evaluation.scores import NAMES, OUTPUT, ClipScores, ModelScores
from components.evaluation.stored_columns import (
    Array,
    StoredOutputs,
    StoredRows,
    StoredTexts,
    opened,
)
from components.storage.location import Location, location_of
from schemas.document import Document
from schemas.tasks import FIRST_TASK, load_part

_CONDITIONS = "conditions"  # the folder of the tables of clips under conditions
SCORES_FILE = "test.json"  # the list; before tables were in several files, test.npz was all
_FEATURE = "feature "
_VALUES = "values "  # of the texts whose codes are stored under the rest of the name
_CANDIDATE, _BASELINE = "candidate", "baseline"
_OFFSETS = "offsets"
_NUMBERS = ("errors", "is_right", "confidence", "merit", "is_known")


RecordPlace = tuple[int, int]  # number of a file of examples, and the byte in it


class ScoreFile(Document):
    """A file beside the list, of how many clips it is, and the number of the file of examples that
    they are in; None where that may have been changed since.
    """

    name: str
    clips: int
    examples: int | None = None


class ScoreList(Document):
    """The files of one table in the order of its clips, and what none of them knows alone.

    `features` are what all clips are sliced by, `counted_features` the same without those that only
    clips that must pass have; `unsliced` have too many values, with how many.
    """

    files: list[ScoreFile]
    features: list[str]
    counted_features: list[str]
    unsliced: dict[str, int]
    has_baseline: bool
    incomparable: str

    @property
    def clips(self) -> int:
        """Of all files."""
        return sum(file.clips for file in self.files)


def write_scores(
    scores: ClipScores, file: Path | Location, offsets: Sequence[int] | None = None
) -> None:
    """Writes a table, or a part of one, as compressed numpy arrays; `offsets` is where in their
    file of examples the records of its clips begin, in bytes.
    """
    known = {} if offsets is None else {_OFFSETS: np.array(offsets, np.int64)}
    arrays: dict[str, Array] = {
        **known,
        "ids": np.asarray(scores.ids),
        "units": scores.units,
        "incomparable": np.array(scores.incomparable, np.str_),
        "unsliced_names": np.array(list(scores.unsliced), np.str_),
        "unsliced_values": np.array(list(scores.unsliced.values()), np.int64),
        **_stored("targets", scores.targets),
        **_stored("speakers", scores.speakers),
        **_stored("folds", scores.folds),
        **_model_arrays(_CANDIDATE, scores.candidate),
    }
    for name, texts in scores.features.items():
        arrays |= _stored(f"{_FEATURE}{name}", texts)
    if scores.baseline is not None:
        arrays |= _model_arrays(_BASELINE, scores.baseline)
    write_arrays(arrays, file)


def write_arrays(arrays: Mapping[str, Array], file: Path | Location) -> None:
    """Writes compressed numpy arrays by name."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    location_of(file).put(buffer.getvalue())


def condition_folder(folder: str | Path | Location, condition: str) -> Location:
    """Where the table of the clips under a condition lies, beside that of the clips as they are."""
    return location_of(folder) / _CONDITIONS / condition


def read_conditions(folder: str | Path | Location) -> dict[str, ClipScores]:
    """The tables of all conditions, by their names."""
    places = _condition_folders(folder)
    return {place.name: read_scores(place / SCORES_FILE) for place in places}


def _condition_folders(folder: str | Path | Location) -> list[Location]:
    place = location_of(folder) / _CONDITIONS
    return [place / name for name in sorted(place.children()[1])]


def scores_file(folder: str | Path | Location) -> Location:
    """Where the table of scores in an artifact's folder begins to be read."""
    listed = location_of(folder) / SCORES_FILE
    return listed if listed.is_present() else location_of(folder) / "test.npz"


def read_list(file: Path | Location) -> ScoreList:
    """The files of a table.

    Raises:
        OSError: it is not there.
        ValueError: it is another file.
    """
    return ScoreList.model_validate_json(location_of(file).read())


def find_records(file: Location, places: Sequence[int]) -> dict[int, RecordPlace]:
    """Where the examples of the clips at these places of a table lie; nothing where it does not
    tell, as one of before there was a list.
    """
    if file.name.endswith(".npz") or not places:
        return {}
    listed = read_list(file)
    numbers = [each.examples for each in listed.files if each.examples is not None]
    if len(numbers) < len(listed.files):
        return {}
    rows = StoredRows(
        [file.parent / each.name for each in listed.files], [each.clips for each in listed.files]
    )
    wanted = np.array(sorted(set(places)), np.intp)
    ends = np.cumsum([each.clips for each in listed.files])
    holders = np.searchsorted(ends, wanted, side="right").tolist()
    offsets = rows.select(wanted).read(_OFFSETS).tolist()
    return {
        place: (numbers[holder], offset)
        for place, holder, offset in zip(wanted.tolist(), holders, offsets, strict=True)
    }


def read_scores(file: str | Path | Location) -> ClipScores:
    """A table by its list; or one that `write_scores` wrote, now or before tasks had names.

    Of a table by its list, ids and outputs stay in the files until they are asked for.

    Raises:
        OSError: it is not there.
        ValueError: it is another file.
    """
    place = location_of(file)
    if place.name.endswith(".npz"):
        return _read_file(place)
    listed = read_list(place)
    files = [place.parent / each.name for each in listed.files]
    rows = StoredRows(files, [each.clips for each in listed.files])
    columns = _Columns(listed.clips)
    for stored in files:
        with opened(stored) as arrays:
            columns.add(arrays)
    return ClipScores(
        ids=StoredTexts(rows, "ids"),
        targets=columns.coded("targets"),
        units=columns.numbers("units"),
        speakers=columns.coded("speakers"),
        folds=columns.coded("folds"),
        features={name: columns.coded(f"{_FEATURE}{name}") for name in listed.features},
        unsliced=listed.unsliced,
        candidate=columns.model(_CANDIDATE, rows),
        baseline=columns.model(_BASELINE, rows) if listed.has_baseline else None,
        incomparable=listed.incomparable,
    )


def drop_clips(folder: str | Path | Location, ids: Collection[str]) -> bool:
    """Takes the clips of these ids out of the tables in an artifact's folder, which go where they
    are damaged; says whether there was anything to do. After a kill it can be done again.
    """
    folders = [folder, *_condition_folders(folder)]
    dropped = [_drop_clips(each, ids) for each in folders]
    return any(dropped)


def _drop_clips(folder: str | Path | Location, ids: Collection[str]) -> bool:
    place = scores_file(folder)
    if not place.is_present():
        return False
    try:
        if place.name.endswith(".npz"):
            return _drop_from_file(place, ids)[0]
        listed = read_list(place)
        dropped = [_drop_from_file(place.parent / file.name, ids) for file in listed.files]
    except (OSError, ValueError, KeyError):  # nobody can read who is in it, or compare with it
        for damaged in [place, *location_of(folder).matching("test-*.npz")]:
            damaged.delete()
        return True
    is_changed = any(is_dropped for is_dropped, _ in dropped)
    if is_changed or [clips for _, clips in dropped] != [file.clips for file in listed.files]:
        files = [
            ScoreFile(name=file.name, clips=clips)
            for file, (_, clips) in zip(listed.files, dropped, strict=True)
        ]
        place.put(listed.model_copy(update={"files": files}).model_dump_json().encode())
        return True
    return False


def _drop_from_file(file: Location, ids: Collection[str]) -> tuple[bool, int]:
    """Whether clips of these ids were in it, and how many others are."""
    scores = _read_file(file)
    is_kept = ~np.isin(np.asarray(scores.ids), list(ids))
    if not is_kept.all():
        write_scores(scores.select(is_kept), file)
    return not is_kept.all(), int(is_kept.sum())


class _Columns:
    """What is kept in memory of a table, gathered file by file."""

    def __init__(self, clips: int) -> None:
        self._clips = clips
        self._filled = 0
        self._numbers: dict[str, Array] = {}
        self._coded: dict[str, list[Coded]] = {}
        self._constants: dict[str, Array] = {}

    def add(self, arrays: Mapping[str, Array]) -> None:
        """The columns of the next file."""
        clips = len(arrays["units"])
        for name in arrays:
            if name.startswith(_VALUES):
                column = name.removeprefix(_VALUES)
                self._add_texts(column, _texts(arrays, column))
            elif name == "units" or name.partition(" ")[2] in _NUMBERS:
                values = arrays[name]
                column_of_all = self._numbers.setdefault(name, np.empty(self._clips, values.dtype))
                column_of_all[self._filled : self._filled + clips] = values
            elif name.partition(" ")[2].startswith(NAMES):
                self._constants[name] = arrays[name]
        self._filled += clips

    def _add_texts(self, name: str, texts: Coded) -> None:
        known = self._coded.setdefault(name, [])
        if missing := self._filled - sum(map(len, known)):  # no clip of the files before has it
            known.append(Coded.all("", missing))
        known.append(texts)

    def numbers(self, name: str) -> Array:
        return self._numbers[name]

    def coded(self, name: str) -> Coded:
        parts = self._coded.get(name, [])
        if missing := self._clips - sum(map(len, parts)):
            parts = [*parts, Coded.all("", missing)]
        return Coded.joined(parts, self._clips)

    def model(self, whose: str, rows: StoredRows) -> ModelScores:
        prefix = f"{whose} {OUTPUT}"
        outputs = [name.removeprefix(prefix) for name in rows.names(prefix)]
        return ModelScores(
            answers=self.coded(f"{whose} answers"),
            outputs=StoredOutputs(rows, prefix, outputs),
            names=_below(self._constants, f"{whose} {NAMES}"),
            **{name: self.numbers(f"{whose} {name}") for name in _NUMBERS},
        )


def _read_file(file: Location) -> ClipScores:
    with opened(file) as stored:
        arrays = dict(stored)
    if "labels" in arrays:
        arrays = load_part(FIRST_TASK, "scoring").bring_up_to_date(arrays)
    if "units" not in arrays:
        raise ValueError(f"{file} is no table of scores")
    unsliced = zip(
        arrays["unsliced_names"].tolist(), arrays["unsliced_values"].tolist(), strict=True
    )
    features = [name for name in arrays if name.startswith(_FEATURE)]
    return ClipScores(
        ids=arrays["ids"],
        targets=_texts(arrays, "targets"),
        units=arrays["units"],
        speakers=_texts(arrays, "speakers"),
        folds=_texts(arrays, "folds") if "folds" in arrays else Coded.all("", len(arrays["units"])),
        features={name.removeprefix(_FEATURE): _texts(arrays, name) for name in features},
        unsliced=dict(unsliced),
        candidate=_model(arrays, _CANDIDATE),
        baseline=_model(arrays, _BASELINE) if f"{_BASELINE} errors" in arrays else None,
        incomparable=str(arrays["incomparable"]),
    )


def _model(arrays: Mapping[str, Array], whose: str) -> ModelScores:
    return ModelScores(
        answers=_texts(arrays, f"{whose} answers"),
        outputs=_below(arrays, f"{whose} {OUTPUT}"),
        names=_below(arrays, f"{whose} {NAMES}"),
        **{name: arrays[f"{whose} {name}"] for name in _NUMBERS},
    )


def _model_arrays(whose: str, model: ModelScores) -> dict[str, Array]:
    return model.arrays(whose) | _stored(f"{whose} answers", model.answers)


def _stored(name: str, texts: Coded) -> dict[str, Array]:
    """Without a text that no clip has: whoever was forgotten is in none."""
    compact = texts.compact()
    return {name: compact.codes, f"{_VALUES}{name}": compact.values}


def _texts(arrays: Mapping[str, Array], name: str) -> Coded:
    """Texts as they are stored, now or in full."""
    if f"{_VALUES}{name}" in arrays:
        return Coded(arrays[name], arrays[f"{_VALUES}{name}"])
    return Coded.of(arrays[name])


def _below(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
    }
