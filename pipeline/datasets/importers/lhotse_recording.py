"""A lhotse recording: which file and channel is meant, and whether lhotse changes its audio."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.datasets.importers.row import RowError
from pipeline.datasets.importers.values import channel, number
from schemas.manifest import is_nothing

# Changes what is on the disk only as `audio.sample_rate` of a workflow does.
_RESAMPLE = "Resample"


@dataclass(frozen=True)
class Source:
    """A file of a recording, and the channels of the recording that it has, in the file's order;
    None where that is not said. The path is empty of what is no file.
    """

    path: str
    channels: tuple[int, ...] | None


@dataclass(frozen=True)
class Recording:
    """A recording whose audio is on the disk as it is meant; `duration_s` is None if not said."""

    sources: tuple[Source, ...]
    duration_s: float | None
    is_resampled: bool

    def find(self, of_supervision: object, of_cut: object) -> tuple[str, int | None]:
        """The file of what a supervision in a cut is of, and the channel of that file; None for the
        mean of all of them.

        Raises:
            RowError: there is no such channel, or there are several of more.
        """
        wanted = _channels(of_supervision)
        in_cut = _channels(of_cut)
        if wanted and in_cut and not set(wanted) <= set(in_cut):
            raise RowError("another channel than its cut's", [*wanted, *in_cut])
        return self._find(wanted or in_cut)

    def _find(self, wanted: Sequence[int]) -> tuple[str, int | None]:
        first = self.sources[0]
        if len(self.sources) == 1 and first.channels is None and len(wanted) < 2:
            return _file(first), wanted[0] if wanted else None
        all_channels = [each for source in self.sources for each in source.channels or ()]
        if not wanted and len(all_channels) == 1:
            wanted = all_channels
        if not set(wanted) <= set(all_channels):
            raise RowError("a channel that its recording does not have", list(wanted))
        for source in self.sources:
            channels = source.channels or ()
            if len(wanted) == 1 and wanted[0] in channels:
                return _file(source), channels.index(wanted[0])
            if set(wanted) == set(channels) == set(all_channels):
                return _file(source), None
        why = "several channels of a recording" if wanted else "no channel of several is named"
        raise RowError(why, list(wanted))


def read_recording(value: object) -> Recording:
    """Of the JSON object of a recording.

    Raises:
        RowError: it is none, it has no file, or lhotse changes its audio.
    """
    if not isinstance(value, dict) or is_nothing(value.get("sources")):
        raise RowError("no audio file")
    sources = value["sources"]
    if not isinstance(sources, list) or not sources:
        raise RowError("no audio file", sources)
    names = _transforms(value.get("transforms"))
    if changing := sorted(names - {_RESAMPLE}):
        raise RowError(f"audio that lhotse changes by {', '.join(changing)}")
    read = tuple(map(_source, sources))
    if not any(source.path for source in read):
        raise RowError("no audio file", sources)
    return Recording(read, _duration_s(value), bool(names))


def _transforms(value: object) -> set[str]:
    """The names of what lhotse does to the audio."""
    if not value:
        return set()
    listed = value if isinstance(value, list) else [value]
    return {str(each.get("name") if isinstance(each, dict) else each) for each in listed}


def _source(value: object) -> Source:
    if not isinstance(value, dict):
        raise RowError("no audio file", value)
    path, channels = value.get("source"), value.get("channels")
    is_file = value.get("type") == "file" and isinstance(path, str) and bool(path.strip())
    found = None if is_nothing(channels) else _channels(channels)
    return Source(str(path) if is_file else "", found)


def _file(source: Source) -> str:
    if not source.path:
        raise RowError("no audio file")
    return source.path


def _channels(value: object) -> tuple[int, ...]:
    """One number, or a list of them; empty where nothing is said."""
    if is_nothing(value):
        return ()
    return tuple(map(channel, value)) if isinstance(value, list) else (channel(value),)


def _duration_s(value: dict[str, object]) -> float | None:
    """As it is said; else from the number of samples."""
    said, samples, rate = map(number, map(value.get, ("duration", "num_samples", "sampling_rate")))
    if said is None and samples is not None and rate:
        return samples / rate
    return said
