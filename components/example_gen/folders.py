"""Where the recordings of a manifest's rows lie, and which of them are there."""

import posixpath

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
        self._listed: dict[str, tuple[set[str], list[str]] | ClipError] = {}
        self._oddities: dict[str, dict[str, str]] = {}
        self._composed: dict[str, dict[str, str]] = {}

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
        files, folders = listed
        if name not in files:
            if (spelled := self._as_spelled(folder, name)) is not None:
                return spelled
            is_folder = name in ("", ".", "..") or name in folders
            kind = "a folder" if is_folder else self._odd_kind(folder, name)
            what = f"{written:.200}"
            raise ClipError("missing", f"{what} is {kind}" if kind else f"no file {what}")
        return path

    def _as_spelled(self, folder: str, name: str) -> str | None:
        """The path of the file that has this name, in this folder, but for how their accents are
        composed.
        """
        if folder.isascii() and name.isascii():
            return None
        if folder not in self._composed:
            there = self._folder_as_spelled(folder)
            files, _ = _children(there)
            self._composed[folder] = {composed(file): f"{there}/{file}" for file in files}
        return self._composed[folder].get(composed(name))

    def _folder_as_spelled(self, folder: str) -> str:
        above, name = posixpath.split(folder)
        if folder.isascii() or not _location(above).normalised().is_in(self._allowed):
            return folder
        above = self._folder_as_spelled(above)
        _, folders = _children(above)
        named = [each for each in folders if composed(each) == composed(name)]
        return f"{above}/{named[0]}" if named and name not in named else f"{above}/{name}"

    def _odd_kind(self, folder: str, name: str) -> str:
        """What a name in a folder stands for, where that is neither file nor folder."""
        if folder not in self._oddities:
            try:
                self._oddities[folder] = _location(folder).oddities()
            except OSError:  # not there
                self._oddities[folder] = {}
        return self._oddities[folder].get(name, "")

    def _list(self, folder: str, written: str) -> tuple[set[str], list[str]] | ClipError:
        place = _location(folder)
        if not place.normalised().is_in(self._allowed):
            root = f"recordings have to lie below {self._allowed}"
            raise ClipError("outside", f"{written}: {root}; `data.root` can be another folder")
        try:
            files, folders = place.children()
        except OSError as error:
            reason = "unreadable" if isinstance(error, PermissionError) else "missing"
            return ClipError(reason, f"its folder cannot be read: {error.strerror}")
        return set(files), folders


def _children(folder: str) -> tuple[list[str], list[str]]:
    try:
        return _location(folder).children()
    except OSError:
        return [], []


def _location(written: str) -> Location:
    try:
        return location_of(written)
    except ValueError as error:
        raise ClipError("unsupported", f"audio_filepath: {error}") from error
