"""What `init` writes `plan` accepts, and what `plan` accepts is not stopped before training.

Over folders made at random: 1 to 8 words of 1 to 60 clips, 0 to 9 speakers, and junk beside them.
"""

import json
import random
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import soundfile
from apache_beam.options.pipeline_options import PipelineOptions

from components.data_gate.rules import Findings, check, stopped_because
from components.example_gen.index_writer import write_index
from components.example_gen.transforms import IngestUtterances, Places
from pipeline.datasets.checks import check_inputs
from pipeline.datasets.dry_run import make_plan
from pipeline.datasets.rows import list_rows
from pipeline.datasets.scaffold import write_workflow
from pipeline.workspace.project import Project, read_project
from schemas.errors import InputError
from schemas.reports.ingest import INGEST_REPORT_FILE, IngestReport
from schemas.reports.leakage import CERTIFICATE_FILE, SplitCertificate
from schemas.reports.rejects import REJECTS_FILE, parse_rejects

FOLDERS, INGESTED = 16, 2
RATE = 8000
MOST_CLIPS = 8 * 60


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Short clips, no two alike."""
    folder = tmp_path_factory.mktemp("recordings")
    found = []
    for number in range(MOST_CLIPS):
        noise = np.random.default_rng(number).normal(0, 0.1, RATE // 4)
        soundfile.write(file := folder / f"{number}.wav", noise, RATE)
        found.append(file)
    return found


def make_folder(folder: Path, seed: int, recordings: list[Path]) -> None:
    """Recordings of words in folders; a manifest beside them where speakers are known."""
    rng = random.Random(seed)
    words = [f"word{n}" for n in range(rng.randint(1, 8))]
    speakers = rng.randint(0, 9)
    fewest, most = rng.choice((1, 8)), rng.choice((3, 30, 60))
    files = iter(recordings)
    rows = []
    for word in words:
        (folder / word).mkdir(parents=True)
        for take in range(rng.randint(min(fewest, most), most)):
            (folder / word / f"{take}.wav").hardlink_to(next(files))
            row = {"audio_filepath": f"{word}/{take}.wav", "label": word}
            rows.append(row | {"speaker": f"s{rng.randrange(max(1, speakers))}"})
    if speakers:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "manifest.jsonl").write_text(text)
    junk = {
        f"{words[0]}/notes.txt": b"which microphone?",
        f"{words[0]}/.DS_Store": b"\0\0\0\1Bud1",
        f"{words[0]}/._0.wav": b"\0\5\26\7",
        f"{words[-1]}/Thumbs.db": b"\xd0\xcf",
        f"{words[-1]}/empty.wav": b"",
        f"{words[-1]}/text.wav": b"no audio at all",
        "nothing/.gitkeep": b"",
        "README.md": b"# clips",
    }
    for name, content in junk.items():
        if rng.random() < 0.3:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)


def init(folder: Path, seed: int, recordings: list[Path]) -> Project | None:
    """The project that `init` made; None where it refused the recordings."""
    make_folder(folder / "clips", seed, recordings)
    output = folder / "workflow.yaml"
    try:
        write_workflow(folder / "clips", output, name="words", force=False)
    except InputError as error:
        assert str(error)
        assert not output.exists()
        return None
    return read_project(output)


def test_plan_accepts_what_init_wrote(recordings: list[Path], tmp_path: Path) -> None:
    written = ingested = 0
    for seed in range(FOLDERS):
        project = init(tmp_path / str(seed), seed, recordings)
        if project is None:
            continue
        written += 1
        plan = make_plan(project)
        assert (plan.refused, plan.exit_code) == (None, 0), seed
        assert all(outlook.enough is not None for outlook in plan.outlooks), seed
        check_inputs(project, list_rows(project).utterances)
        if ingested < INGESTED:
            ingested += 1
            assert why_stopped(project, tmp_path / str(seed)) is None, seed
    assert FOLDERS / 9 < written < FOLDERS  # many have a word of fewer clips than can be used
    assert ingested == INGESTED


def why_stopped(project: Project, folder: Path) -> str | None:
    """What DataGate says of the recordings, decoded and measured as a run does it."""
    workflow = project.workflow
    index = write_index(list_rows(project), workflow.data, folder / "index")
    names = ("examples", "rejects", "report", "shards")
    places = Places(index.uri, *[str(folder / name) for name in names])
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        _ = pipeline | IngestUtterances(places, workflow.audio)
    report = (folder / "report" / INGEST_REPORT_FILE).read_bytes()
    certificate = (folder / "report" / CERTIFICATE_FILE).read_bytes()
    findings = Findings(
        report=IngestReport.model_validate_json(report),
        certificate=SplitCertificate.model_validate_json(certificate),
        rejects=parse_rejects((folder / "rejects" / REJECTS_FILE).read_bytes()),
        max_reject_fraction=workflow.data.max_reject_fraction,
        anomalies=[],
        drifts=None,
    )
    return stopped_because(check(workflow.data_gate, findings, workflow.task))


def test_a_hundred_clips_of_five_words_are_accepted_with_the_limit_they_can_show(
    recordings: list[Path], tmp_path: Path
) -> None:
    files = iter(recordings)
    for word in ("up", "down", "left", "right", "stop"):
        (tmp_path / "mywords" / word).mkdir(parents=True)
        for take in range(20):
            (tmp_path / "mywords" / word / f"{take}.wav").hardlink_to(next(files))
    write_workflow(tmp_path / "mywords", tmp_path / "workflow.yaml", name=None, force=False)
    project = read_project(tmp_path / "workflow.yaml")
    assert project.workflow.data.split.folds == 5
    [outlook] = make_plan(project).outlooks
    assert (outlook.clips, outlook.limit) == (100, 0.8)
    assert outlook.enough == 0.89  # 89 of 100: an exact interval from 0.812 on
