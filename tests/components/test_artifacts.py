"""The artifact types as a container of Vertex AI finds them."""

import pytest
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.types.artifact import Artifact
from tfx.utils.import_utils import import_class_by_path

from components import artifacts

OWN = [
    each
    for each in vars(artifacts).values()
    if isinstance(each, type)
    and issubclass(each, Artifact)
    and each.__module__ == artifacts.__name__
]


def test_there_are_types_of_our_own() -> None:
    assert {each.__name__ for each in OWN} >= {"Rejects", "DataVerdict", "ClipScores"}


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
def test_a_container_imports_a_type_by_its_name(kind: type[Artifact]) -> None:
    assert import_class_by_path(kind.TYPE_NAME) is kind
    assert f"title: {kind.TYPE_NAME}" in compiler_utils.get_artifact_schema(kind)
