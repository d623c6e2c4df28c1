"""`gs://`: Google Cloud Storage. A generation is the store's own, which it never gives twice.

With STORAGE_EMULATOR_HOST set the client talks to that server, without credentials.
"""

import base64
import http
import os
import socket
import urllib.parse
from typing import Any, BinaryIO, NamedTuple

import google.auth
import google.auth.credentials
import google.auth.exceptions
import requests
import urllib3.exceptions
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from components.storage.interface import ABSENT, Entry
from components.storage.remote import Kept, Key, Page, RemoteStorage, md5_digest
from components.storage.trouble import Meaning, Trouble

_EMULATOR = "STORAGE_EMULATOR_HOST"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_TIMEOUT_S = (10, 60)  # to connect, and between two parts of an answer
_UPLOAD_PART_BYTES = 16 << 20  # held in memory
_METADATA_SERVER = ("169.254.169.254", 80)
_LOOK_S = 1.0
_FIELDS = "name,size,generation,updated,md5Hash"
_TOKEN = "auricle-write"
_QUOTA_REASONS = ("rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded")
_BUSY = (
    http.HTTPStatus.REQUEST_TIMEOUT,
    http.HTTPStatus.TOO_MANY_REQUESTS,
    http.HTTPStatus.INTERNAL_SERVER_ERROR,
    http.HTTPStatus.BAD_GATEWAY,
    http.HTTPStatus.SERVICE_UNAVAILABLE,
    http.HTTPStatus.GATEWAY_TIMEOUT,
)


class _Client(NamedTuple):
    """The library's client, and what it does not do: a download that ends when it is enough."""

    buckets: storage.Client
    session: AuthorizedSession


class _Stream:
    """The answer to a download."""

    def __init__(self, answer: requests.Response, start: int) -> None:
        self._answer = answer
        left = int(answer.headers.get("Content-Length", 0))
        self.size_bytes = start + left
        self.generation = answer.headers.get("X-Goog-Generation", "")

    def read(self, size_bytes: int) -> bytes:
        content: bytes = self._answer.raw.read(size_bytes, decode_content=False)
        return content

    def close(self) -> None:
        self._answer.close()


class GcsStorage(RemoteStorage[_Client]):
    scheme = "gs"
    credentials = (
        "set GOOGLE_APPLICATION_CREDENTIALS to a file of them, or run"
        " `gcloud auth application-default login`; machines of Google Cloud have their own"
    )
    batch = 100  # as the store's interface for batches allows

    def _connect(self) -> _Client:
        # The client would ask for the bucket of each object from a thread, to trace calls by it.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        credentials, project = find_credentials()
        # Without a project the client asks for one in the ways that were bounded above.
        buckets = storage.Client(project=project or "none", credentials=credentials)
        return _Client(buckets, AuthorizedSession(credentials))

    def _fetch(self, place: Key, start: int, generation: str) -> _Stream:
        client = self.client()
        bucket, key = (urllib.parse.quote(part, safe="") for part in place)
        query = f"&generation={generation}" if generation else ""
        # As it is kept: of what was stored compressed, offsets would else mean something else.
        headers = {"Accept-Encoding": "gzip"} | ({"Range": f"bytes={start}-"} if start else {})
        answer = client.session.get(
            f"{_address(client)}/download/storage/v1/b/{bucket}/o/{key}?alt=media{query}",
            headers=headers,
            stream=True,
            timeout=_TIMEOUT_S,
        )
        if answer.status_code in (http.HTTPStatus.OK, http.HTTPStatus.PARTIAL_CONTENT):
            return _Stream(answer, start)
        error = exceptions.from_http_response(answer)
        if generation and answer.status_code == http.HTTPStatus.NOT_FOUND:
            raise exceptions.PreconditionFailed("the generation is gone") from error
        raise error

    def _write(self, place: Key, content: bytes, if_match: str | None, token: str) -> str:
        blob = self._blob(place)
        if token:
            blob.metadata = {_TOKEN: token}
        expected = 0 if if_match == ABSENT else if_match and int(if_match)
        blob.upload_from_string(
            content,
            "application/octet-stream",
            if_generation_match=expected,
            timeout=_TIMEOUT_S,
            retry=None,
        )
        return str(blob.generation)

    def _upload(self, place: Key, file: BinaryIO, size_bytes: int) -> None:
        blob = self._blob(place)
        blob.chunk_size = _UPLOAD_PART_BYTES
        blob.upload_from_file(
            file,
            size=size_bytes,
            content_type="application/octet-stream",
            timeout=_TIMEOUT_S,
            retry=None,
        )

    def _look(self, place: Key) -> Kept:
        blob = self._blob(place)
        blob.reload(timeout=_TIMEOUT_S, retry=None)
        return Kept(_entry(blob), (blob.metadata or {}).get(_TOKEN, ""))

    def _list(self, folder: Key, after: str, *, deep: bool, some: int | None = None) -> Page:
        pages = self.client().buckets.list_blobs(
            folder.bucket,
            prefix=folder.key or None,
            delimiter=None if deep else "/",
            page_token=after or None,
            page_size=some or self.page,
            fields=f"items({_FIELDS}),prefixes,nextPageToken",
            timeout=_TIMEOUT_S,
            retry=None,
        )
        blobs = next(pages.pages, ())
        entries = [_entry(blob) for blob in blobs]
        folders = [f"{folder.bucket}/{name}" for name in sorted(pages.prefixes)]
        return Page(entries, folders, pages.next_page_token or "" if some is None else "")

    def _remove(self, places: list[Key]) -> None:
        if len(places) == 1:
            self._remove_one(places[0])
            return
        buckets = self.client().buckets
        batch = buckets.batch(raise_exception=False)
        with batch:
            for place in places:
                self._blob(place).delete(timeout=_TIMEOUT_S, retry=None)
        refused = [
            exceptions.from_http_status(answer.status_code, "in a batch", response=answer)
            for answer in batch._responses
            if answer.status_code >= http.HTTPStatus.BAD_REQUEST
            and answer.status_code != http.HTTPStatus.NOT_FOUND
        ]
        if refused:
            raise refused[0]

    def _remove_one(self, place: Key) -> None:
        try:
            self._blob(place).delete(timeout=_TIMEOUT_S, retry=None)
        except exceptions.NotFound:
            if place.bucket not in self._seen:
                raise

    def _copy(self, source: Key, target: Key) -> None:
        old, copy = self._blob(source), self._blob(target)
        token, _, _ = copy.rewrite(old, timeout=_TIMEOUT_S, retry=None)
        while token:  # a part at a time, of large ones
            token, _, _ = copy.rewrite(old, token=token, timeout=_TIMEOUT_S, retry=None)

    def _blob(self, place: Key) -> storage.Blob:
        return self.client().buckets.bucket(place.bucket).blob(place.key)

    def _is_elsewhere(self) -> bool:
        return _EMULATOR in os.environ

    def _meaning(self, error: Exception) -> Meaning | None:
        if isinstance(error, exceptions.GoogleAPICallError):
            return _of_answer(int(error.code or 0), error)
        if isinstance(error, InvalidResponse):
            return _of_answer(int(error.response.status_code), error)
        if isinstance(error, google.auth.exceptions.TransportError):
            return Meaning(Trouble.UNREACHABLE, "no answer to who we are")
        if isinstance(error, google.auth.exceptions.GoogleAuthError):
            return Meaning(Trouble.CREDENTIALS, type(error).__name__)
        if isinstance(error, DataCorruption):
            return Meaning(Trouble.BUSY, "the content arrived damaged")
        if isinstance(error, requests.ConnectionError | urllib3.exceptions.MaxRetryError):
            return Meaning(_of_connection(error), type(error).__name__)
        passing = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError)
        if isinstance(error, passing):
            return Meaning(Trouble.BUSY, type(error).__name__)
        return None


