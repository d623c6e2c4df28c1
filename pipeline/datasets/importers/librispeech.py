"""LibriSpeech (Panayotov et al. 2015): `<set>/<speaker>/<chapter>/`, flac beside transcripts."""

from collections.abc import Iterator
from pathlib import Path

from components.example_gen.file_names import visible
from components.example_gen.text_tables import read_keyed, read_text
from components.storage.location import location_of
from pipeline.datasets.importers.row import Found, Item, Noted, Row, Skipped, require

_TRANSCRIPTS = "**/*.trans.txt"
_SPEAKERS = "SPEAKERS.TXT"


def list_rows(source: Path) -> Iterator[Item]:
    """A row for each utterance: text, speaker, chapter, and the speaker's sex where it is listed.

    `source` is the folder LibriSpeech, or one set of it.
    """
    require(source, _TRANSCRIPTS, layout="librispeech")
    sexes: dict[str, str] = {}
    yield from _read_sexes(source, sexes)
    for transcript in visible(source, source.glob(_TRANSCRIPTS)):
        speaker, chapter = transcript.parts[-3:-1]
        for number, name, text in read_keyed(location_of(transcript)):
            place = f"{transcript.name}:{number}"
            if not text:
                yield Skipped(place, "expected an id and a text")
                continue
            row: Row = {
                "audio_filepath": f"{transcript.parent}/{name}.flac",
                "text": text,
                "speaker": speaker,
                "id": name,
                "chapter": chapter,
            }
            yield Found(place, row | ({"sex": sexes[speaker]} if speaker in sexes else {}))


def _read_sexes(source: Path, sexes: dict[str, str]) -> Iterator[Noted]:
    """From SPEAKERS.TXT, of lines such as `14 | F | train-clean-360 | 25.03 | name`."""
    path = next((each for each in (source, source.parent) if (each / _SPEAKERS).is_file()), None)
    for number, line in read_text(location_of(path / _SPEAKERS)) if path else ():
        speaker, *fields = (field.strip() for field in line.split("|"))
        if line.startswith(";"):
            continue
        if not fields or sexes.get(speaker, fields[0]) != fields[0]:
            yield Noted(f"{_SPEAKERS}:{number}", "expected a speaker, once, and their sex")
            continue
        sexes[speaker] = fields[0]
