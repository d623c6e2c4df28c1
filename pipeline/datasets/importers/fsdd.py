"""Free Spoken Digit Dataset: `recordings/<digit>_<speaker>_<take>.wav`."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.importers.row import Row, Skipped, require

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def list_rows(source: Path) -> Iterator[Row | Skipped]:
    """A row for each recording; the label is the digit's word."""
    require(source, "recordings/*.wav", layout="fsdd")
    for path in sorted(source.glob("recordings/*.wav")):
        digit, _, rest = path.stem.partition("_")
        speaker = rest.rpartition("_")[0]
        if not speaker or digit not in map(str, range(10)):
            yield Skipped(f"recordings/{path.name}", "expected <digit>_<speaker>_<take>.wav")
            continue
        yield {"audio_filepath": str(path), "label": _DIGITS[int(digit)], "speaker": speaker}
