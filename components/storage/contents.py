"""What stands for the content of many files, on this machine and elsewhere."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from components.storage.digests import FileDigests
from components.storage.local import file_stamp
from components.storage.location import location_of


def digest_files(places: Collection[str], cache_path: Path | None = None) -> dict[str, str]:
    """The digest of each path or URI: SHA-256 of local files, remembered in `cache_path`, and what
    their storage says of others. Empty for a file that cannot be read.
    """
    uris = {place for place in places if "://" in place}
    with FileDigests(cache_path) as digests:
        found = dict(digests.digest_all(set(places) - uris))
    for uri in uris:
        try:
            found[uri] = location_of(uri).digest()
        except OSError:
            found[uri] = ""
    return found


def stamp_files(places: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The stamp of each path or URI, which differs whenever its content may; of those that are
    there.
    """
    for place in places:
        if "://" in place:
            entry = location_of(place).entry()
            stamp = entry and entry.stamp
        else:
            stamp = file_stamp(place)
        if stamp is not None:
            yield place, stamp
