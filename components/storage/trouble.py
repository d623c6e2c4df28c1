"""What a store in the cloud may answer instead of what was asked, and the words for it.

The words name the place, what was refused and what to do, and never a credential: of what a store
says they take its code and its sentence only.
"""

import enum
import errno
from typing import NamedTuple


class Trouble(enum.Enum):
    """What an error of a store's client means to us."""

    ABSENT = "no such object"
    STALE = "another generation"
    NO_BUCKET = "no such bucket"
    FORBIDDEN = "forbidden"
    CREDENTIALS = "no credentials"
    REGION = "wrong region"
    BUSY = "too much asked"  # passes: asked again after a wait
    UNREACHABLE = "no connection"  # may pass
    OTHER = "refused"


class Meaning(NamedTuple):
    """`said` is the store's own code and sentence."""

    trouble: Trouble
    said: str = ""


class StoreError(OSError):
    """A store refused; the message says what to do."""


class CredentialsError(StoreError):
    """The store was given no credentials, or such as it does not know."""


class ForbiddenError(PermissionError):
    """The credentials are good, and not for this."""


class BucketError(StoreError):
    """There is no such bucket, or it lies elsewhere."""


class BusyStoreError(StoreError):
    """The store asked to wait for longer than we do, or cannot be reached."""


# Nothing of it is the fault of what is in a file: who says that one is damaged lets these pass.
STORE_REFUSED = (StoreError, ForbiddenError)


def error_of(meaning: Meaning, uri: str, credentials: str) -> OSError:
    """The error for a caller; `credentials` says where the client looks for them."""
    said = f" ({meaning.said})" if meaning.said else ""
    bucket = "/".join(uri.split("/", 3)[:3])
    trouble = meaning.trouble
    if trouble is Trouble.ABSENT:
        return FileNotFoundError(errno.ENOENT, "no such object", uri)
    if trouble is Trouble.NO_BUCKET:
        words = f"there is no bucket {bucket}{said}; make it, or correct its name"
        return BucketError(errno.ENXIO, words, uri)
    if trouble is Trouble.REGION:
        words = f"{bucket} lies in another region{said}; set AWS_REGION to it"
        return BucketError(errno.ENXIO, words, uri)
    if trouble is Trouble.CREDENTIALS:
        return CredentialsError(errno.EACCES, f"no credentials that hold{said}; {credentials}", uri)
    if trouble is Trouble.FORBIDDEN:
        words = (
            f"these credentials may not do that here{said}; give them the right to, or use others"
        )
        return ForbiddenError(errno.EACCES, words, uri)
    if trouble is Trouble.BUSY:
        words = f"the store was asked for too much, and again after longer waits{said}; try later"
        return BusyStoreError(errno.EAGAIN, words, uri)
    if trouble is Trouble.UNREACHABLE:
        words = f"the store cannot be reached{said}; see to the network and the address"
        return BusyStoreError(errno.EHOSTUNREACH, words, uri)
    return StoreError(errno.EIO, f"the store refused{said}", uri)
