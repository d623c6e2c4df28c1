"""Speech Commands (Warden 2018): `label/<speaker>_nohash_<take>.wav` and two lists of files."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.importers.row import Row, Skipped, require

_LISTS = {"testing_list.txt": "test", "validation_list.txt": "eval"}
_NOT_A_LABEL = "_background_noise_"


def list_rows(source: Path) -> Iterator[Row | Skipped]:
    """A row for each clip, with its speaker and the official split."""
    require(source, *_LISTS, "*/*_nohash_*.wav", layout="speech_commands")
    splits = {
        line.strip(): split
        for name, split in _LISTS.items()
        for line in (source / name).read_text().splitlines()
    }
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        if folder.name.startswith(".") or folder.name == _NOT_A_LABEL:
            continue
        for clip in sorted(folder.iterdir()):
            name = f"{folder.name}/{clip.name}"
            speaker, mark, _ = clip.stem.partition("_nohash_")
            if clip.suffix != ".wav" or not mark:
                yield Skipped(name, "expected <speaker>_nohash_<take>.wav")
                continue
            yield {
                "audio_filepath": str(clip),
                "label": folder.name,
                "speaker": speaker,
                "split": splits.get(name, "train"),
                "id": name,
            }
