"""A workflow file is read as it was meant, or refused with everything that is wrong in it."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from wrong_workflows import COMBINATIONS, KEYS_AND_VALUES, SOURCES_AND_SPLITS

from components.audio import mel
from pipeline.config.loader import read_with_notes, read_workflow, slug
from pipeline.workspace.project import read_project
from schemas.errors import WorkflowError
from schemas.workflow.audio import Audio
from schemas.workflow.frontend import Frontend
from schemas.workflow.workflow import Workflow

SHIPPED = sorted((Path(__file__).parents[3] / "pipeline" / "workflows").glob("*.yaml"))
READABLE = Workflow.model_validate({"name": "digits", "data": {"folder": "clips"}})
SHORT = "name: digits\ndata: {folder: clips}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "workflow.yaml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> list[str]:
    """The lines of the refusal, without the path in front."""
    path = write(folder, text)
    with pytest.raises(WorkflowError) as caught:
        read_workflow(path)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def test_two_lines_are_a_workflow(tmp_path: Path) -> None:
    workflow = read_workflow(write(tmp_path, SHORT))
    assert workflow == READABLE


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_workflows_are_short_and_valid(path: Path) -> None:
    read_workflow(path)
    keys = [line for line in path.read_text().splitlines() if line.split("#")[0].strip()]
    assert len(keys) <= 15


def test_there_are_shipped_workflows() -> None:
    assert {path.name for path in SHIPPED} >= {"demo.yaml", "digits.yaml"}


def test_relative_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, SHORT)
    monkeypatch.chdir(tmp_path.parent)
    project = read_project(Path(tmp_path.name) / "workflow.yaml")
    assert project.folder == tmp_path.resolve()
    assert project.run_directory.local == tmp_path.resolve() / "runs" / project.name


def test_yaml_1_1_traps(tmp_path: Path) -> None:
    text = (
        "name: words\n"
        "data: {generated: {words: [yes, no, on, off, y, n, 1e, 2024-01-01, '1', 12:30]}}\n"
        "audio: {clip_s: 1, trim: False}\n"
        "train: {learning_rate: 1e-3, epochs: 010}\n"
    )
    workflow = read_workflow(write(tmp_path, text))
    assert workflow.data.generated is not None
    expected = ["yes", "no", "on", "off", "y", "n", "1e", "2024-01-01", "1", "12:30"]
    assert workflow.data.generated.words == expected
    assert workflow.audio.trim is False
    assert workflow.audio.clip_s == 1.0
    assert workflow.train.learning_rate == 0.001
    assert workflow.train.epochs == 10


def test_json_and_a_byte_order_mark_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "workflow.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"name": "x", "data": {"folder": "a"}}).encode())
    assert read_workflow(path).name == "x"


@pytest.mark.parametrize(("text", "places"), KEYS_AND_VALUES.items())
def test_a_wrong_key_or_value_is_refused(tmp_path: Path, text: str, places: list[str]) -> None:
    assert [line.split(": got")[0] for line in refusal(tmp_path, text)] == places


@pytest.mark.parametrize(("text", "places"), SOURCES_AND_SPLITS.items())
def test_a_wrong_source_or_split_is_refused(tmp_path: Path, text: str, places: list[str]) -> None:
    assert [line.split(": got")[0] for line in refusal(tmp_path, text)] == places


@pytest.mark.parametrize(("text", "places"), COMBINATIONS.items())
def test_an_impossible_combination_is_refused(tmp_path: Path, text: str, places: list[str]) -> None:
    assert [line.split(": got")[0] for line in refusal(tmp_path, text)] == places


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        "name: digits\n"
        "data: {generated: {words: [one, two, 3], snr_db: [9, 3]}}\n"
        "model:\n"
        "  architecture: cnn\n"
        "  peephole: true\n"
        "  unit: 3\n"
        "frontend: {frame_length_ms: 2000, frame_step_ms: wide}\n"
        "model: {}\n"
    )
    lines = refusal(tmp_path, text)
    assert [line.split(": got")[0] for line in lines] == [
        "2: data.generated.snr_db",
        "2: data.generated.words[2]",
        "5: model.peephole",
        "6: model.unit",
        "7: frontend.frame_length_ms",
        "7: frontend.frame_step_ms",
        "8: model",
    ]


def test_a_conflict_is_not_blamed_on_what_was_left_out(tmp_path: Path) -> None:
    """With `cinn` dropped the default architecture would take peepholes; nothing may be said."""
    lines = refusal(tmp_path, SHORT + "model: {architecture: cinn, peephole: true}\n")
    assert len(lines) == 1
    lines = refusal(
        tmp_path,
        SHORT + "run: {beam: {runner: DirectRunner, options: {direct_num_workers: {a: 1}}}}\n",
    )
    assert len(lines) == 1
    assert "run.beam.options.direct_num_workers: " in lines[0]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"", ": "),
        (b"# nothing\n", ": "),
        (b"just words\n", ":1: "),
        (b"\n- name: x\n", ":2: "),
        (b"name: x\ndata:\n\tfolder: a\n", ":3: "),
        (b"name: [x\ndata: 3\n", ":2: "),
        (b"name: x\n--- \nname: y\n", ":2: "),
        (b"name: &a x\ndata: {folder: *a}\n", ":2: "),
        (b"a: &a [x]\nb: &b [*a, *a]\n", ":2: "),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", ":1: "),
        (b"name: x\nb: \x07\n", ":2: "),
        (b"\xff\xfbm\xc3p3", ": "),
        (b"[" * 100_000, ": "),
        (b"a:\n" + b" " * (1 << 20), ": "),
    ],
)
def test_what_is_no_workflow_file_is_refused(tmp_path: Path, content: bytes, where: str) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_bytes(content)
    with pytest.raises(WorkflowError) as caught:
        read_workflow(path)
    assert str(caught.value).startswith(f"{path}{where}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").touch()
    with pytest.raises(WorkflowError, match=r"digit\.yaml: .* digits\.yaml"):
        read_workflow(tmp_path / "digit.yaml")


def test_a_folder_is_sent_to_init(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="`auricle init"):
        read_workflow(tmp_path)


def test_a_refusal_is_quick_and_imports_nothing_heavy(tmp_path: Path) -> None:
    path = write(tmp_path, SHORT + "model: {architecture: cnn_lsm}\nepoch: 3\n")
    code = (
        "import sys, atexit\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'keras', 'numpy', 'soundfile'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\n"
        "from pipeline.cli import main\n"
        f"sys.argv = ['auricle', 'run', {str(path)!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == "[]\n"
    assert [line.split(": got")[0] for line in done.stderr.splitlines()] == [
        f"{path}:3: model.architecture",
        f"{path}:4: epoch",
    ]


def test_empty_mel_bands_are_found_just_where_the_filterbank_has_them() -> None:
    seen = set()
    choices = itertools.product((8000, 16000, 44100), (10.0, 25.0, 64.0), (0.0, 20.0, 125.0))
    for sample_rate, frame_length_ms, lower_edge_hertz in choices:
        for num_mel_bins in (*range(4, 200, 7), 400, 512):
            frontend = Frontend(
                num_mel_bins=num_mel_bins,
                frame_length_ms=frame_length_ms,
                lower_edge_hertz=lower_edge_hertz,
            )
            workflow = READABLE.model_copy(
                update={"audio": Audio(sample_rate=sample_rate), "frontend": frontend}
            )
            length = mel.fft_length(mel.ms_to_samples(frame_length_ms, sample_rate))
            weights = mel.mel_weight_matrix(
                num_mel_bins, length // 2 + 1, sample_rate, lower_edge_hertz, sample_rate / 2
            )
            has_empty_band = bool((weights.sum(axis=0) == 0).any())
            is_refused = any("mel bins from" in said.got for said in workflow.find_conflicts())
            assert is_refused == has_empty_band, (sample_rate, frontend)
            seen.add(is_refused)
    assert seen == {True, False}


@pytest.mark.parametrize(("text", "notes"), [("", 1), ("task: spot\n", 0)], ids=["unsaid", "said"])
def test_a_task_that_the_file_does_not_name_is_said(tmp_path: Path, text: str, notes: int) -> None:
    path = write(tmp_path, f"{text}name: x\ndata: {{folder: clips, background: noise.wav}}\n")
    workflow, said = read_with_notes(path)
    assert (workflow.task, len(said)) == ("spot", notes)


def test_slug() -> None:
    assert slug("My Digits (2024)!") == "my-digits-2024"
    assert slug("--") is None
