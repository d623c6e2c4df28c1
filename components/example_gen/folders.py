"""Where the recordings of a manifest's rows lie, and which of them are there."""

import functools
import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from components.example_gen.spelled_paths import as_spelled
from components.storage.location import Location, location_of
from components.storage.trouble import BusyStoreError, CredentialsError
from schemas.errors import ClipError, DataError
from schemas.places import fault_of_uri
from schemas.secrets import has_secret, masked
from schemas.text import composed, some
from schemas.utterance import Seen

_NAMED = 4  # of the folders that recordings may be in


class Folders:
    """The files that a manifest in `folder` names: each folder is listed once, instead of a `stat`
    for each row. They lie below one of `allowed`; with `any_uri`, what is named by a URI may lie
    anywhere.

    Accents may be composed in a row and not on the disk, or the other way round.
    """

    def __init__(
        self, folder: Location, allowed: Sequence[Location], any_uri: bool = False
    ) -> None:
        self._folder = str(folder)
        self._allowed = [place.normalised() for place in allowed]
        self._any_uri = any_uri
        self._listed: dict[str, _Folder | ClipError] = {}
        self._oddities: dict[str, dict[str, str]] = {}

    def find(self, written: str) -> tuple[str, Seen | None]:
        """The absolute path, or the URI, of a file that is there, and what its store says of it.

        Raises ClipError: `missing`, or `outside` of the folders that recordings may be in;
        DataError: the store could not be asked.
        """
        if has_secret(written):
            detail = f"{masked(written):.200}: a URI with a password, a query or a fragment, which"
            raise ClipError("unsupported", f"{detail} may be secret; name the recording without")
        path = written if "://" in written else f"{self._folder}/{written}"
        if written.startswith("/"):
            path = written
        elif "://" in path:  # only a disk has links that `..` follows
            path = str(_location(path).normalised())
        if "://" in path and "/" not in path.partition("://")[2]:
            raise ClipError("missing", f"{written:.200} names no file: expected one in a bucket")
        folder, name = posixpath.split(path)
        listed = self._folder_at(folder, "://" in written)
        if isinstance(listed, ClipError):
            raise ClipError(listed.reason, f"{written:.200}: {listed.detail}")
        if name in listed.files:
            path = path if listed.path == folder else f"{listed.path}/{name}"
            return path, listed.files[name]
        if not name.isascii() and (spelled := listed.by_composed.get(composed(name))):
            return f"{listed.path}/{spelled}", listed.files[spelled]
        raise self._missing(listed, name, written)

    def _missing(self, listed: "_Folder", name: str, written: str) -> ClipError:
        is_folder = name in ("", ".", "..") or name in listed.folders
        kind = "a folder" if is_folder else self._odd_kind(listed.path, name)
        what = f"{written:.200}"
        if kind:
            return ClipError("missing", f"{what} is {kind}")
        meant = fault_of_uri(written)
        return ClipError("missing", f"no file {what}{f'; {meant:.200} is a URI' if meant else ''}")

    def _folder_at(self, folder: str, is_uri: bool) -> "_Folder | ClipError":
        """What is in a folder, or why none of its files can be used."""
        if folder not in self._listed:
            self._listed[folder] = self._list(folder)
        listed = self._listed[folder]
        if isinstance(listed, ClipError) or listed.is_allowed or (is_uri and self._any_uri):
            return listed
        return self._outside()

    def _outside(self) -> ClipError:
        roots = some([str(place) for place in self._allowed], _NAMED)
        detail = f"recordings have to lie below {roots}; `data.root` can name other folders"
        return ClipError("outside", detail)

    def _odd_kind(self, folder: str, name: str) -> str:
        """What a name in a folder stands for, where that is neither file nor folder."""
        if folder not in self._oddities:
            try:
                self._oddities[folder] = _location(folder).oddities()
            except OSError:  # not there
                self._oddities[folder] = {}
        return self._oddities[folder].get(name, "")

    def _list(self, folder: str) -> "_Folder | ClipError":
        try:
            place = as_spelled(_location(folder))
        except ClipError as error:
            return error
        normal = place.normalised()
        is_allowed = any(normal.is_in(each) for each in self._allowed)
        if not is_allowed and not (self._any_uri and not place.is_local):
            return self._outside()
        try:
            return _Folder(str(place), *scan_folder(place), is_allowed)
        except (CredentialsError, BusyStoreError) as error:  # of no recording, and passes
            raise DataError(f"{place} cannot be listed: {error.strerror}") from error
        except OSError as error:
            reason = "unreadable" if isinstance(error, PermissionError) else "missing"
            return ClipError(reason, f"its folder cannot be read: {error.strerror or error}")


def scan_folder(place: Location) -> tuple[dict[str, Seen | None], list[str]]:
    """The names of the files directly in a folder with what its store says of each, None on this
    machine; and those of the folders. Both sorted.

    Raises:
        OSError: it cannot be read.
    """
    if place.is_local:
        names, folders = place.children()
        return dict.fromkeys(names), folders
    files: dict[str, Seen | None] = {}
    inside = set()
    for found in place.scan():
        if isinstance(found, str):
            inside.add(found)
        else:
            name = found.name.rpartition("/")[2]
            files[name] = Seen(found.size_bytes, found.stamp, found.digest)
    return dict(sorted(files.items())), sorted(inside)


@dataclass
class _Folder:
    """What is in the folder `path`, as the storage spells it."""

    path: str
    files: Mapping[str, Seen | None]
    folders: Collection[str]
    is_allowed: bool

    @functools.cached_property
    def by_composed(self) -> dict[str, str]:
        """The files by their names with composed accents."""
        return {composed(file): file for file in self.files}


def _location(written: str) -> Location:
    try:
        return location_of(written)
    except ValueError as error:
        raise ClipError("unsupported", f"audio_filepath: {error}") from error
