"""What stands for the content of many files, on this machine and elsewhere."""

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from components.storage.digests import FileDigests
from components.storage.interface import Entry
from components.storage.local import file_stamp
from components.storage.location import Location, location_of

_FEW = 3  # files of a folder: asked for one by one, that costs no more than a listing
_PAGE = 1000  # of a listing of a store, which costs as much as a question for one file


def digest_files(places: Collection[str], cache_path: Path | None = None) -> dict[str, str]:
    """The digest of each path or URI: SHA-256 of local files, remembered in `cache_path`, and what
    their storage says of others. Empty for a file that cannot be read.
    """
    uris = {place for place in places if "://" in place}
    with FileDigests(cache_path) as digests:
        found = dict(digests.digest_all(set(places) - uris))
    for uri, entry in entries_of(uris):
        found[uri] = ""
        if entry is not None:
            try:
                found[uri] = entry.digest or location_of(uri).digest()
            except OSError:
                continue
    return found


def digest_folder(folder: str | Path | Location, digests: FileDigests | None = None) -> str:
    """What stands for the names and contents of all files below a folder, in hex: on this machine
    `FileDigests.tree_digest`, elsewhere of the digests that the storage keeps, without reading.

    A folder of an object store that is not there is one without files.

    Raises:
        OSError: a folder of this machine is not there, a file cannot be read, a storage refuses.
    """
    place = location_of(folder)
    if place.is_local:
        return (digests or FileDigests()).tree_digest(place.path)
    tree = hashlib.sha256()
    for name, entry in place.entries():
        digest = entry.digest or (place / name).digest()
        tree.update(f"{len(name)}:{name}{digest}".encode())
    return tree.hexdigest()


def stamp_files(places: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The stamp of each path or URI, which differs whenever its content may; of those that are
    there. In any order.

    Raises:
        OSError: a storage refuses.
    """
    uris = []
    for place in places:
        if "://" in place:
            uris.append(place)
        elif (stamp := file_stamp(place)) is not None:
            yield place, stamp
    for uri, entry in entries_of(uris):
        if entry is not None:
            yield uri, entry.stamp


def entries_of(uris: Iterable[str]) -> Iterator[tuple[str, Entry | None]]:
    """The entry of each URI, None where there is no file, in any order: of several in one folder by
    a listing of it, as long as that does not cost more than to ask for each.

    Raises:
        OSError: a storage refuses.
    """
    parted = sorted(uri.rpartition("/")[::2] for uri in uris)
    for folder, members in itertools.groupby(parted, key=lambda part: part[0]):
        left = {name for _, name in members}
        if len(left) > _FEW:
            yield from _listed(folder, left)
        for name in left:
            yield f"{folder}/{name}", location_of(f"{folder}/{name}").entry()


def _listed(folder: str, left: set[str]) -> Iterator[tuple[str, Entry | None]]:
    """The entries of the files `left` in a folder, by a listing; those that are dearer to list than
    to ask for stay `left`.
    """
    most = _PAGE * len(left)
    for number, found in enumerate(location_of(folder).scan()):
        if not left or number == most:
            return
        name = "" if isinstance(found, str) else found.name.rpartition("/")[2]
        if name in left and not isinstance(found, str):
            left.remove(name)
            yield f"{folder}/{name}", found
    yield from ((f"{folder}/{name}", None) for name in left)
    left.clear()
