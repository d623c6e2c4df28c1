"""What an object store refuses ends a command in words and with exit code 2."""

import sys
from pathlib import Path

import pytest
from emulators import Emulators
from words import write_project

from components.storage.interface import HeldError
from components.storage.location import location_of
from components.storage.remote import RemoteStorage
from pipeline.cli import _answer

COMMANDS = ("runs", "models", "why", "rejects", "run")
REFUSALS = {
    "forbidden": {"gs": (403, "forbidden"), "s3": (403, "AccessDenied")},
    "quota": {"gs": (429, "rateLimitExceeded"), "s3": (503, "SlowDown")},
    "credentials": {"gs": (401, "authError"), "s3": (403, "InvalidAccessKeyId")},
    "region": {"s3": (400, "IllegalLocationConstraintException")},
}
WORDS = {
    "forbidden": "the right to",
    "quota": "longer waits",
    "credentials": "no credentials that hold",
    "region": "AWS_REGION",
}


def remote_project(folder: Path, root: str) -> Path:
    file = write_project(folder)
    file.write_text(f"{file.read_text()}run: {{directory: {root}/runs}}\n")
    return file


def ends(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    """The exit code of `auricle`, and what it said."""
    monkeypatch.setattr(sys, "argv", ["auricle", *arguments])
    with pytest.raises(SystemExit) as ended:
        _answer()
    return ended.value.code, " ".join(capsys.readouterr().err.split())


@pytest.fixture
def waits(bucket: str, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    storage = location_of(bucket).storage
    assert isinstance(storage, RemoteStorage)
    asked: list[float] = []
    monkeypatch.setattr(storage, "wait", asked.append)
    return asked


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_said(
    tmp_path: Path,
    bucket: str,
    refusal: str,
    stores: Emulators,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = REFUSALS[refusal].get(bucket[:2])
    if answer is None:
        pytest.skip("this store knows no regions of that kind")
    file = remote_project(tmp_path, bucket)
    stores.refuse(bucket, *answer)
    for command in COMMANDS:
        code, said = ends([command, str(file)], monkeypatch, capsys)
        assert (command, code) == (command, 2)
        assert bucket in said
        assert WORDS[refusal] in said
        assert "Traceback" not in said
    assert bool(waits) == (refusal == "quota")


@pytest.mark.parametrize("command", ["runs", "run", "plan"])
def test_a_bucket_that_is_not_there_is_said(
    tmp_path: Path,
    bucket: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = remote_project(tmp_path, f"{bucket}-none")
    code, said = ends([command, str(file)], monkeypatch, capsys)
    assert (code, f"no bucket {bucket}-none" in said) == (2, True)


def test_a_run_directory_that_another_machine_holds_is_said(
    tmp_path: Path,
    bucket: str,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lease = location_of(bucket) / "runs" / ".lock"
    lease.put(b"process 7 on tower\n1")
    storage = lease.storage
    beats = iter(range(2, 10))
    monkeypatch.setattr(
        storage, "wait", lambda _: lease.put(f"process 7 on tower\n{next(beats)}".encode())
    )
    file = remote_project(tmp_path, bucket)
    code, said = ends(["run", str(file)], monkeypatch, capsys)
    assert (code, "process 7 on tower" in said) == (2, True)
    with pytest.raises(HeldError), lease.lease():
        pass
    monkeypatch.setattr(storage, "wait", lambda _: None)  # its holder is dead
    with lease.lease():
        pass


def test_clocks_may_differ(bucket: str, waits: list[float]) -> None:
    """A lease is judged by whether it changes: what its store or its holder take for now is not
    asked.
    """
    lease = location_of(bucket) / ".lock"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: 4e9)
        with lease.lease():
            pass
    lease.put(b"process 7 on a machine whose clock is years behind\n1")
    with lease.lease():
        assert len(waits) == 1


@pytest.mark.parametrize("key", ["run", "push"])
def test_a_store_that_nobody_knows_is_said(
    tmp_path: Path,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write_project(tmp_path)
    file.write_text(f"{file.read_text()}{key}: {{directory: hdfs://names/runs}}\n")
    code, said = ends(["run", str(file)], monkeypatch, capsys)
    assert (code, f"{key}.directory" in said, "hdfs" in said) == (2, True, True)
