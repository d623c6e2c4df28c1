"""The page of a small run with hostile names: made by the executor, read by a parser, a browser."""

import hashlib
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scored
from report_page import Page, make_report
from scored import spotted
from tfx.types import channel_utils, standard_artifacts
from third import TASK, installed

from components.artifacts import ClipScores, DataVerdict, IngestReport, Rejects, RunReport
from components.evaluation.score_files import SCORES_FILE, read_scores
from components.report.component import Report
from components.tasks.spot.details import OperatingPoint
from components.versions.manifest import write_manifest
from schemas.example import encode_example
from schemas.reports.metrics import Interval
from schemas.reports.rule import Rule
from schemas.reports.serving import ServingReport
from schemas.reports.verdict import Verdict

SECTIONS = [
    *("verdict", "data", "examples", "training", "confusion"),
    *("classes", "slices", "scores", "worst", "explained", "serving", "settings", "lineage"),
]


@pytest.fixture(scope="module")
def html(small_run) -> str:
    """The page of a run that pushed version 3."""
    return make_report(small_run, version=3)


def worst_by_numpy(run) -> list[tuple[str, str]]:
    rows = run.rows["test"]
    scores = read_scores(run.root / "scores" / SCORES_FILE).candidate.outputs["scores"]
    true = scores[np.arange(len(rows)), [run.labels.index(row.label) for row in rows]]
    order = np.argsort(true)[:12]
    return [(rows[i].id, f"{true[i]:.3f}") for i in order]


def test_the_page_has_all_sections_and_reaches_nothing_outside(html: str) -> None:
    page = Page(html)
    assert page.sections == SECTIONS
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "action", "srcset", "poster"):
            value = attributes.get(name)
            assert value is None or re.match(r"data:(image/png|audio/flac);base64,|#", value), tag
    assert not page.all("script")
    assert not page.all("link")
    assert all(image["alt"] for image in page.all("img"))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))
    assert [svg["class"] for svg in page.all("svg")].count("chart") == 4
    targets = [str(a["href"])[1:] for a in page.all("a")]
    assert set(targets) <= page.ids
    assert len(html) < 2_000_000
    assert "url(http" not in html
    assert "@import" not in html


def test_hostile_names_are_shown_not_run(html: str, small_run) -> None:
    page = Page(html)
    assert "<script" not in html
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    for label in small_run.labels:
        assert label in page.text
    assert "bad/<script>alert(1)</script>0.wav" in page.text
    assert "<b>0</b>" in page.text


def test_numbers_on_the_page(html: str) -> None:
    text = " ".join(Page(html).text.split())
    assert "✗ Refused 0.700 accuracy on 40 test clips" in text
    assert "accuracy 0.700 is below 0.95" in text
    assert "Published version 3" in text
    assert "train 40 0.01 4 3" in text
    assert "the same voice may be in train and in test" in text
    assert "8 of 128 rows did not become an example" in text
    assert "silent: 8" in text
    assert "3 more of this reason are not listed here" in text
    assert "missing" not in text
    assert "Trained from a model <script>alert(1)</script>." in text
    assert "6 epochs in 3 min 00 s; the weights of epoch 4 were kept" in text
    assert "10 more slices, all better, are not listed here" in text
    assert text.index("speaker s0 ") < text.index("speaker s1 ") < text.index("speaker s39 ")
    assert "train.epochs 6" in text
    assert "data.folder not set" in text
    assert "generated" not in text.lower()