def find_credentials(scope: str = _SCOPE) -> tuple[google.auth.credentials.Credentials, str | None]:
    """Those of the platform, and the project they name.

    Raises:
        google.auth.exceptions.DefaultCredentialsError: there are none.
    """
    if _EMULATOR in os.environ:
        return google.auth.credentials.AnonymousCredentials(), None
    if not _is_cloud_machine():
        # Its server would be asked several times, with waits.
        from google.auth.compute_engine import _metadata

        _metadata._NO_GCE_CHECK = True
    credentials, project = google.auth.default(scopes=[scope])
    return credentials, project


def _is_cloud_machine() -> bool:
    """Whether this machine has a server that gives it credentials, as those of Google Cloud do."""
    host = os.environ.get("GCE_METADATA_HOST") or os.environ.get("GCE_METADATA_IP")
    address = (host.partition(":")[0], int(host.partition(":")[2] or 80)) if host else None
    try:
        with socket.create_connection(address or _METADATA_SERVER, timeout=_LOOK_S):
            return True
    except OSError:
        return False


def _address(client: _Client) -> str:
    return os.environ.get(_EMULATOR) or str(client.buckets.api_endpoint)


def _entry(blob: Any) -> Entry:
    written_s = blob.updated.timestamp() if blob.updated else 0.0
    name = f"{blob.bucket.name}/{blob.name}"
    md5 = base64.b64decode(blob.md5_hash).hex() if blob.md5_hash else ""  # of one composed: none
    return Entry(name, int(blob.size), str(blob.generation), written_s, md5_digest(md5))


def _of_answer(status: int, error: Exception) -> Meaning:
    reason, message = _said(error)
    said = f"{status} {reason}: {message}".rstrip(": ")
    if status in _BUSY or reason in _QUOTA_REASONS:
        return Meaning(Trouble.BUSY, said)
    kinds = {
        http.HTTPStatus.UNAUTHORIZED: Trouble.CREDENTIALS,
        http.HTTPStatus.FORBIDDEN: Trouble.FORBIDDEN,
        http.HTTPStatus.PRECONDITION_FAILED: Trouble.STALE,
    }
    if status == http.HTTPStatus.NOT_FOUND:
        is_bucket = "bucket does not exist" in message
        return Meaning(Trouble.NO_BUCKET if is_bucket else Trouble.ABSENT, said)
    return Meaning(
        kinds.get(http.HTTPStatus(status), Trouble.OTHER) if status else Trouble.OTHER, said
    )


def _said(error: Exception) -> tuple[str, str]:
    """The store's own reason and sentence, without the request's address, which may carry an
    upload's key.
    """
    answer = getattr(error, "response", None)
    try:
        found = answer.json()["error"]  # type: ignore[union-attr]
        first = (found.get("errors") or [{}])[0]
        return str(first.get("reason", "")), str(found.get("message", ""))
    except (AttributeError, ValueError, KeyError, TypeError):
        return "", ""


def _of_connection(error: BaseException) -> Trouble:
    """A server that is not there, or a connection that broke."""
    words = f"{error!r}"
    is_absent = "NewConnectionError" in words or "NameResolutionError" in words
    return Trouble.UNREACHABLE if is_absent else Trouble.BUSY
