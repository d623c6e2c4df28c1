"""The page of a small run with hostile names: made by the executor, read by a parser, a browser."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import artifact_utils, channel_utils, standard_artifacts

from components.artifacts import ClipScores, DataVerdict, IngestReport, Rejects, RunReport
from components.evaluation.scores import SCORES_FILE, read_scores, write_scores
from components.report.component import Report
from components.report.executor import Executor

SECTIONS = [
    *("verdict", "data", "examples", "training", "confusion"),
    *("classes", "slices", "scores", "worst", "explained", "serving", "settings", "lineage"),
]
VOID = {"meta", "img", "br", "link"}


class _Page(HTMLParser):
    """Ids of sections, all attributes, all visible text; fails on tags left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " "
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

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


def make_report(run, *, version: int | None = None) -> str:
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
    output = RunReport()
    output.uri = str(run.root / "report")
    settings = {"name": "words", "data": {"folder": None}, "train": {"epochs": 6}}
    Executor().Do(
        {name: [artifact] for name, artifact in inputs.items()},
        {"report": [output]},
        {"workflow": json.dumps(settings)},
    )
    return (run.root / "report" / "report.html").read_text(encoding="utf-8")


def worst_by_numpy(run) -> list[tuple[str, str]]:
    rows = run.rows["test"]
    scores = read_scores(run.root / "scores" / SCORES_FILE).candidate.scores
    true = scores[np.arange(len(rows)), [run.labels.index(row.label) for row in rows]]
    order = np.argsort(true)[:12]
    return [(rows[i].id, f"{true[i]:.3f}") for i in order]


def test_the_page_has_all_sections_and_reaches_nothing_outside(
    run_files: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_files()
    html = make_report(run)
    page = _Page(html)
    assert page.sections == SECTIONS
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "action", "srcset", "poster"):
            value = attributes.get(name)
            assert value is None or re.match(r"data:(image/png|audio/wav);base64,|#", value), tag
    assert not page.all("script")
    assert not page.all("link")
    assert all(image["alt"] for image in page.all("img"))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))
    assert len(page.all("svg")) == 4
    targets = [str(a["href"])[1:] for a in page.all("a")]
    assert set(targets) <= set(page.sections)
    assert len(html) < 2_000_000
    assert "url(http" not in html
    assert "@import" not in html


def test_hostile_names_are_shown_not_run(run_files: Callable) -> None:
    run = run_files()
    html = make_report(run)
    page = _Page(html)
    assert "<script" not in html
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    for label in run.labels:
        assert label in page.text
    assert "bad/<script>alert(1)</script>0.wav" in page.text
    assert "<b>0</b>" in page.text


def test_numbers_on_the_page(run_files: Callable) -> None:
    run = run_files()
    page = _Page(make_report(run, version=3))
    text = " ".join(page.text.split())
    assert "✗ Refused 0.700 accuracy on 40 test clips" in text
    assert "accuracy 0.700 is below 0.95" in text
    assert "Pushed version 3" in text
    assert "train 40 0.01 4 3" in text
    assert "the same voice may be in train and in test" in text
    assert "8 of 128 rows did not become an example" in text
    assert "silent: 8" in text
    assert "3 more of this reason are not listed here" in text
    assert "missing" not in text
    assert "Trained from a model <script>alert(1)</script>." in text
    assert "6 epochs in 3 min 0 s; the weights of epoch 4 were kept" in text
    assert "10 more slices, all better, are not listed here" in text
    assert text.index("speaker s0 ") < text.index("speaker s1 ") < text.index("speaker s39 ")
    assert "train.epochs 6" in text
    assert "data.folder not set" in text
    assert "generated" not in text.lower()


def test_worst_clips_are_those_of_the_exported_model(run_files: Callable) -> None:
    run = run_files(clips=300)
    page = _Page(make_report(run))
    text = " ".join(page.text.split())
    assert re.findall(r"clips/(test\d+)\.wav", text)[:12] == [id_ for id_, _ in worst_by_numpy(run)]
    for _, true_score in worst_by_numpy(run):
        assert f"of the truth {true_score}" in text
    assert len(page.all("audio")) == 12
    classes = Counter(image["class"] for image in page.all("img"))
    assert classes == {"spectrogram": 12 + 3 * 4, "explanation": len(run.labels)}
    decided = [image["alt"] for image in page.all("img") if image["class"] == "explanation"]
    assert all(said.startswith("Decided most for") for said in decided)


