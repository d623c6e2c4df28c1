"""NeMo manifests: JSON lines much like ours, with `command` for the label in its recipes."""

from collections.abc import Iterator
from pathlib import Path

from components.example_gen.file_names import visible
from pipeline.datasets.importers.row import Found, Item, Row, RowError, audio_path, read_json_lines
from pipeline.datasets.importers.values import channel, text_value
from schemas.errors import DataError
from schemas.manifest import CHANNEL, is_nothing

_AUDIO = ("audio_filepath", "audio_filename", "audio_file")
_LABEL = ("label", "command")
_CHANNEL = "channel_selector"
_ALL_CHANNELS = "average"
_SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")


def list_rows(source: Path) -> Iterator[Item]:
    """A row for each line of the manifest `source`, or of all of them in a folder."""
    folder = source if source.is_dir() else source.parent
    files = [source]
    if source.is_dir():
        inside = visible(source, source.iterdir())
        files = [path for path in inside if path.name.endswith(_SUFFIXES)]
    if not files or not source.exists():
        raise DataError(f"{source} is not a nemo manifest, nor a folder with *.json or *.jsonl")
    for file in files:
        for place, line in read_json_lines(file):
            try:
                if isinstance(line, RowError):
                    raise line
                yield Found(place, _row(folder, line))
            except RowError as error:
                yield error.at(place)


def _row(folder: Path, line: Row) -> Row:
    """Raises RowError where a value cannot be what it stands for."""
    audio = _one_of(line, _AUDIO)
    rest = {key: value for key, value in line.items() if key not in (*_AUDIO, *_LABEL, _CHANNEL)}
    selected = _selected(line.get(_CHANNEL))
    return rest | {
        "audio_filepath": audio_path(folder, text_value({"audio_filepath": audio}, _AUDIO[0])),
        "label": _one_of(line, _LABEL),
        CHANNEL: rest.get(CHANNEL) if selected is None else selected,
    }


def _one_of(line: Row, keys: tuple[str, ...]) -> object:
    """What the line has under one of `keys`; None where it has none."""
    found = {key: line[key] for key in keys if not is_nothing(line.get(key))}
    if len(set(map(str, found.values()))) > 1:
        raise RowError(f"{' and '.join(found)} differ", list(found.values()))
    return next(iter(found.values()), None)


def _selected(selector: object) -> int | None:
    """The channel that is selected; None for the mean of all."""
    if is_nothing(selector) or selector == _ALL_CHANNELS:
        return None
    if isinstance(selector, list):
        if len(selector) != 1:
            raise RowError("several channels of a recording", selector)
        selector = selector[0]
    return channel(selector)
