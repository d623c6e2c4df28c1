"""URIs as people mistype them: taken for a path, each would only be a file that is not there."""

import re

_STORES = ("gs", "s3")
_ALMOST = re.compile(rf"({'|'.join(_STORES)}):(?://)?(/*)(.*)", re.IGNORECASE | re.DOTALL)


def fault_of_uri(written: str) -> str:
    """What was meant by a URI of a bucket that is none, as `gs://bucket`; empty for all else.

    >>> [fault_of_uri(text) for text in ("gs:/b/a", "S3:b/a.wav", "s3:///b", "gs://")]
    ['gs://b/a', 's3://b/a.wav', 's3://b', 'gs://BUCKET/...']
    >>> [fault_of_uri(text) for text in ("gs://b/a", "clips/gs:1.wav", "/data", "fake:/b")]
    ['', '', '', '']
    """
    found = _ALMOST.match(written)
    if found is None:
        return ""
    scheme, _, rest = found.groups()
    meant = f"{scheme.lower()}://{rest or 'BUCKET/...'}"
    return "" if meant == written else meant
