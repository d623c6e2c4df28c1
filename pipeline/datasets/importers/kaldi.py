"""Kaldi data folders: wav.scp, and where there are, segments, utt2spk and text."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.importers.row import Row, Skipped, require


def list_rows(source: Path) -> Iterator[Row | Skipped]:
    """A row for each segment, or for each recording where there are no segments.

    A text of one word is also the label. Commands in wav.scp (`sph2pipe ... |`) are never run:
    their rows are skipped.
    """
    require(source, "wav.scp", layout="kaldi")
    recordings = dict(_read_table(source / "wav.scp"))
    speakers = dict(_read_table(source / "utt2spk"))
    texts = dict(_read_table(source / "text"))
    segments = list(_read_table(source / "segments"))
    for name, value in segments or [(name, name) for name in recordings]:
        place = f"{'segments' if segments else 'wav.scp'}: {name}"
        recording, *times = value.split() if segments else [value]
        written = recordings.get(recording, "")
        if not written or written.endswith("|"):
            yield Skipped(place, "a command instead of a file" if written else "no such recording")
            continue
        row: Row = {"audio_filepath": str(source / written), "id": name}
        if segments:
            try:
                start, end = (float(time) for time in times[:2])
            except ValueError:
                yield Skipped(place, "expected a recording, a start and an end in seconds")
                continue
            row |= {"offset": start, "duration": round(end - start, 6)}
        if text := texts.get(name, ""):
            row |= {"text": text} | ({"label": text} if len(text.split()) == 1 else {})
        yield row | ({"speaker": speakers[name]} if name in speakers else {})


def _read_table(path: Path) -> Iterator[tuple[str, str]]:
    """Key and rest of each line of a table; nothing where there is no such file."""
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                key, _, value = line.strip().partition(" ")
                if key:
                    yield key, value.strip()