def test_keyword_spotting_has_a_section_where_there_was_background(run_files: Callable) -> None:
    run = run_files()
    file = run.root / "blessing" / "verdict.json"
    point = OperatingPoint(
        threshold=0.875,
        allowed_per_hour=1.0,
        choose_hours=0.5,
        hours=0.4,
        false_alarms=2,
        false_alarms_per_hour=5.0,
        false_alarms_interval=Interval(low=0.606, high=18.06),
        clips=40,
        false_rejects=0.25,
        false_rejects_interval=Interval(low=0.127, high=0.412),
        left_out={"<b>.wav": "unreadable: no"},
    )
    verdict = Verdict.model_validate_json(file.read_bytes())
    file.write_text(spotted(verdict, point).model_dump_json())
    page = Page(make_report(run))
    assert page.sections == [
        each
        for section in SECTIONS
        for each in ([section, "keywords"] if section == "scores" else [section])
    ]
    assert {"href": "#keywords"} in page.all("a")
    text = " ".join(page.text.split())
    assert "counts as detected from a score of 0.875 on" in text
    assert "at most 1 false alarms an hour" in text
    assert "in 0.500 hours of recordings without the words, so short that this means none" in text
    assert "False alarms an hour 5 0.606 - 18.1 2 in 0.400 hours" in text
    assert "False rejects 0.250 0.127 - 0.412 40 test clips of words" in text
    assert "Not heard: <b>.wav, unreadable: no" in text


