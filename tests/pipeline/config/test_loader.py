"""A workflow file is read as it was meant, or refused with everything that is wrong in it."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.audio import mel
from pipeline.config.loader import read_workflow, slug
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
    assert project.run_directory.root == tmp_path.resolve() / "runs" / project.name


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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "train: {epoch: 3}",
            "3: train.epoch: got an unknown key, expected one of epochs, batch_size, "
            "learning_rate, patience, seed, start; did you mean train.epochs?",
        ),
        ("epochs: 3", "did you mean train.epochs?"),
        ("trian: {epochs: 3}", "3: trian: got an unknown key, expected one of name, task, data,"),
        ("trian: {epochs: 3}", "did you mean train?"),
        (
            "model: {architecture: cnn_lsm}",
            "3: model.architecture: got 'cnn_lsm', expected one of cnn, rnn, lstm, cnn_lstm; "
            "did you mean cnn_lstm?",
        ),
        ("model: {architecture: transformer}", "got 'transformer', expected one of cnn, rnn"),
        (
            "audio: {normalize: RMS}",
            "got 'RMS', expected one of rms, peak, none; did you mean rms?",
        ),
        (
            "run: {beam: {runner: dataflowrunner}}",
            "3: run.beam.runner: got 'dataflowrunner', expected one of DirectRunner, "
            "DataflowRunner, FlinkRunner, SparkRunner, PortableRunner; "
            "did you mean DataflowRunner?",
        ),
        (
            "gate: {accuracy: {at_least: 0.9, slices: [speaker, '']}}",
            "3: gate.accuracy.slices[1]: got '', expected text (not empty)",
        ),
        ("audio: {trim: yes}", "got 'yes', expected true or false; did you mean true?"),
        ("train: {epochs: '3'}", "train.epochs: got '3', expected a whole number from 1 to 10000"),
        ("train: {epochs: 3.0}", "got 3.0, expected a whole number from 1 to 10000"),
        ("train: {epochs: 0}", "got 0, expected a whole number from 1 to 10000"),
        ("train: {epochs: true}", "got true, expected a whole number"),
        ("train: {epochs: 1_000}", "got '1_000', expected a whole number"),
        ("train: {epochs: [3]}", "got a list of 1, expected a whole number"),
        ("train: {learning_rate: .nan}", "got nan, expected a number above 0 and at most 1"),
        ("augment: {time_shift_ms: .inf}", "got inf, expected a number at least 0"),
        ("train:", "3: train: got nothing, expected a block of epochs, batch_size"),
        ("train:", "(or leave the key out)"),
        ("train: fast", "3: train: got 'fast', expected a block of epochs"),
        ("train: [1]", "3: train: got a list of 1, expected a block of epochs"),
        ("push: {directory: ''}", "3: push.directory: got '', expected text (not empty)"),
        ("run: {directory: 7}", "3: run.directory: got 7, expected text (in quotes)"),
        ("name: again", "3: name: got the key again (first on line 1), expected each key once"),
        ("audio: {trim: true, trim: true}", "audio.trim: got the key again (first on line 3)"),
        (
            "audio: {clip_s: 90}",
            "3: audio.clip_s: got 90, expected a number above 0 and at most 60",
        ),
        ("? [a, b]\n: 3", "3: got a block as a key, expected a name"),
        ("audio: {clip_s: !!python/object/apply:os.getcwd []}", "audio.clip_s: got a list of 0"),
        ("audio: {clip_s: !speed 3}", "3: audio.clip_s: got the tag !speed at"),
        ("audio: {clip_s: !!int x}", "3: audio.clip_s: got the tag tag:yaml.org,2002:int"),
    ],
)
def test_a_wrong_key_or_value_is_refused(tmp_path: Path, line: str, expected: str) -> None:
    lines = refusal(tmp_path, SHORT + line + "\n")
    assert expected in lines[-1]
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: {folder: a}", "1: name: got nothing, expected text that matches ^[a-z0-9]"),
        (
            "name: x",
            "1: data: got nothing, expected a block of manifests, folder, root, generated,",
        ),
        ("name: My Digits!\ndata: {folder: a}", "1: name: got 'My Digits!', expected text that"),
        ("name: My Digits!\ndata: {folder: a}", "did you mean my-digits?"),
        ("name: 7\ndata: {folder: a}", "1: name: got 7, expected text that matches"),
        ("name: x\ndata: {}", "2: data: got no source of recordings, expected exactly one of"),
        (
            "name: x\ndata:\n  folder: a\n  manifests: b",
            "2: data: got manifests and folder, expected exactly one of manifests, folder",
        ),
        ("name: x\ndata: {manifests: []}", "data.manifests: got an empty list, expected at least"),
        ("name: x\ndata: {manifests: [a, 3]}", "data.manifests[1]: got 3, expected text"),
        ("name: x\ndata: {manifests: 3}", "data.manifests: got 3, expected text or a list of text"),
        (
            "name: x\ndata: {generated: {words: [a]}}",
            "got a list of 1, expected a list of text, at",
        ),
        ("name: x\ndata: {generated: {words: [a, b, a]}}", "words: got 'a' more than once"),
        ("name: x\ndata: {generated: {words: [a, ' ']}}", "words: got ' ', expected words without"),
        ("name: x\ndata: {generated: {words: [a, '']}}", "words[1]: got '', expected text (not"),
        (
            "name: x\ndata: {generated: {snr_db: [9, 3]}}",
            "snr_db: got 9 above 3, expected the lower",
        ),
        (
            "name: x\ndata: {generated: {snr_db: [9]}}",
            "snr_db[1]: got nothing, expected a number",
        ),
        ("name: x\ndata: {generated: {snr_db: [a, 3]}}", "snr_db[0]: got 'a', expected a number"),
        (
            "name: x\ndata: {folder: a, split: {eval: 0.5, test: 0.5}}",
            "data.split.eval: got shares of 0.5 and 0.5, which leave nothing to train on",
        ),
        ("name: x\ndata: {folder: a, split: {test: 0}}", "got nothing in the test split, expected"),
        ("name: x\ndata: {folder: a, split: {eval: 0}}", "got nothing in the eval split, expected"),
        (
            "name: x\ndata: {folder: a, split: {eval_speakers: [p, q], test_speakers: [q]}}",
            "data.split.test_speakers: got 'q' in both eval_speakers and test_speakers, expected",
        ),
    ],
)
def test_a_wrong_source_or_split_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert any(expected in line for line in refusal(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "frontend: {frame_length_ms: 1500}",
            "3: frontend.frame_length_ms: got frames of 1500 ms in clips of 1000 ms, expected a "
            "frame no longer than the clip",
        ),
        ("audio: {clip_s: 0.02}", "3: audio.clip_s: got frames of 25 ms in clips of 20 ms"),
        ("frontend: {frame_length_ms: 995}", "got one frame of 995 ms every 16 ms in clips of"),
        ("frontend: {frame_step_ms: 30}", "got steps of 30 ms between frames of 25 ms, which skip"),
        ("frontend: {frame_step_ms: 0.01}", "got 0.01 ms, less than 1 samples at 16000 Hz"),
        (
            "audio: {sample_rate: 8000}\nfrontend: {upper_edge_hertz: 7600}",
            "4: frontend.upper_edge_hertz: got 7600 Hz at a sample rate of 8000 Hz, expected at "
            "most the Nyquist frequency, 4000 Hz",
        ),
        (
            "frontend: {lower_edge_hertz: 300, upper_edge_hertz: 300}",
            "got a lowest edge of 300 Hz and a highest of 300 Hz, expected the lowest below",
        ),
        (
            "frontend: {lower_edge_hertz: 9000}",
            "got a lowest edge of 9000 Hz and a highest of 8000",
        ),
        ("frontend: {kind: mfcc, num_mfcc: 33}", "got 33 coefficients from 32 mel bins, expected"),
        (
            "frontend: {num_mel_bins: 200}",
            "frontend.num_mel_bins: got 200 mel bins from 60 to 8000",
        ),
        ("augment: {time_shift_ms: 1000}", "got shifts of 1000 ms in clips of 1000 ms, expected"),
        ("augment: {spec_augment: {time_mask_ms: 2000}}", "got masks of 2000 ms in clips of 1000"),
        ("augment: {spec_augment: {freq_mask_bins: 32}}", "got masks of 32 bins over 32, expected"),
        (
            "model: {architecture: cnn, peephole: true}",
            "3: model.peephole: got peephole connections in the architecture cnn, which has no "
            "LSTM, expected the architecture lstm or cnn_lstm",
        ),
        (
            "model: {architecture: rnn, peephole: true}",
            "in the architecture rnn, which has no LSTM",
        ),
        (
            "gate: {false_rejects: {at_most: 0.1}}",
            "3: gate.false_rejects.at_most: got a limit of false rejects, which a threshold decides"
            " that nothing chooses, expected data.background: long recordings without any",
        ),
        ("gate: {accuracy: {slices: [label]}}", "got slices without a threshold, expected gate."),
        (
            "run: {beam: {runner: DataflowRunner, options: {project: p}}}",
            "3: run.beam.runner: got DataflowRunner without region, temp_location, expected region,"
            " temp_location under run.beam.options",
        ),
        ("run: {beam: {runner: FlinkRunner}}", "got FlinkRunner without flink_master, expected"),
        (
            "run: {beam: {runner: SparkRunner}}",
            "got SparkRunner without spark_master_url, expected",
        ),
        (
            "run: {beam: {runner: PortableRunner}}",
            "got PortableRunner without job_endpoint, expecte",
        ),
        (
            "run: {beam: {workers: 2, runner: PortableRunner, options: {job_endpoint: a}}}",
            "run.beam.workers: got workers for the PortableRunner, expected workers with the",
        ),
        ("run: {beam: {options: {runner: X}}}", "got a runner among the options, expected"),
    ],
)
def test_an_impossible_combination_is_refused(tmp_path: Path, line: str, expected: str) -> None:
    assert any(expected in said for said in refusal(tmp_path, SHORT + line + "\n"))


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
        SHORT + "run: {beam: {runner: PortableRunner, options: {job_endpoint: {a: 1}}}}\n",
    )
    assert len(lines) == 1
    assert "run.beam.options.job_endpoint: got a block, expected text or" in lines[0]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "got an empty file, expected a workflow"),
        (b"# nothing\n", "got an empty file, expected a workflow"),
        (b"just words\n", ":1: got one value, expected keys"),
        (b"\n- name: x\n", ":2: got a list, expected keys"),
        (b"name: x\ndata:\n\tfolder: a\n", ":3: not valid YAML: got a tab, expected spaces"),
        (b"name: [x\ndata: 3\n", ":2: not valid YAML: while parsing a flow sequence"),
        (b"name: x\n--- \nname: y\n", "not valid YAML: got a second document after `---`"),
        (b"name: &a x\ndata: {folder: *a}\n", ":2: not valid YAML: got the alias *a, expected"),
        (b"a: &a [x]\nb: &b [*a, *a]\n", ":2: not valid YAML: got the alias *a"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "got the character '\\x00', expected text"),
        (b"name: x\nb: \x07\n", ":2: got the character '\\x07', expected text"),
        (b"\xff\xfbm\xc3p3", "got a binary file, expected UTF-8 text"),
        (b"[" * 100_000, "got blocks nested without end"),
        (b"a:\n" + b" " * (1 << 20), "got more than 1 MiB, expected a workflow file"),
    ],
)
def test_what_is_no_workflow_file_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_bytes(content)
    with pytest.raises(WorkflowError) as caught:
        read_workflow(path)
    assert str(caught.value).startswith(str(path))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").touch()
    with pytest.raises(WorkflowError, match=r"digit\.yaml: no such file; .* has digits\.yaml"):
        read_workflow(tmp_path / "digit.yaml")


def test_a_folder_is_sent_to_init(tmp_path: Path) -> None:
    with pytest.raises(
        WorkflowError, match="got a folder, expected a workflow file; `auricle init"
    ):
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
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    after = os.times()
    assert done.returncode == 2
    assert done.stdout == "[]\n"
    assert [line.split(": got")[0] for line in done.stderr.splitlines()] == [
        f"{path}:3: model.architecture",
        f"{path}:4: epoch",
    ]
    # Of the processor, since the machine may be busy with other things; it waits for nothing else.
    spent_s = after.children_user + after.children_system
    assert spent_s - before.children_user - before.children_system < 1.0


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


def test_slug() -> None:
    assert slug("My Digits (2024)!") == "my-digits-2024"
    assert slug("--") is None
