"""Secrets in URIs: a password, a query, a fragment. The one place that knows them, and hides them.

They belong into the environment, where a client finds them, and stand in nothing that is shown,
recorded or sent.
"""

import re

HIDDEN = "***"
_REST = r"[^\s'\"<>]"

# What a URI becomes that was taken for a path.
_SHORTENED = re.compile(
    r"\b(s3a?|gs|https?|ftps?|abfss?|wasbs?|hdfs|webhdfs|postgresql|mysql|fake):/(?=[^/\s])"
)
_HIDDEN_PARTS = (
    # `user:password@` before a host. A password may hold slashes, and a port is none.
    (re.compile(r"://[^/\s?#'\"<>]*@"), f"://{HIDDEN}@"),
    (re.compile(r"://(?!\*)[^/\s@:]+:(?!\d*/)[^\s@?#'\"<>]*@"), f"://{HIDDEN}@"),
    # A query or a fragment: of pages any, of other places one that sets something, since `?` is
    # also a pattern and `#` a name.
    (re.compile(rf"(https?://[^\s?#'\"<>]*[?#]){_REST}+"), rf"\1{HIDDEN}"),
    (re.compile(rf"(://[^\s?#;'\"<>]*[?#;]){_REST}*={_REST}*"), rf"\1{HIDDEN}"),
    # Who knows the path of a webhook can post there.
    (re.compile(rf"(://hooks\.[^/\s]+/){_REST}+"), rf"\1{HIDDEN}"),
)


def masked(text: str) -> str:
    """`text` with what may be secret in its URIs as `***`; the same the second time.

    >>> masked("s3://key:secret@bucket/a.wav and https://a.b/c.wav?X-Amz-Signature=0f")
    's3://***@bucket/a.wav and https://a.b/c.wav?***'
    """
    if ":" not in text:  # of a million paths most
        return text
    whole = _SHORTENED.sub(r"\1://", text)
    if "://" not in whole:
        return text
    hidden = whole
    for pattern, shown in _HIDDEN_PARTS:
        hidden = pattern.sub(shown, hidden)
    return text if hidden == whole else hidden


def has_secret(text: str) -> bool:
    """Whether a URI in `text` holds what `masked` hides."""
    return masked(text) != text
