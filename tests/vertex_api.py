"""A server on loopback that answers like Vertex AI's model registry, as its REST reference says.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models: versions count
from 1, the first one gets the alias `default`, an alias is of one version, and an upload is an
operation that takes a while.
"""

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1 import ModelServiceClient
from google.cloud.aiplatform_v1.services.model_service.transports import ModelServiceRestTransport

_TYPE = "type.googleapis.com/google.cloud.aiplatform.v1"
_CODES = {403: "PERMISSION_DENIED", 404: "NOT_FOUND", 503: "UNAVAILABLE"}

Json = dict[str, Any]


class VertexApi:
    """What was asked, as (method, path, body or filter), and the versions of each model.

    `refuses` is a status that all is answered with, `upload_error` what an upload comes to.
    """

    def __init__(self) -> None:
        self.asked: list[Json] = []
        self.models: dict[str, list[Json]] = {}
        self.operations: dict[str, Json] = {}
        self.polls = 0
        self.refuses: int | None = None
        self.upload_error: Json | None = None

    def answer(self, method: str, path: str, query: Json, body: Json | None) -> tuple[int, Json]:
        self.asked.append({"method": method, "path": path, "body": body} | query)
        if self.refuses is not None:
            return self._error(self.refuses, "not for you")
        if "/operations/" in path:
            # Google's REST client asks below /ui/ where its gRPC client, the default, does not.
            return 200, self._poll(path.removeprefix("/ui/").removeprefix("/v1/"))
        name = path.removeprefix("/v1/")
        name, _, verb = name.partition(":")
        if verb == "upload":
            return 200, self._upload(name.removesuffix("/models"), body or {})
        model, _, version_id = name.partition("@")
        if model not in self.models:
            return self._error(404, f"The Model does not exist: {model}")
        if verb == "listVersions":
            return 200, {"models": self._list(model, query.get("filter", ""))}
        [version] = [v for v in self.models[model] if v["versionId"] == version_id]
        if verb == "mergeVersionAliases":
            self._merge(self.models[model], version, (body or {})["versionAliases"])
        elif method == "PATCH":
            for field in query["updateMask"].split(","):
                version[field] = (body or {})[field]
        return 200, version

    def _upload(self, parent: str, body: Json) -> Json:
        model = body.get("parentModel") or f"{parent}/models/{body['modelId']}"
        operation = f"{model}/operations/{len(self.operations) + 1}"
        answer: Json = {"name": operation, "done": True}
        if self.upload_error is not None:
            answer["error"] = self.upload_error
        else:
            versions = self.models.setdefault(model, [])
            aliases = [] if versions else ["default"]
            version = body["model"] | {"name": model, "versionId": str(len(versions) + 1)}
            version["versionAliases"] = aliases
            del version["containerSpec"]  # input only
            versions.append(version)
            self._merge(versions, version, body["model"].get("versionAliases", []))
            answer["response"] = {
                "@type": f"{_TYPE}.UploadModelResponse",
                "model": model,
                "modelVersionId": version["versionId"],
            }
        self.operations[operation] = answer
        return {
            "name": operation,
            "metadata": {
                "@type": f"{_TYPE}.UploadModelOperationMetadata",
                "genericMetadata": {
                    "createTime": "2026-11-25T12:00:00.000000Z",
                    "updateTime": "2026-11-25T12:00:00.000000Z",
                },
            },
        }

    def _poll(self, name: str) -> Json:
        self.polls += 1
        return {"name": name} if self.polls % 2 else self.operations[name]

    def _list(self, model: str, where: str) -> list[Json]:
        versions = self.models[model]
        if not where:
            return versions
        match = re.fullmatch(r'labels\.([a-z_]+)="([^"]*)"', where)
        assert match, where
        return [v for v in versions if v["labels"].get(match[1]) == match[2]]

    @staticmethod
    def _merge(versions: list[Json], version: Json, aliases: list[str]) -> None:
        for alias in aliases:
            holders = [version] if alias.startswith("-") else versions
            for holder in holders:
                name = alias.removeprefix("-")
                holder["versionAliases"] = [a for a in holder["versionAliases"] if a != name]
            if not alias.startswith("-"):
                version["versionAliases"].append(alias)

    @staticmethod
    def _error(status: int, message: str) -> tuple[int, Json]:
        return status, {
            "error": {"code": status, "message": message, "status": _CODES.get(status, "UNKNOWN")}
        }


class Api(Protocol):
    """Answers a request: a status, and a body."""

    def answer(self, method: str, path: str, query: Json, body: Json | None) -> tuple[int, Json]:
        """Of a path and what it asks for."""


@contextmanager
def listening(api: Api) -> Iterator[str]:
    """Serves `api`; yields where, as `http://<host>:<port>`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _do(self) -> None:
            url = urlsplit(self.path)
            query = {key: value for key, [value] in parse_qs(url.query).items() if key[0] != "$"}
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = api.answer(self.command, unquote(url.path), query, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST = do_PATCH = do_DELETE = _do  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def serve(api: VertexApi) -> Iterator[ModelServiceClient]:
    """Serves `api`; yields Google's own client of it."""
    with listening(api) as url:
        transport = ModelServiceRestTransport(
            host=url.removeprefix("http://"),
            credentials=AnonymousCredentials(),
            url_scheme="http",
        )
        try:
            yield ModelServiceClient(transport=transport)
        finally:
            transport.close()