def test_a_task_without_classes_has_a_page_of_its_own_sections(
    run_files: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = installed(monkeypatch)
    next(installation)
    run = run_files()
    run.write_examples(
        lambda row: encode_example(
            row.common_values() | {"loudness_db": row.rms_db}, {"loudness_db": "float"}
        )
    )
    file = run.root / "blessing" / "verdict.json"
    verdict = json.loads(Verdict.model_validate_json(file.read_bytes()).model_dump_json())
    verdict["details"] = {"task": TASK, "bias_db": 1.5}
    verdict["headline"] |= {"name": "mean error", "unit": "dB", "higher_is_better": False}
    file.write_text(json.dumps(verdict))
    page = Page(make_report(run))
    next(installation, None)
    assert page.sections == [
        *("verdict", "data", "examples", "training", "bias", "slices", "worst"),
        *("serving", "settings", "lineage"),
    ]
    text = " ".join(page.text.split())
    assert "0.700 dB mean error on 40 test clips" in text
    assert "Bias +1.50 dB" in text
    assert "Class balance" not in text
    assert text.index("speaker s39 ") < text.index("speaker s38 ")  # worst first: the highest


def test_worst_clips_are_those_of_the_exported_model(run_files: Callable) -> None:
    run = run_files(clips=300)
    page = Page(make_report(run))
    text = " ".join(page.text.split())
    heard = re.findall(r"clips/(test\d+)\.wav", text[text.rindex("Worst clips") :])
    assert heard[:12] == [id_ for id_, _ in worst_by_numpy(run)]
    for _, true_score in worst_by_numpy(run):
        assert f"of the truth {true_score}" in text
    assert len(page.players) == 12
    classes = Counter(image["class"] for image in page.all("img"))
    assert classes == {"spectrogram": 12 + 3 * 4, "explanation": len(run.labels)}
    decided = [image["alt"] for image in page.all("img") if image["class"] == "explanation"]
    assert all(said.startswith("Decided most for") for said in decided)


def test_clips_that_a_rule_names_can_be_heard_at_one_place(run_files: Callable) -> None:
    first = [f"test{i}" for i in range(14)]
    run = run_files(named=(first, ["test3", "test39", "gone"]))
    page = Page(make_report(run))
    worst = {id_ for id_, _ in worst_by_numpy(run)}
    heard = {*first[:10], "test3", "test39"}  # ten of a rule; a rule that held names no reason
    assert worst & heard
    assert heard - worst
    assert len(page.players) == len(worst | heard)
    listed = re.findall(r'"named-\d+"', "".join(f'"{id_}"' for id_ in page.ids))
    assert len(listed) == len(heard - worst)
    targets = [
        str(a["href"])[1:] for a in page.all("a") if re.match("#(worst|named)-", str(a["href"]))
    ]
    assert set(targets) <= page.ids
    # Those among the worst clips, and test3 again of the second rule, are linked to.
    assert len(targets) == len(set(first[:10]) & worst) + len({"test39"} & worst) + 1
    text = " ".join(page.text.split())
    assert "Listen to 10 of its clips" in text
    assert "4 more clips of this rule are not listed here" in text
    assert "Listen to 2 of its clips" in text
    assert "1 more clips of this rule are not listed here" in text


def test_no_more_than_thirty_named_clips_are_played(run_files: Callable) -> None:
    run = run_files(clips=300)
    file = run.root / "blessing" / "verdict.json"
    verdict = Verdict.model_validate_json(file.read_bytes())
    rules = [
        verdict.rules[1].model_copy(
            update={"message": f"rule {i}", "clips": [f"test{10 * i + j}" for j in range(10)]}
        )
        for i in range(5)
    ]
    changes = {"rules": rules, "reasons": [rule.message for rule in rules]}
    file.write_text(verdict.model_copy(update=changes).model_dump_json())
    page = Page(make_report(run))
    worst = {id_ for id_, _ in worst_by_numpy(run)}
    assert len(page.players) == len(worst | {f"test{i}" for i in range(30)})


def test_what_was_found_in_the_data(html: str) -> None:
    text = " ".join(Page(html).text.split())
    assert "The same speaker none The same audio none" in text
    assert "The same recording under another encoding 30" in text
    assert "The same recording under another encoding: <script>alert(1)</script>19" in text
    assert "10 more findings are not listed here" in text
    assert "120 clips were compared; two are one recording from a correlation of 0.95 on" in text
    assert "4 groups of identical clips were found" in text
    assert "<script>alert(1)</script> 0.250 snr_db 0.062" in text


def test_nothing_before_is_no_drift(run_files: Callable) -> None:
    run = run_files()
    file = run.root / "data_verdict" / "data_verdict.json"
    file.write_text('{"rules": []}')
    assert "Drift" not in Page(make_report(run)).text


def test_where_the_model_comes_from(run_files: Callable) -> None:
    run = run_files()
    parent = run.root / "parent"
    for version, weights in (("1", b"old"), ("2", b"parent"), ("10", b"new")):
        for folder in (run.root / "serving" / version, parent / "Format-Serving"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "saved_model.pb").write_bytes(b"graph")
            (folder / "weights").write_bytes(weights)
        about = run.root / "serving" / version / "assets.extra"
        about.mkdir()
        (about / "model_card.md").write_text("of the pushed one alone")
        write_manifest(about.parent, "m")
    (parent / "Format-Serving" / "weights").write_bytes(b"parent")
    text = " ".join(Page(make_report(run, parent=parent)).text.split())
    assert f"Examples SHA-256 {'e' * 64}" in text
    settings = {"train": {"epochs": 6}, "name": "words", "data": {"folder": None}}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    assert f"Settings SHA-256 {digest}" in text
    assert f"with its libraries {'c' * 64}" in text
    assert f"number 77, served as version 2, {parent}" in text
    (run.root / "serving" / "2").rename(run.root / "serving" / "elsewhere")
    text = " ".join(Page(make_report(run, parent=parent)).text.split())
    assert "number 77, not served" in text
    text = " ".join(Page(make_report(run)).text.split())
    assert "none: no model was blessed before" in text


def test_how_long_the_steps_took(html: str, run_files: Callable) -> None:
    text = " ".join(Page(html).text.split())
    assert "Of the run that wrote this page, 2 min 04 s before it" in text
    assert "Prepare 4.0 Trainer 120.5 reused" in text
    assert '<i style="--share: 3.3%">' in html
    assert "Timing" not in make_report(run_files(), timings="")


def test_a_model_that_cannot_be_served_is_said_in_a_sentence(run_files: Callable) -> None:
    run = run_files()
    printed = (
        "the model cannot be served: Traceback (most recent call last):\n"
        '  File "client.py", line 9, in <module>\n    loaded = load(folder)\n'
        "tensorflow.python.framework.errors_impl.NotFoundError: no op <Odd>\n"
        "  at node map/while\n"
    )
    rules = [
        Rule(name="answers", passed=False, message=printed),
        Rule(name="memory", passed=True, message="500 MB: no limit is declared"),
    ]
    report = ServingReport(passed=False, rules=rules, asked=9)
    (run.root / "infra_blessing" / "serving.json").write_text(report.model_dump_json())
    html = make_report(run)
    text = " ".join(Page(html).text.split())
    said = "the model cannot be served: tensorflow.python.framework.errors_impl.NotFoundError"
    assert f"answers ✗ {said}: no op <Odd> All that was printed the model" in text
    assert html.count("<pre>") == 1
    assert "memory ✓ 500 MB: no limit is declared" in text


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
    scored.write(make_scores(labels, rows), run.root / "scores")
    html = make_report(run)
    page = Page(html)
    assert len(html) < 10_000_000
    assert "Too long to be played from this page." in page.text
    assert 0 < len(page.players) < 12
    assert [image["class"] for image in page.all("img")].count("matrix") == 1
    assert "340 more classes are not listed here." in page.text
    assert page.sections == SECTIONS


def test_a_run_without_test_clips_or_epochs(run_files: Callable, make_scores: Callable) -> None:
    run = run_files()
    (run.root / "examples/Split-test/data_tfrecord-00000-of-00001").write_bytes(b"")
    scored.write(make_scores(run.labels, []), run.root / "scores")
    (run.root / "model_run/history.json").write_text("[]")
    page = Page(make_report(run))
    assert "There are no test clips." in page.text
    assert "No epochs were recorded." in page.text
    assert page.sections == SECTIONS


def test_the_page_fits_a_phone_and_logs_no_error(run_files: Callable, tmp_path: Path) -> None:
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if chromium is None:
        pytest.skip("no browser here: chromium, chromium-browser or google-chrome")
    run = run_files(named=([f"test{i}" for i in range(14)], ["test3"]))
    players = len(Page(make_report(run)).all("audio"))
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"""<body><iframe id="page" width="390" height="800" src="{run.root}/report/report.html"
        style="border: 0"></iframe><script>
        document.getElementById("page").onload = async event => {{
          const page = event.target.contentDocument;
          page.querySelectorAll("details").forEach(each => each.open = true);
          const broken = [...page.querySelectorAll("img")].filter(i => !i.naturalWidth).length;
          const lost = [...page.querySelectorAll("a")].filter(
            a => !page.getElementById(decodeURIComponent(a.hash.slice(1)))).length;
          const players = [...page.querySelectorAll("audio")];
          const played = await Promise.all(players.map(async audio => {{
            audio.muted = true;
            try {{ await audio.play(); }} catch (error) {{ return 0; }}
            return audio.duration;
          }}));
          const cells = [...page.querySelectorAll(".cell")];
          const shown = () => cells.filter(cell => cell.getClientRects().length).map(c => c.id);
          const before = shown(), link = page.querySelector(".confusion a");
          link.click();
          await new Promise(done => page.defaultView.requestAnimationFrame(done));
          const chosen = [before, shown(), [link.hash.slice(1)]];
          const wave = page.querySelector(link.hash + " .waveform path").getBBox();
          const root = page.documentElement;
          document.body.dataset.seen = JSON.stringify({{
            scrollWidth: root.scrollWidth, width: root.clientWidth, broken, lost, played, chosen,
            wave: [wave.width, wave.height],
            matrix: page.querySelector(".confusion").clientWidth,
          }}).replaceAll('"', "'");
        }};</script></body>"""
    )
    command = [
        *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}"),
        *("--autoplay-policy=no-user-gesture-required", "--enable-logging=stderr"),
        *("--virtual-time-budget=200000", "--dump-dom", frame.as_uri()),
    ]
    run_ = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'data-seen="([^"]+)"', run_.stdout)
    assert match, run_.stderr[-2000:]
    seen = json.loads(match[1].replace("'", '"'))
    assert seen["width"] in range(370, 391)
    assert seen["scrollWidth"] <= seen["width"]
    assert (seen["broken"], seen["lost"]) == (0, 0)
    assert seen["played"] == [0.5] * players
    before, after, wanted = seen["chosen"]
    assert (before, after) == ([], wanted)
    assert seen["wave"] == [119, 40]
    assert seen["matrix"] <= seen["width"]
    assert "CONSOLE" not in run_.stderr


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
        serving="",
        timings="",
        trainer_code="",
    )
    assert report.outputs["report"].type is RunReport
