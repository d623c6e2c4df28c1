"""Vertex AI as registry: Google's client against a server on loopback, whole request bodies.

`vertex_requests.json` holds the requests as the REST reference describes them; digests in it are
of sha256sum.
"""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1 import ModelServiceClient
from google.cloud.aiplatform_v1.services.model_service.transports import ModelServiceRestTransport
from pushed import make_card, make_verdict, make_version
from vertex_api import VertexApi, serve

from components.registry import Registration
from components.registry.vertex import VertexRegistry
from components.versions.manifest import verify
from components.versions.serving import restore_version
from schemas.errors import RegistryError

REQUESTS = json.loads(Path(__file__).with_name("vertex_requests.json").read_text())
SERVING = "gs://bucket/runs/digits/serving"
MODEL = "projects/my-project/locations/europe-west4/models/digits"
PUSH_IDS = {1: "a1" * 16, 2: "b2" * 16, 3: "c3" * 16}


@pytest.fixture
def api() -> VertexApi:
    return VertexApi()


@pytest.fixture
def client(api: VertexApi) -> Iterator[ModelServiceClient]:
    with serve(api) as client:
        yield client


@pytest.fixture
def registry(client: ModelServiceClient) -> VertexRegistry:
    return make_registry(client)


def make_registry(client: ModelServiceClient, name: str = "digits") -> VertexRegistry:
    return VertexRegistry("my-project", "europe-west4", name, SERVING, client)


@pytest.fixture
def serving(tmp_path: Path) -> Path:
    for text in ("a", "b"):
        make_version(tmp_path / "serving", text)
    return tmp_path / "serving"


def registration(folder: Path) -> Registration:
    version = int(folder.name)
    manifest = verify(folder).model_copy(update={"push_id": PUSH_IDS[version]})
    return Registration(
        version=version,
        folder=folder,
        manifest=manifest,
        card=make_card(),
        verdict=make_verdict(),
        card_text="# digits\n",
    )


def changes(api: VertexApi) -> list[dict[str, Any]]:
    return [asked for asked in api.asked if asked["method"] != "GET"]


def test_versions_are_uploaded(api: VertexApi, registry: VertexRegistry, serving: Path) -> None:
    assert registry.register(registration(serving / "1")) == "1"
    assert api.asked[0] == REQUESTS["find"]
    assert registry.register(registration(serving / "2")) == "2"
    restored = restore_version(
        serving / "1", serving, content=1, min_version=2, withdraws=2, reason="takes noise for stop"
    )
    assert registry.register(registration(restored.folder)) == "3"
    assert changes(api) == [
        REQUESTS["upload the first version"],
        REQUESTS["upload a later version"],
        REQUESTS["upload a restored version"],
    ]
    assert api.polls == 6  # each operation was waited for


def test_a_version_is_not_uploaded_twice(
    api: VertexApi, client: ModelServiceClient, serving: Path
) -> None:
    for folder in ("1", "2", "1", "2"):
        assert make_registry(client).register(registration(serving / folder)) == folder
    assert len(changes(api)) == 2
    assert len(api.models[MODEL]) == 2


def test_what_failed_is_annotated(api: VertexApi, registry: VertexRegistry, serving: Path) -> None:
    registry.register(registration(serving / "1"))
    del api.asked[:]
    for _ in range(2):  # the second time nothing is left to do
        registry.annotate("1", {"auricle.failed": 'takes Noise\nfor "stop"'})
    assert changes(api) == [REQUESTS["annotate"]]
    registry.annotate("1", {"auricle.failed": "slow"})
    [version] = api.models[MODEL]
    assert version["labels"]["auricle_failed"] == "slow"
    assert version["labels"]["auricle_push_id"] == PUSH_IDS[1]
    assert "failed" not in version["versionDescription"]
    assert version["versionDescription"].endswith("\n# digits\n")


