"""The artifact types of our own that components pass to each other; the rest are TFX's.

A type's name has two parts, as Vertex AI asks for, and is where TFX imports the class from in a
container: what is added here is named in `auricle`, too.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tfx.types import artifact_utils, standard_artifacts
from tfx.types.artifact import Artifact
from tfx.utils import path_utils

import components.tfx_files  # noqa: F401 - registered, so that TFX finds artifacts in stores
from components.storage.location import location_of
from schemas.splits import judging, teaching

Artifacts = dict[str, list[Artifact]]  # what a step takes or gives, by key
BASELINE_PROPERTY = "baseline_model_uri"  # of a ClipScores: what Evaluator looked up itself


class Rejects(Artifact):
    """`rejects.jsonl`: a line for every row that did not become an example, with its reason."""

    TYPE_NAME = "auricle.Rejects"


class IngestReport(Artifact):
    """`report.json`: counts, hours, classes and speakers by split (`schemas.reports`)."""

    TYPE_NAME = "auricle.IngestReport"


class DataVerdict(Artifact):
    """`data_verdict.json` and the statistics of the train split, of data that may be trained on."""

    TYPE_NAME = "auricle.DataVerdict"


class RunReport(Artifact):
    """`report.html`: one self-contained page a run."""

    TYPE_NAME = "auricle.RunReport"


class ClipScores(Artifact):
    """`test-*.npz`: what candidate and baseline answered on some of the test clips each, in the
    order that `test.json` lists them in.

    `background.npz`: what the candidate answered on recordings without keywords, where there are.
    """

    TYPE_NAME = "auricle.ClipScores"


def model_at(uri: str) -> standard_artifacts.Model:
    """The Model artifact at a URI, of which nothing else is known."""
    model = standard_artifacts.Model()
    model.uri = uri
    return model


def judging_splits(examples: list[Artifact]) -> list[str]:
    """URIs of the splits whose clips judge a model that has not heard them."""
    return _split_uris(examples, judging)


def teaching_splits(examples: list[Artifact]) -> list[str]:
    """URIs of the splits whose clips teach the model that ships."""
    return _split_uris(examples, teaching)


def _split_uris(
    examples: list[Artifact], choose: Callable[[Iterable[str]], list[str]]
) -> list[str]:
    [artifact] = examples
    names = choose(artifact_utils.decode_split_names(artifact.split_names))
    return [uri for name in names for uri in artifact_utils.get_split_uris(examples, name)]


def saved_model_uri(model: Artifact) -> str:
    """Where in a Model artifact the SavedModel lies."""
    uri: str = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    return uri


@contextlib.contextmanager
def saved_model_here(model: Artifact) -> Iterator[Path]:
    """The SavedModel of a Model artifact on this machine, with what lies beside it."""
    inside = saved_model_uri(model).removeprefix(model.uri).lstrip("/")
    with location_of(model.uri).local_copy() as folder:
        yield folder / inside
