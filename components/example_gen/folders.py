"""Where the recordings of a manifest's rows lie, and which of them are there."""

import functools
import posixpath
from dataclasses import dataclass

from components.example_gen.spelled_paths import as_spelled
from components.storage.location import Location, location_of
from schemas.errors import ClipError
from schemas.secrets import has_secret, masked
from schemas.text import composed


class Folders:
    """The files beside a manifest: each folder is listed once, instead of a `stat` for each row.

    Accents may be composed in a row and not on the disk, or the other way round.
    """

    def __init__(self, folder: Location, allowed: Location) -> None:
        self._folder = str(folder)
        self._allowed = allowed.normalised()
        self._listed: dict[str, _Folder | ClipError] = {}
        self._oddities: dict[str, dict[str, str]] = {}

    def path_of(self, written: str) -> str:
        """The absolute path, or the URI, of a file that is there.

        Raises ClipError: `missing`, or `outside` of the folder that recordings may be in.
        """
        if has_secret(written):
            detail = f"{masked(written):.200}: a URI with a password, a query or a fragment, which"
            raise ClipError("unsupported", f"{detail} may be secret; name the recording without")
        path = written if "://" in written else f"{self._folder}/{written}"
        if written.startswith("/"):
            path = written
        elif "://" in path:  # only a disk has links that `..` follows
            path = str(_location(path).normalised())
        folder, name = posixpath.split(path)
        if folder not in self._listed:
            self._listed[folder] = self._list(folder, written)
        listed = self._listed[folder]
        if isinstance(listed, ClipError):
            raise ClipError(listed.reason, f"{written:.200}: {listed.detail}")
        if name in listed.files:
            return path if listed.path == folder else f"{listed.path}/{name}"
        if not name.isascii() and (spelled := listed.by_composed.get(composed(name))):
            return f"{listed.path}/{spelled}"
        is_folder = name in ("", ".", "..") or name in listed.folders
        kind = "a folder" if is_folder else self._odd_kind(listed.path, name)
        what = f"{written:.200}"
        raise ClipError("missing", f"{what} is {kind}" if kind else f"no file {what}")

    def _odd_kind(self, folder: str, name: str) -> str:
        """What a name in a folder stands for, where that is neither file nor folder."""
        if folder not in self._oddities:
            try:
                self._oddities[folder] = _location(folder).oddities()
            except OSError:  # not there
                self._oddities[folder] = {}
        return self._oddities[folder].get(name, "")

    def _list(self, folder: str, written: str) -> "_Folder | ClipError":
        place = as_spelled(_location(folder))
        if not place.normalised().is_in(self._allowed):
            root = f"recordings have to lie below {self._allowed}"
            raise ClipError("outside", f"{written}: {root}; `data.root` can be another folder")
        try:
            files, folders = place.children()
        except OSError as error:
            reason = "unreadable" if isinstance(error, PermissionError) else "missing"
            return ClipError(reason, f"its folder cannot be read: {error.strerror}")
        return _Folder(str(place), frozenset(files), folders)


@dataclass
class _Folder:
    """What is in the folder `path`, as the storage spells it."""

    path: str
    files: frozenset[str]
    folders: list[str]

    @functools.cached_property
    def by_composed(self) -> dict[str, str]:
        """The files by their names with composed accents."""
        return {composed(file): file for file in self.files}


def _location(written: str) -> Location:
    try:
        return location_of(written)
    except ValueError as error:
        raise ClipError("unsupported", f"audio_filepath: {error}") from error
