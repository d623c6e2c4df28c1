"""Secrets in URIs are hidden wherever they stand, and refused where they could be kept."""

import json
from pathlib import Path

import pytest

from components.example_gen.sources import list_utterances
from pipeline.cli.crash_report import explain_fault
from pipeline.cli.output import say, say_message
from pipeline.config.loader import read_workflow
from pipeline.notifications import failure_event
from schemas.errors import InputError, WorkflowError
from schemas.secrets import has_secret, masked
from schemas.workflow.data import Data
from schemas.workflow.workflow import Workflow

TOKEN = "T0k3n"
SECRET = [
    f"s3://key:{TOKEN}@bucket/a.wav",
    f"s3://{TOKEN}@bucket/a.wav",
    f"s3:/key:{TOKEN}@bucket/a.wav",
    f"s3://AKIA:{TOKEN}/{TOKEN}+x@bucket/a.wav",
    f"https://a.b/c.wav?X-Amz-Signature={TOKEN}&X-Amz-Date=1",
    f"https://a.b/c.wav?{TOKEN}",
    f"https://a.b/c.wav#token={TOKEN}",
    f"https://a.b/c.wav#{TOKEN}",
    f"gs://a/b.wav?token={TOKEN}",
    f"abfs://a/b.wav;sig={TOKEN}",
    f"postgresql://user:{TOKEN}@host:5432/mlflow",
    f"http://user:{TOKEN}@127.0.0.1:5000/",
    f"https://hooks.slack.com/services/{TOKEN}/B/C",
    f"see 'https://x.y/?a={TOKEN}' and s3://b:{TOKEN}@c/d",
]
PLAIN = [
    "s3://bucket/a b@c.wav", "s3://bucket/set?.jsonl", "s3://bucket/#1 a.wav", "http://host:5000",
    "a@b.c", "http://host:5000/a@b", "/home/ann/what?.wav", "fake://bucket/[v2]*.jsonl",
    "sqlite:///runs/x.sqlite",
    "s3:/bucket/a.wav", "key: got 'https://a.b/c', expected d",
]  # fmt: skip


@pytest.mark.parametrize("text", SECRET)
def test_it_is_hidden(text: str) -> None:
    assert has_secret(text)
    assert TOKEN not in masked(text)
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_none_stays(text: str) -> None:
    assert masked(text) == text


KEYS = [
    'data: {folder: "URI"}',
    'data: {manifests: ["a.jsonl", "URI"]}',
    'data: {manifests: a.jsonl, root: "URI"}',
    'data: {manifests: a.jsonl, background: "URI"}',
    'data: {folder: x}\nrun: {directory: "URI"}',
    'data: {folder: x}\npush: {directory: "URI"}',
    'data: {folder: x}\nregistry: {uri: "URI"}',
    'data: {folder: x}\nnotify: {command: [curl, "URI"]}',
    'data: {folder: x}\nnotify: {webhook: "URI"}',
    'data: {folder: x}\nrun: {beam: {options: {x: "URI"}}}',
    'data: {folder: x}\ntask: "URI"',
    'data: {folder: x, split: {eval: "URI"}}',
]


@pytest.mark.parametrize("written", KEYS)
@pytest.mark.parametrize("uri", SECRET[:3] + SECRET[3:4] + SECRET[5:6])
def test_a_workflow_file_holds_none(written: str, uri: str, tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    file.write_text(f"name: x\n{written.replace('URI', uri)}\n")
    with pytest.raises(WorkflowError) as refused:
        read_workflow(file)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("uri", SECRET[:-1])
def test_a_row_with_one_is_a_reject_without_it(uri: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    rows = [{"audio_filepath": name, "label": "yes"} for name in ("a.wav", uri)]
    rows[0] |= {"found_at": uri}
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    listing = list_utterances(Data(manifests="m.jsonl"), tmp_path)
    [reject] = listing.rejects
    assert (reject.reason, reject.id) == ("unsupported", "m.jsonl:2")
    assert TOKEN not in reject.model_dump_json()
    [kept] = listing.utterances
    assert TOKEN not in repr(kept)


def test_nothing_that_is_said_holds_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = Workflow.model_validate({"name": "x", "data": {"folder": "."}})
    for uri in SECRET:
        say(f"read {uri}")
        say_message(f"first line\nthen {uri}", err=True)
        assert TOKEN not in failure_event(workflow, InputError(uri)).model_dump_json()
        monkeypatch.setattr("sys.argv", ["auricle", "plan", uri])
        fault = explain_fault(ValueError(uri), tmp_path)
        say_message(str(fault))
    said = "".join(capsys.readouterr())
    assert TOKEN not in said
    assert len(said) > 100
    logs = list(tmp_path.glob("internal-error-*"))
    assert logs
    assert not any(TOKEN in log.read_text() for log in logs)
