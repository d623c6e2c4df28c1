"""What stands for the content of many files, on this machine and elsewhere."""

from collections.abc import Collection
from pathlib import Path

from components.storage.digests import FileDigests
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
