"""Vertex AI's own Model Registry.

Our name is the model's id, and a push is one of its versions; Vertex AI counts these for itself.
Its labels hold lower-case letters, digits, `-` and `_`, at most 63 of them, so a tag that is more
than that is said in full above the model card, in the version's description.
"""

import contextlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud import aiplatform_v1
from google.cloud.aiplatform_v1.services.model_service.transports import ModelServiceRestTransport
from google.protobuf.field_mask_pb2 import FieldMask

from components.registry.interface import ALIASES, STATE_TAGS, Registration
from components.vertex_rest import Place, rest_options
from schemas.errors import RegistryError

# A model of our own has to name what serves it; this is the newest that Vertex AI has for
# TensorFlow.
CONTAINER_IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
_PUSH_ID = "auricle.push_id"
_LONGEST_LABEL = 63  # characters, as of a model's id
_LIMIT_S = 30.0  # of a request
_UPLOAD_LIMIT_S = 1800.0  # it copies the files


class VertexRegistry:
    """The model `name` in a project and region, whose versions lie below `serving`."""

    def __init__(
        self,
        project: str,
        region: str,
        name: str,
        serving: str,
        client: aiplatform_v1.ModelServiceClient | None = None,
        endpoint: str | None = None,
    ) -> None:
        """Opens the registry, at `endpoint` if that is given; `serving` is the Cloud Storage URI of
        the serving directory.

        Raises:
            RegistryError: nobody is logged in to Google Cloud here.
        """
        self._name, self._serving = name, serving.rstrip("/")
        self._location = f"projects/{project}/locations/{region}"
        # Its first character is no digit.
        self._id = (f"_{name}" if name[0].isdigit() else name)[:_LONGEST_LABEL]
        self._model = f"{self._location}/models/{self._id}"
        with self._explained():
            if client is None and endpoint is not None:
                options = rest_options(Place(project, region, endpoint))
                transport = ModelServiceRestTransport(**options)
                client = aiplatform_v1.ModelServiceClient(transport=transport)
            self._client = client or aiplatform_v1.ModelServiceClient(
                client_options={"api_endpoint": f"{region}-aiplatform.googleapis.com"}
            )

    def entries(self, kept: Collection[str]) -> dict[str, str]:
        """All of them: their files are those of the serving directory."""
        with self._explained():
            versions = self._versions()
        found = {v.labels.get(_label(_PUSH_ID), ""): str(v.version_id) for v in reversed(versions)}
        return {push_id: entry for push_id, entry in found.items() if push_id}

    def register(self, registration: Registration) -> str:
        """The number Vertex AI gives the version, as text."""
        push_id = registration.manifest.push_id
        with self._explained():
            versions = self._versions(f'labels.{_label(_PUSH_ID)}="{push_id}"')
            if versions:
                return str(versions[0].version_id)
            request = aiplatform_v1.UploadModelRequest(
                parent=self._location, model=self._version(registration)
            )
            if self._versions():
                request.parent_model = self._model
            else:
                request.model_id = self._id
            upload = self._client.upload_model(request, timeout=_LIMIT_S)
            uploaded = upload.result(timeout=_UPLOAD_LIMIT_S)
            return str(uploaded.model_version_id)

    def annotate(self, entry: str, tags: Mapping[str, str]) -> None:
        with self._explained():
            version = self._client.get_model(name=f"{self._model}@{entry}", timeout=_LIMIT_S)
            before = dict(version.labels), version.version_description
            over = {_label(tag) for tag in STATE_TAGS if tag not in tags}
            labels = {k: v for k, v in before[0].items() if k not in over} | _labels(tags)
            description = _described(before[1], tags)
            if (labels, description) == before:
                return
            changed = aiplatform_v1.Model(
                name=f"{self._model}@{entry}", labels=labels, version_description=description
            )
            mask = FieldMask(paths=["labels", "version_description"])
            self._client.update_model(model=changed, update_mask=mask, timeout=_LIMIT_S)

    def point(self, aliases: Mapping[str, str]) -> None:
        with self._explained():
            there = {
                alias: str(version.version_id)
                for version in self._versions()
                for alias in version.version_aliases
            }
            changes = defaultdict(list)
            # An alias is of one version: given to another, it leaves the first.
            for alias, entry in aliases.items():
                if there.get(alias) != entry:
                    changes[entry].append(alias)
            for alias in sorted(set(ALIASES) & set(there) - set(aliases)):
                changes[there[alias]].append(f"-{alias}")
            for entry, changed in changes.items():
                self._client.merge_version_aliases(
                    name=f"{self._model}@{entry}", version_aliases=changed, timeout=_LIMIT_S
                )

    def _versions(self, where: str = "") -> list[aiplatform_v1.Model]:
        request = aiplatform_v1.ListModelVersionsRequest(name=self._model, filter=where)
        try:
            return list(self._client.list_model_versions(request, timeout=_LIMIT_S))
        except exceptions.NotFound:
            return []  # nothing was registered yet

    def _version(self, registration: Registration) -> aiplatform_v1.Model:
        return aiplatform_v1.Model(
            display_name=self._name,
            artifact_uri=f"{self._serving}/{registration.version}",
            container_spec=aiplatform_v1.ModelContainerSpec(image_uri=CONTAINER_IMAGE),
            version_aliases=[f"version-{registration.version}"],
            version_description=_described(registration.card_text, registration.tags),
            labels=_labels(registration.tags),
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what Google's client raises into a RegistryError."""
        try:
            yield
        except (exceptions.GoogleAPIError, GoogleAuthError, OSError, TimeoutError) as error:
            what = getattr(error, "message", None) or str(error)
            code = getattr(error, "code", None)
            raise RegistryError(
                f"Vertex AI's registry of {self._location} does not answer:"
                f" {f'{int(code)} ' if isinstance(code, int) else ''}{_line(str(what))}"
            ) from error


def _labels(tags: Mapping[str, str]) -> dict[str, str]:
    return {_label(key): _label(value) for key, value in tags.items()}


def _label(text: str) -> str:
    """As much of `text` as a label can hold."""
    return re.sub("[^a-z0-9_-]+", "_", text.lower())[:_LONGEST_LABEL]


def _described(description: str, tags: Mapping[str, str]) -> str:
    """`description` below a line for each of `tags` that a label cannot hold."""
    shortened = {key: _line(value) for key, value in tags.items() if _label(value) != value}
    kept = [
        line
        for line in description.split("\n")
        if not line.startswith(tuple(f"{key}: " for key in {*tags, *STATE_TAGS}))
    ]
    return "\n".join([*(f"{key}: {value}" for key, value in shortened.items()), *kept])


def _line(text: str) -> str:
    return " ".join(text.split())