def test_generated_speech_is_said_wherever_results_are(run_files: Callable) -> None:
    html = make_report(run_files(generated=True))
    assert "The speech is generated." in html
    for name in ("verdict", "data", "examples", "training", "confusion", "classes", "slices"):
        start = html.index(f'id="{name}"')
        assert "generated speech" in html[start : html.index("</section>", start)], name
    assert "generated speech" in html[html.index('id="worst"') : html.index('id="settings"')]


def test_many_classes_and_long_clips_stay_under_ten_megabytes(
    run_files: Callable, row: type, make_scores: Callable
) -> None:
    labels = [f"word {i:04}" for i in range(400)]
    run = run_files(labels=labels, clips=400, clip_s=60.0)
    test_file = run.root / "examples/Split-test/data_tfrecord-00000-of-00001"
    train_file = test_file.parents[1] / "Split-train" / test_file.name
    from schemas.tfrecord import frame_record

    long = [frame_record(row(f"x{i}", labels[i], "", 0.0).record(60 * 16_000)) for i in range(14)]
    test_file.write_bytes(b"".join(long))
    train_file.write_bytes(b"".join(long))
    rows = [row(f"x{i}", labels[i], "", 0.0) for i in range(14)]
    write_scores(make_scores(labels, rows), run.root / "scores" / SCORES_FILE)
    html = make_report(run)
    page = _Page(html)
    assert len(html) < 10_000_000
    assert "Too long to be played from this page." in page.text
    assert len(page.all("audio")) == 2
    assert [image["class"] for image in page.all("img")].count("matrix") == 1
    assert "340 more classes are not listed here." in page.text
    assert page.sections == SECTIONS


def test_a_run_without_test_clips_or_epochs(run_files: Callable, make_scores: Callable) -> None:
    run = run_files()
    (run.root / "examples/Split-test/data_tfrecord-00000-of-00001").write_bytes(b"")
    write_scores(make_scores(run.labels, []), run.root / "scores" / SCORES_FILE)
    (run.root / "model_run/history.json").write_text("[]")
    page = _Page(make_report(run))
    assert "There are no test clips." in page.text
    assert "No epochs were recorded." in page.text
    assert page.sections == SECTIONS


def test_the_page_fits_a_phone_and_logs_no_error(run_files: Callable, tmp_path: Path) -> None:
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if chromium is None:
        pytest.skip("no browser here: chromium, chromium-browser or google-chrome")
    run = run_files()
    make_report(run)
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"""<body><iframe id="page" width="390" height="800" src="{run.root}/report/report.html"
        style="border: 0"></iframe><script>
        document.getElementById("page").onload = event => {{
          const page = event.target.contentDocument.documentElement;
          const broken = [...page.querySelectorAll("img")].filter(i => !i.naturalWidth).length;
          const widths = [page.scrollWidth, page.clientWidth];
          document.body.dataset.seen = [...widths, broken].join(" ");
        }};</script></body>"""
    )
    command = [
        *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}"),
        *("--virtual-time-budget=10000", "--dump-dom", frame.as_uri()),
    ]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'data-seen="(\d+) (\d+) (\d+)"', seen.stdout)
    assert match, seen.stderr[-2000:]
    scroll_width, width, broken = map(int, match.groups())
    assert width in range(370, 391)
    assert scroll_width <= width
    assert broken == 0
    assert "Content Security Policy" not in seen.stderr


def test_component_wires_its_channels() -> None:
    report = Report(
        examples=channel_utils.as_channel([standard_artifacts.Examples()]),
        ingest_report=channel_utils.as_channel([IngestReport()]),
        rejects=channel_utils.as_channel([Rejects()]),
        data_verdict=channel_utils.as_channel([DataVerdict()]),
        model=channel_utils.as_channel([standard_artifacts.Model()]),
        model_run=channel_utils.as_channel([standard_artifacts.ModelRun()]),
        scores=channel_utils.as_channel([ClipScores()]),
        blessing=channel_utils.as_channel([standard_artifacts.ModelBlessing()]),
        infra_blessing=channel_utils.as_channel([standard_artifacts.InfraBlessing()]),
        workflow="{}",
    )
    assert report.outputs["report"].type is RunReport
