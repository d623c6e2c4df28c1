"""What a Speech Commands folder says of its clips (Warden 2018): two lists of files, and names.

`testing_list.txt` and `validation_list.txt` name the clips that test and that choose the best
epoch, one `label/clip.wav` a line; a clip `<speaker>_nohash_<take>.wav` names its speaker.
"""

import posixpath
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.example_gen.splits import assign_split
from components.example_gen.text_tables import read_text
from components.storage.location import Location
from schemas.errors import ClipError
from schemas.splits import EVAL, TEST, TRAIN
from schemas.utterance import Utterance
from schemas.workflow.data import Split

SPLIT_LISTS = {"testing_list.txt": TEST, "validation_list.txt": EVAL}
_BY_SPEAKER = re.compile(r"(.+)_nohash_\d+")


def speaker_of(name: str) -> str:
    """Who speaks in the clip of this file name; empty where it does not say.

    >>> speaker_of("0a7c2a8d_nohash_1.wav"), speaker_of("1.wav")
    ('0a7c2a8d', '')
    """
    found = _BY_SPEAKER.fullmatch(posixpath.splitext(name)[0])
    return found[1] if found else ""


@dataclass(frozen=True)
class SplitLists:
    """Clips by the list that names them; `folder` of the lists is for notes."""

    folder: str
    clips: Mapping[str, frozenset[str]]

    def split_of(self, row: Utterance, split: Split) -> str:
        """The split of a row, by its uri; empty where there is no list.

        Where one of the two lists is missing, the speaker decides between its split and `train`,
        with the share that `split` has for it.

        Raises:
            ClipError: `bad_row`, both lists name the clip.
        """
        if not self.clips:
            return ""
        name = _plain(row.uri)
        naming = [file for file, clips in self.clips.items() if name in clips]
        if len(naming) > 1:
            raise ClipError("bad_row", f"{' and '.join(naming)} both name it")
        if naming:
            return SPLIT_LISTS[naming[0]]
        if len(self.clips) == len(SPLIT_LISTS):
            return TRAIN
        listed = {SPLIT_LISTS[file]: 0.0 for file in self.clips}
        return assign_split(row, split.model_copy(update=listed))

    def that_name(self, there: Iterable[str]) -> "SplitLists":
        """The lists with the clips that are `there`; without those that name none of them."""
        known = self._named(there)
        used = {file: clips & known for file, clips in self.clips.items()}
        return SplitLists(self.folder, {file: clips for file, clips in used.items() if clips})

    def notes(self) -> Iterator[str]:
        """What the lists say, in words."""
        for file, clips in self.clips.items():
            split = SPLIT_LISTS[file]
            yield f"{self.folder}/{file} names the clips of the {split} split: {len(clips):,}"

    def faults(self, there: Iterable[str]) -> Iterator[tuple[str, str]]:
        """(file, what): names of clips that are not `there`, and what a missing list leads to."""
        known = self._named(there)
        for file, clips in self.clips.items():
            if not clips & known:
                yield file, "is not used: it names no clip that is there"
            elif missing := sorted(clips - known):
                named = f"{len(missing):,} of the {len(clips):,} clips that it names"
                yield file, f"{named} are not there, such as {missing[0]}"
        for file in SPLIT_LISTS.keys() - self.clips.keys() if self.clips else ():
            yield file, f"is not there: data.split.{SPLIT_LISTS[file]} chooses clips of its split"

    def _named(self, there: Iterable[str]) -> set[str]:
        """Those of the names that a list has."""
        if not self.clips:
            return set()
        listed = frozenset().union(*self.clips.values())
        return {plain for name in there if (plain := _plain(name)) in listed}


def read_split_lists(folder: Location, files: Collection[str], shown: str) -> SplitLists:
    """The lists among the `files` of a folder, which is called `shown` in words.

    Byte order marks, CRLF, backslashes and empty lines are taken as they are meant.

    Raises:
        DataError: a list is no text, with file and line.
    """
    found = {file: read_text(folder / file) for file in SPLIT_LISTS if file in files}
    return SplitLists(shown, {file: frozenset(_names(lines)) for file, lines in found.items()})


def _names(lines: Iterable[tuple[int, str]]) -> Iterator[str]:
    return (_plain(line.replace("\\", "/")) for _, line in lines)


def _plain(name: str) -> str:
    """A name as lists and folders may both spell it."""
    return unicodedata.normalize("NFC", posixpath.normpath(name))
