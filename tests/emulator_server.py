"""The process of `emulators.py`: both emulators, and what a test asks of them.

Prints the ports as one line of JSON, and ends when its standard input does.
"""

import contextlib
import functools
import hashlib
import http.server
import io
import json
import logging
import re
import sys
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from gcp_storage_emulator import server as gcs_server
from gcp_storage_emulator import settings as gcs_settings
from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects as gcs_objects
from gcp_storage_emulator.storage import Storage
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

HOST = "0.0.0.0"  # hosts of tests with a network of their own come by another address
PAGE = 1000
_OBJECT = re.compile(
    r"(?:/upload|/download)?(?:/storage/v1)?/b/(?P<bucket>[^/]+)(?:/o(?:/(?P<name>.+?)"
    r"(?:/(?:rewriteTo|copyTo)/b/(?P<to_bucket>[^/]+)/o/(?P<to_name>[^/]+))?)?)?"
)


class Fault(NamedTuple):
    """What a request whose method and name match is answered `times` times; for ever if negative.

    With `keep_bytes`, an answer that is broken off after so many.
    """

    bucket: str
    methods: list[str]
    name: str  # a part of it
    status: int
    code: str
    message: str
    times: int
    keep_bytes: int = -1


class Ledger:
    """The requests that came, and the faults that are to be answered."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # one request at a time changes a store
        self.requests: Counter[tuple[str, str]] = Counter()  # by bucket and method
        self.faults: list[Fault] = []

    def fault_of(self, bucket: str, method: str, name: str) -> Fault | None:
        with self.lock:
            self.requests[bucket, method] += 1
            for place, fault in enumerate(self.faults):
                if fault.bucket == bucket and method in fault.methods and fault.name in name:
                    self.faults[place] = fault._replace(times=fault.times - 1)
                    if fault.times == 1:
                        del self.faults[place]
                    return fault
        return None


# --- Google Cloud Storage ---------------------------------------------------------------------


class _Memory(Storage):
    """The emulator's, without a file of all objects that each write writes again, and with names
    that are no paths.
    """

    def _object_path(self, bucket_name: str, file_name: str) -> str:
        return f"{bucket_name}/{hashlib.sha256(file_name.encode()).hexdigest()}"

    def _write_config_to_file(self) -> None:
        pass


class _GcsHandler(gcs_server.RequestHandler):
    """The emulator's, behind the preconditions that it does not know."""

    def __init__(self, ledger: Ledger, *args: Any) -> None:
        self._ledger = ledger
        super().__init__(*args)

    def _handle(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if body:
            self.rfile = io.BytesIO(body)
        url = urllib.parse.urlsplit(self.path)
        query = {key: found[0] for key, found in urllib.parse.parse_qs(url.query).items()}
        bucket, name = self._target(url.path, query, body)
        fault = self._ledger.fault_of(bucket, method, name)
        if fault is not None and fault.keep_bytes < 0:
            self._refuse(fault.status, fault.code, fault.message)
            return
        client, self.wfile = self.wfile, io.BytesIO()  # a slow reader holds up nobody
        with self._ledger.lock:
            status = _unmet(self.storage, bucket, name, query)
            if status:
                self._refuse(status, "conditionNotMet", "a precondition did not hold")
            elif query.get("generation", "") not in ("", _generation(self.storage, bucket, name)):
                self._refuse(404, "notFound", "no such generation")
            else:
                gcs_server.Router(self).handle(method)
        answer, self.wfile = self.wfile.getvalue(), client
        if fault is not None:
            answer = answer[: answer.index(b"\r\n\r\n") + 4 + fault.keep_bytes]
        self.wfile.write(answer)

    def _target(self, path: str, query: dict[str, str], body: bytes) -> tuple[str, str]:
        """The bucket and the object that a request would change."""
        if "upload_id" in query:
            made = self.storage.resumable.get(query["upload_id"], {})
            return made.get("bucket", ""), made.get("name", "")
        match = _OBJECT.fullmatch(path)
        if match is None:
            nested = re.search(rb"/b/([^/\s?]+)", body)  # a batch
            return (urllib.parse.unquote(nested[1].decode()) if nested else ""), ""
        bucket, name = match["to_bucket"] or match["bucket"], match["to_name"] or match["name"]
        if name is None:
            name = query.get("name") or _name_of_upload(self.headers, body)
        return urllib.parse.unquote(bucket), urllib.parse.unquote(name)

    def _refuse(self, status: int, reason: str, message: str) -> None:
        errors = [{"reason": reason, "message": message}]
        content = {"error": {"code": status, "message": message, "errors": errors}}
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = functools.partialmethod(_handle, "GET")  # noqa: N815
    do_POST = functools.partialmethod(_handle, "POST")  # noqa: N815
    do_PUT = functools.partialmethod(_handle, "PUT")  # noqa: N815
    do_PATCH = functools.partialmethod(_handle, "PATCH")  # noqa: N815
    do_DELETE = functools.partialmethod(_handle, "DELETE")  # noqa: N815


def _generation(storage: Storage, bucket: str, name: str) -> str:
    found = storage.objects.get(bucket, {}).get(name)
    return str(found["generation"]) if found else "0"


def _unmet(storage: Storage, bucket: str, name: str, query: dict[str, str]) -> int:
    """The status that Google answers where a precondition of the target does not hold, or 0."""
    generation = _generation(storage, bucket, name)
    if "ifGenerationMatch" in query and query["ifGenerationMatch"] != generation:
        return 412
    if "ifGenerationNotMatch" in query and query["ifGenerationNotMatch"] == generation:
        return 304
    return 0


def _name_of_upload(headers: Any, body: bytes) -> str:
    """What the metadata in an upload's body names; empty of another request."""
    kind = headers.get("Content-Type") or ""
    try:
        if kind.startswith("multipart/related"):
            return str(_parts(kind, body)["meta"].get("name", ""))
        return str(json.loads(body).get("name", "")) if body else ""
    except (ValueError, AttributeError):
        return ""


def _parts(kind: str, body: bytes) -> dict[str, Any]:
    """Both parts of an upload. The emulator's reader goes through `email`, which changes line ends
    and takes names for ASCII.
    """
    boundary = re.search(r'boundary="?([^";]+)"?', kind)
    assert boundary is not None
    edge = b"--" + boundary[1].encode()
    _, meta, content = body.split(edge, 2)
    content = content[: content.rindex(b"\r\n" + edge)]
    header, _, content = content.partition(b"\r\n\r\n")
    found = re.search(rb"content-type:\s*([^\r\n;]+)", header, re.IGNORECASE)
    return {
        "meta": json.loads(meta.partition(b"\r\n\r\n")[2]),
        "content": content,
        "content-type": found[1].decode() if found else "application/octet-stream",
    }


_read_data = gcs_server._read_data


def _read_parts(handler: Any, query: Any) -> Any:
    kind = handler.headers.get("Content-Type") or ""
    if kind.startswith("multipart/related"):
        return _parts(kind, gcs_server._read_raw_data(handler))
    return _read_data(handler, query)


def _list(request: Any, response: Any, storage: Storage) -> None:
    """The emulator's listing, in pages: names and prefixes share a page, in order."""
    gcs_objects.ls(request, response, storage)
    if response.status != 200:
        return
    found = json.loads(response._content)
    named = [(item["name"], "items", item) for item in found["items"]]
    named += [(prefix, "prefixes", prefix) for prefix in found["prefixes"]]
    named.sort(key=lambda each: each[0].encode())
    after = request.query.get("pageToken", [""])[0]
    left = [each for each in named if each[0].encode() > after.encode()]
    size = min(PAGE, int(request.query.get("maxResults", [PAGE])[0]))
    page: dict[str, Any] = {"kind": "storage#objects", "items": [], "prefixes": []}
    for _, kind, each in left[:size]:
        page[kind].append(each)
    if len(left) > size:
        page["nextPageToken"] = left[size - 1][0]
    response.json(page)


def _download(request: Any, response: Any, storage: Storage) -> None:
    """The emulator's download, with the generation, and 416 behind the end."""
    bucket, name = request.params["bucket_name"], request.params["object_id"]
    with contextlib.suppress(NotFound):
        found = storage.get_file_obj(bucket, name)
        start = re.match(r"bytes=(\d+)-", request.get_header("range") or "")
        if start and int(start[1]) >= int(found["size"]):
            response.status = http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            return
        response["X-Goog-Generation"] = str(found["generation"])
    gcs_objects.download(request, response, storage)


def _get(request: Any, response: Any, storage: Storage) -> None:
    if request.query.get("alt", [""])[0] == "media":
        _download(request, response, storage)
    else:
        gcs_objects.get(request, response, storage)


def serve_gcs(ledger: Ledger) -> http.server.ThreadingHTTPServer:
    replaced = {gcs_objects.ls: _list, gcs_objects.get: _get, gcs_objects.download: _download}
    gcs_server.HANDLERS = tuple(
        (path, {verb: replaced.get(handler, handler) for verb, handler in handlers.items()})
        for path, handlers in gcs_server.HANDLERS
    )
    gcs_server._read_data = _read_parts
    gcs_settings.STORAGE_BASE = "/nowhere"
    storage = _Memory(use_memory_fs=True)
    return http.server.ThreadingHTTPServer(
        (HOST, 0), lambda *args: _GcsHandler(ledger, storage, *args)
    )


# --- S3 ---------------------------------------------------------------------------------------


def _error_page(fault: Fault) -> bytes:
    region = "<Region>eu-central-1</Region>" if "region" in fault.message else ""
    return (
        f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message>{region}</Error>"
    ).encode()


class _GuardedMoto:
    """moto, one request at a time: its preconditions ask and write in two steps."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._app = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        _, bucket, name = f"{environ['PATH_INFO']}/".split("/", 2)
        fault = self._ledger.fault_of(bucket, environ["REQUEST_METHOD"], name)
        if fault is not None and fault.keep_bytes < 0:
            start(f"{fault.status} refused", [("Content-Type", "application/xml")])
            return [_error_page(fault)]
        with self._ledger.lock:
            answer = self._app(environ, start)
        if fault is None:
            return answer
        return _broken(answer, fault.keep_bytes)


def _broken(answer: Iterable[bytes], keep_bytes: int) -> Iterator[bytes]:
    yield b"".join(answer)[:keep_bytes]


# --- Control ----------------------------------------------------------------------------------


class _ControlHandler(http.server.BaseHTTPRequestHandler):
    """`GET` gives the counts of requests; `POST` sets faults."""

    def __init__(self, ledger: Ledger, *args: Any) -> None:
        self._ledger = ledger
        super().__init__(*args)

    def do_GET(self) -> None:
        with self._ledger.lock:
            self._answer([[*key, count] for key, count in self._ledger.requests.items()])

    def do_POST(self) -> None:
        faults = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self._ledger.lock:
            self._ledger.faults = [Fault(**fault) for fault in faults]
        self._answer([])

    def _answer(self, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    logging.disable(logging.CRITICAL)
    ledger = Ledger()
    servers = {
        "gcs": serve_gcs(ledger),
        "s3": make_server(HOST, 0, _GuardedMoto(ledger), True, request_handler=MotoRequestHandler),  # type: ignore[arg-type]
        "control": http.server.ThreadingHTTPServer(
            (HOST, 0), lambda *args: _ControlHandler(ledger, *args)
        ),
    }
    for each in servers.values():
        threading.Thread(target=each.serve_forever, daemon=True).start()
    ports = {name: each.server_address[1] for name, each in servers.items()}
    sys.stdout.write(f"{json.dumps(ports)}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
