"""Where the answers of a batch inference go, and whether they may go there.

A folder gets a file for each part, a single file is joined from them at the end. Rejects lie
beside; what comes last says that all of it is there, and what was asked of which model. Until then
a folder of work holds the rows, and what is done.
"""

import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from components.example_gen.patterns import place_of
from components.inference.rows import ANSWERS, Format
from components.storage.location import Location
from pipeline.inference.clips import ClipSource
from schemas.document import Document
from schemas.errors import DataError, InputError
from schemas.places import fault_of_uri
from schemas.secrets import has_secret, masked

Found = TypeVar("Found", bound=Document)

_FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".parquet": "parquet"}
_OTHER_FILES = (".json", ".csv", ".tsv", ".txt", ".gz", ".ndjson")


class Settings(Document):
    """What every answer of an output depends on, beside the clips: SHA-256 of the manifest of the
    model's version, and the format.
    """

    model: str
    version: int
    model_digest: str
    answers: Format


class AnswerFile(Document):
    """A part with answers, whose name its file has, and to how many clips."""

    part: str
    clips: int


class Success(Document):
    """Says that an output is whole. `rows_digest` stands for the clips that were asked about."""

    settings: Settings
    rows_digest: str
    clips: int
    rejects: dict[str, int]
    files: list[AnswerFile]


@dataclass(frozen=True)
class Target:
    """The file or folder `place` for answers in a format."""

    place: Location
    form: Format
    is_file: bool

    @classmethod
    def of(cls, written: str, form: Format | None, folder: Path) -> "Target":
        """What `--output` and `--format` mean in a folder: a file by its ending, else a folder.

        Raises:
            InputError: no place, a format that contradicts the ending, or an ending of another.
        """
        if has_secret(written):
            raise InputError(f"--output: {masked(written)}: a URI that may hold a secret")
        if meant := fault_of_uri(written):
            raise InputError(f"--output: {written}: expected a URI such as {meant}")
        ending = posixpath.splitext(written)[1].lower()
        if ending in _OTHER_FILES:
            raise InputError(
                f"--output: {written}: got a file {ending}, expected .jsonl, .parquet or a folder"
            )
        by_ending = _FORMATS.get(ending)
        if form is not None and by_ending not in (None, form):
            raise InputError(f"--output: {written}: the ending contradicts --format {form}")
        try:
            place = place_of(written, folder)
        except DataError as error:
            raise InputError(f"--output: {error}") from error
        return cls(place, form or by_ending or "jsonl", by_ending is not None)

    @property
    def work(self) -> Location:
        """The folder that holds what is unfinished."""
        return self.place.parent / f"_{self.place.name}.work" if self.is_file else self._in("_work")

    @property
    def answers(self) -> Location:
        """The folder that parts are written to."""
        return self.work / "answers" if self.is_file else self.place

    def answers_to(self, part: str) -> Location:
        """The file of answers to a part."""
        return self.answers / f"{part}.{self.form}"

    @property
    def rejects(self) -> Location:
        """The file of rejects."""
        return self._beside("rejects.jsonl") if self.is_file else self._in("rejects.jsonl")

    @property
    def success(self) -> Location:
        """The file that comes last."""
        return self._beside("success.json") if self.is_file else self._in("_SUCCESS")

    @property
    def rows(self) -> Location:
        """The file of the clips that are asked about."""
        return self.work / "rows.jsonl"

    @property
    def done(self) -> Location:
        """The folder that says which parts are done."""
        return self.work / "done"

    def check_apart(self, source: ClipSource) -> None:
        """Raises InputError where input lies in the output, or the other way round."""
        for place in source.places():
            if not self.is_file and place.is_in(self.place):
                raise InputError(f"--output: {self.place} holds the input {place}; name another")
        written = (self.place, self.rows, self.rejects, self.success, self.answers_to(ANSWERS))
        if any(map(source.covers, written)):
            raise InputError(f"--output: {self.place} lies in the input; name another")

    def begin(self, settings: Settings) -> Success | None:
        """What says that the output is whole already; None where there is something to do.

        Raises:
            InputError: it has other settings, or something else is there.
        """
        try:
            if (whole := _read(self.success, Success)) is not None:
                self._check_settings(whole.settings, settings)
                return whole
            begun = _read(self._settings, Settings)
            if begun is not None:
                self._check_settings(begun, settings)
                return None
            self._check_free()
            self._settings.put(settings.model_dump_json(indent=2).encode())
        except OSError as error:
            raise InputError(f"--output: {self.place}: {error.strerror or error}") from error
        return None

    @property
    def _settings(self) -> Location:
        return self.work / "settings.json"

    def _in(self, name: str) -> Location:
        return self.place / name

    def _beside(self, ending: str) -> Location:
        return self.place.parent / f"{posixpath.splitext(self.place.name)[0]}.{ending}"

    def _check_settings(self, found: Settings, asked: Settings) -> None:
        """Raises InputError where the output there has others than are asked for."""
        if found == asked:
            return
        raise InputError(
            f"--output: {self.place} holds answers of {found.model} version {found.version} as"
            f" {found.answers}; these would be of {asked.model} version {asked.version} as"
            f" {asked.answers}"
            + (", published anew" if found.version == asked.version else "")
            + "; name another, or delete it"
        )

    def _check_free(self) -> None:
        is_taken = self.place.is_present()
        if not self.is_file:
            is_taken |= any(self.place.children())
        else:
            is_taken |= any(self.place.children()) or self.rejects.is_present()
        if is_taken:
            raise InputError(
                f"--output: {self.place} is there already, and no `auricle infer` wrote it; name"
                " another"
            )


def _read(place: Location, kind: type[Found]) -> Found | None:
    try:
        return kind.model_validate_json(place.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise InputError(f"--output: {place} was not written by `auricle infer`") from error
