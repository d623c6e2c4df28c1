"""Which shards of earlier code hold the very bytes that the present code writes.

After a change that moves the key of the shards but not one byte of them, an entry here lets run
directories keep theirs. It counts for the two keys alone: other library versions or code after the
change have other keys, and ingest again. To add one, ingest the same recordings with both codes and
compare the shards byte by byte.
"""

SAME_SHARDS: dict[str, tuple[str, ...]] = {}  # by present key: earlier ones, latest first
