"""Speech Commands (Warden 2018): `label/<speaker>_nohash_<take>.wav` and two lists of files."""

from collections.abc import Iterator
from pathlib import Path

from components.example_gen.file_names import is_audio, is_no_label, is_other_file, visible
from components.example_gen.split_lists import SPLIT_LISTS, read_split_lists, speaker_of
from components.storage.location import location_of
from pipeline.datasets.importers.row import Found, Item, Noted, Row, Skipped, require
from schemas.errors import ClipError
from schemas.utterance import Utterance
from schemas.workflow.data import Split


def list_rows(source: Path) -> Iterator[Item]:
    """A row for each clip, with its speaker and the official split.

    What else a person should know of the lists is noted.
    """
    require(source, "*/*_nohash_*.*", layout="speech_commands")
    clips = [
        path
        for folder in visible(source, source.glob("*"))
        if folder.is_dir() and not is_no_label(folder.name)
        for path in sorted(folder.iterdir())
    ]
    files = [name for name in SPLIT_LISTS if (source / name).is_file()]
    lists = read_split_lists(location_of(source), files, str(source))
    there = [_name(clip) for clip in clips]
    yield from (Noted(file, fault) for file, fault in lists.faults(there))
    lists = lists.that_name(there)
    for clip in clips:
        speaker = speaker_of(clip.name)
        if is_other_file(clip.name):
            yield Skipped(_name(clip), "no recording")
            continue
        if not is_audio(clip.name) or not speaker:
            yield Skipped(_name(clip), "expected <speaker>_nohash_<take>.wav")
            continue
        row = Utterance(_name(clip), _name(clip), str(clip), clip.parent.name, speaker)
        try:
            split = lists.split_of(row, Split())
        except ClipError as error:
            yield Skipped(row.uri, error.detail)
            continue
        found: Row = {
            "audio_filepath": row.path,
            "label": row.target,
            "speaker": speaker,
            "split": split,
            "id": row.id,
        }
        yield Found(_name(clip), found)


def _name(clip: Path) -> str:
    """A clip as lists name it."""
    return f"{clip.parent.name}/{clip.name}"
