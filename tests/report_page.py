"""The page that the executor makes of a small run's files, read by a parser."""

import json
from html.parser import HTMLParser
from pathlib import Path

import tensorflow as tf
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import ClipScores, DataVerdict, IngestReport, Rejects, RunReport
from components.report.executor import Executor
from schemas.reports.step_timings import TIMINGS_FILE

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Ids of sections, all attributes, all visible text; fails on tags left open.

    `cells` holds the text of the clips behind each cell of the confusion matrix, by their anchor;
    `players` are the players outside them.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.cells: dict[str, str] = {}
        self.players: list[dict[str, str | None]] = []
        self._cell: tuple[str, int] | None = None
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " "
        if tag not in VOID:
            self.open.append(tag)
        if dict(attrs).get("class") == "cell":
            self._cell = str(dict(attrs)["id"]), len(self.open)
            self.cells[self._cell[0]] = ""
        if tag == "audio" and self._cell is None:
            self.players.append(dict(attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if self._cell is not None and len(self.open) < self._cell[1]:
            self._cell = None

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
            if self._cell is not None:
                self.cells[self._cell[0]] += f" {data}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def ids(self) -> set[str | None]:
        found = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        assert len(found) == len(set(found))
        return set(found)

    @property
    def sections(self) -> list[str | None]:
        return [attributes["id"] for attributes in self.all("section")]


class _Model(tf.Module):
    """The two halves that explanations ask; one frame in the middle speaks for the first class."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32)])
    def features(self, waveform: tf.Tensor) -> tf.Tensor:
        return tf.signal.frame(waveform, 200, 128)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 200], tf.float32)])
    def scores_of_features(self, features: tf.Tensor) -> tf.Tensor:
        loud = tf.reduce_sum(features[:, 9] ** 2, axis=1, keepdims=True)
        return tf.nn.softmax(loud * tf.one_hot([0], self.classes))


def make_report(
    run, *, version: int | None = None, parent: Path | None = None, timings: str = TIMINGS_FILE
) -> str:
    """Runs the executor over a run's files and returns the page."""
    tf.saved_model.save(_Model(len(run.labels)), str(run.root / "model" / "Format-Serving"))
    inputs = {
        "examples": standard_artifacts.Examples(),
        "ingest_report": IngestReport(),
        "rejects": Rejects(),
        "data_verdict": DataVerdict(),
        "model": standard_artifacts.Model(),
        "model_run": standard_artifacts.ModelRun(),
        "scores": ClipScores(),
        "blessing": standard_artifacts.ModelBlessing(),
        "infra_blessing": standard_artifacts.InfraBlessing(),
        "pushed_model": standard_artifacts.PushedModel(),
    }
    for number, (name, artifact) in enumerate(inputs.items(), start=1):
        artifact.uri, artifact.id = str(run.root / name), number
    inputs["examples"].split_names = artifact_utils.encode_split_names(["train", "eval", "test"])
    if version is not None:
        inputs["pushed_model"].set_int_custom_property("pushed", 1)
        inputs["pushed_model"].set_string_custom_property("pushed_version", str(version))
        inputs["pushed_model"].set_string_custom_property(
            "pushed_destination", f"serving/{version}"
        )
    inputs["examples"].set_string_custom_property("content_sha256", "e" * 64)
    if parent is not None:
        inputs["blessing"].set_string_custom_property("baseline_model", str(parent))
        inputs["blessing"].set_int_custom_property("baseline_model_id", 77)
    output = RunReport()
    output.uri = str(run.root / "report")
    settings = {"name": "words", "data": {"folder": None}, "train": {"epochs": 6}}
    Executor().Do(
        {name: [artifact] for name, artifact in inputs.items()},
        {"report": [output]},
        {
            "workflow": json.dumps(settings),
            "serving": str(run.root / "serving"),
            "timings": timings and str(run.root / timings),
            "trainer_code": "c" * 64,
        },
    )
    return (run.root / "report" / "report.html").read_text(encoding="utf-8")