def test_aliases_follow(api: VertexApi, registry: VertexRegistry, serving: Path) -> None:
    for folder in ("1", "2"):
        registry.register(registration(serving / folder))
    registry.point({"candidate": "1", "champion": "1", "previous": "1"})
    del api.asked[:]
    for _ in range(2):
        registry.point({"candidate": "2", "champion": "2"})
    assert changes(api) == [REQUESTS["give an alias"], REQUESTS["take an alias away"]]
    aliases = [version["versionAliases"] for version in api.models[MODEL]]
    assert aliases == [["default", "version-1"], ["version-2", "candidate", "champion"]]


def test_no_alias_of_a_model_that_is_not_there(api: VertexApi, registry: VertexRegistry) -> None:
    registry.point({})
    assert changes(api) == []


def test_a_name_that_starts_with_a_digit(
    api: VertexApi, client: ModelServiceClient, serving: Path
) -> None:
    """A model's id does not, and has 63 characters at most."""
    name = "9" * 63
    make_registry(client, name).register(registration(serving / "1"))
    [upload] = changes(api)
    assert upload["body"]["modelId"] == f"_{'9' * 62}"
    assert upload["body"]["model"]["displayName"] == name


@pytest.mark.parametrize(
    "reason", ["Ärger mit Lärm", "a/b: c", "x" * 200, "noch\nwas", "完了", "", "fine-as_it-is7"]
)
def test_a_label_holds_what_the_api_accepts_and_the_description_the_rest(
    api: VertexApi, registry: VertexRegistry, serving: Path, reason: str
) -> None:
    registry.register(registration(serving / "1"))
    registry.annotate("1", {"auricle.failed": reason})
    [version] = api.models[MODEL]
    for key, value in version["labels"].items():
        assert re.fullmatch("[a-z][a-z0-9_-]{0,62}", key)
        assert re.fullmatch("[a-z0-9_-]{0,63}", value)
    told = {version["labels"]["auricle_failed"], *version["versionDescription"].split("\n")}
    whole = " ".join(reason.split())
    assert whole in told or f"auricle.failed: {whole}" in told


@pytest.mark.parametrize("status", [400, 403, 404, 409, 503])
def test_a_refusal_is_told_in_words(
    api: VertexApi, registry: VertexRegistry, serving: Path, status: int
) -> None:
    api.refuses = status
    said = "projects/my-project/locations/europe-west4 .*" rf" {status} .*not for you"
    with pytest.raises(RegistryError, match=said):
        registry.annotate("1", {"auricle.failed": "slow"})
    if status != 404:  # which says that nothing was registered yet
        with pytest.raises(RegistryError, match=said):
            registry.register(registration(serving / "1"))
        with pytest.raises(RegistryError, match=said):
            registry.point({"champion": "1"})


def test_an_upload_that_fails(api: VertexApi, registry: VertexRegistry, serving: Path) -> None:
    api.upload_error = {"code": 9, "message": "no saved_model.pb in gs://bucket"}
    with pytest.raises(RegistryError, match=r"saved_model\.pb .*gs://bucket"):
        registry.register(registration(serving / "1"))
    api.upload_error = None
    assert registry.register(registration(serving / "1")) == "1"


def test_nobody_answers(serving: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        transport = ModelServiceRestTransport(
            host=f"127.0.0.1:{closed.getsockname()[1]}",
            credentials=AnonymousCredentials(),
            url_scheme="http",
        )
        registry = make_registry(ModelServiceClient(transport=transport))
        with pytest.raises(RegistryError, match=r"127.0.0.1"):
            registry.register(registration(serving / "1"))
        transport.close()


def test_nobody_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone.json"))
    with pytest.raises(RegistryError, match=r"gone\.json"):
        VertexRegistry("my-project", "europe-west4", "digits", SERVING)


def test_the_client_asks_in_the_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service in another region knows nothing of the model."""
    key = tmp_path / "user.json"
    user = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    key.write_text(json.dumps(user))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    registry = VertexRegistry("my-project", "europe-west4", "digits", SERVING)
    assert registry._client.api_endpoint == "europe-west4-aiplatform.googleapis.com"
    assert registry._client.transport.kind == "grpc"
