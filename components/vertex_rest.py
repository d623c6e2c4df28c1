"""Vertex AI's interface: where it answers, who asks, how long, and what it refuses in words."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import requests
from google.api_core import exceptions, retry
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError

from components.storage.gcs import find_credentials
from schemas.errors import JobError

LIMIT_S = 60.0  # of a request
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# What passes is asked again after waits that grow to half a minute, for three minutes in all.
PATIENCE = retry.Retry(
    predicate=retry.if_exception_type(
        exceptions.TooManyRequests,
        exceptions.InternalServerError,
        exceptions.BadGateway,
        exceptions.ServiceUnavailable,
        exceptions.GatewayTimeout,
        requests.ConnectionError,
    ),
    initial=1.0,
    multiplier=2.0,
    maximum=32.0,
    timeout=180.0,
)


class Place(NamedTuple):
    """A project and a region; `endpoint` is where the interface answers, if not where Google's
    does.
    """

    project: str
    region: str
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"project {self.project}, region {self.region}"

    @property
    def parent(self) -> str:
        """What jobs, schedules and models there are named below."""
        return f"projects/{self.project}/locations/{self.region}"


def rest_options(place: Place) -> dict[str, Any]:
    """Of a transport of Google's client: where the interface answers, and who asks. Over plain HTTP
    nobody says who they are.

    Raises:
        google.auth.exceptions.GoogleAuthError: nobody is logged in here.
    """
    host = place.endpoint or f"{place.region}-aiplatform.googleapis.com"
    scheme, separator, rest = host.partition("://")
    if not separator:
        scheme, rest = "https", host
    credentials: Credentials
    credentials = AnonymousCredentials() if scheme == "http" else find_credentials(_SCOPE)[0]
    return {"host": rest, "url_scheme": scheme, "credentials": credentials}


@contextlib.contextmanager
def explained(what: str, place: Place) -> Iterator[None]:
    """Turns what Google's client raises into a JobError that says what could not be done."""
    try:
        yield
    except (
        exceptions.GoogleAPIError,
        GoogleAuthError,
        requests.RequestException,
        TimeoutError,
    ) as error:
        raise JobError(_in_words(error, what, place)) from error


def one_line(text: str | None) -> str:
    """Google's words, without its line breaks."""
    return " ".join((text or "").split())


def _in_words(error: Exception, what: str, place: Place) -> str:
    """What was refused, what Google says, and what to do."""
    if isinstance(error, exceptions.RetryError) and error.cause is not None:
        inner = _said(error.cause)
        if isinstance(error.cause, exceptions.TooManyRequests):
            cure = "the quota is used up, also after longer waits; try later, or ask for more quota"
        else:
            cure = "Vertex AI did not answer, also after longer waits; try later"
        return f"cannot {what} in {place}: {inner}; {cure}"
    cures: list[tuple[type[Exception], str]] = [
        (
            exceptions.Forbidden,
            "give the account the role roles/aiplatform.user, and roles/iam.serviceAccountUser on"
            " run.vertex.service_account, and enable aiplatform.googleapis.com in the project",
        ),
        (
            exceptions.Unauthorized,
            "log in: gcloud auth application-default login",
        ),
        (exceptions.NotFound, "see run.vertex.project and run.vertex.region"),
        (
            GoogleAuthError,
            "set GOOGLE_APPLICATION_CREDENTIALS to a file of credentials, or run"
            " `gcloud auth application-default login`; machines of Google Cloud have their own",
        ),
        (requests.RequestException, "see to the network and to run.vertex.endpoint"),
    ]
    cure = next((cure for kind, cure in cures if isinstance(error, kind)), "")
    return f"cannot {what} in {place}: {_said(error)}{f'; {cure}' if cure else ''}"


def _said(error: BaseException) -> str:
    """Code and sentence only: addresses and headers of a request may hold more."""
    if isinstance(error, exceptions.GoogleAPICallError):
        words = re.sub(r"^[A-Z]+ https?://\S+: ", "", one_line(error.message))
        return f"{int(error.code or 0)} {words}"
    return type(error).__name__
