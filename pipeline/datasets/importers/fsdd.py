"""Free Spoken Digit Dataset: `recordings/<digit>_<speaker>_<take>.wav`."""

from collections.abc import Iterator
from pathlib import Path

from components.example_gen.file_names import is_left_behind
from pipeline.datasets.importers.row import Found, Item, Row, Skipped, require

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def list_rows(source: Path) -> Iterator[Item]:
    """A row for each recording; the label is the digit's word."""
    require(source, "recordings/*.wav", layout="fsdd")
    for path in sorted(source.glob("recordings/*.wav")):
        place = f"recordings/{path.name}"
        if is_left_behind(path.name):
            yield Skipped(place, "no recording")
            continue
        digit, _, rest = path.stem.partition("_")
        speaker = rest.rpartition("_")[0]
        if not speaker or digit not in map(str, range(10)):
            yield Skipped(place, "expected <digit>_<speaker>_<take>.wav")
            continue
        row: Row = {"audio_filepath": str(path), "label": _DIGITS[int(digit)], "speaker": speaker}
        yield Found(place, row)
