"""LibriSpeech (Panayotov et al. 2015): `<set>/<speaker>/<chapter>/`, flac beside transcripts."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.importers.row import Row, Skipped, require

_TRANSCRIPTS = "**/*.trans.txt"


def list_rows(source: Path) -> Iterator[Row | Skipped]:
    """A row for each utterance: text, speaker, chapter, and the speaker's sex where it is listed.

    `source` is the folder LibriSpeech, or one set of it.
    """
    require(source, _TRANSCRIPTS, layout="librispeech")
    sexes = _read_sexes(source)
    for transcript in sorted(source.glob(_TRANSCRIPTS)):
        speaker, chapter = transcript.parts[-3:-1]
        lines = transcript.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            name, _, text = line.partition(" ")
            if not text.strip():
                yield Skipped(f"{transcript.name}:{number}", "expected an id and a text")
                continue
            row: Row = {
                "audio_filepath": str(transcript.with_name(f"{name}.flac")),
                "text": text.strip(),
                "speaker": speaker,
                "id": name,
                "chapter": chapter,
            }
            yield row | ({"sex": sexes[speaker]} if speaker in sexes else {})


def _read_sexes(source: Path) -> dict[str, str]:
    """From SPEAKERS.TXT, of lines such as `14 | F | train-clean-360 | 25.03 | name`."""
    for folder in (source, source.parent):
        if (path := folder / "SPEAKERS.TXT").is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            fields = [line.split("|") for line in lines if line and not line.startswith(";")]
            return {each[0].strip(): each[1].strip() for each in fields if len(each) > 1}
    return {}
