"""Batch inference on Beam's portable path: workers on two hosts with nothing but an installation
and the stores, one of which is killed, give the bytes that one process gives here.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from emulators import Emulators
from installed import install
from served import RATE, push_answering
from waiting import wait_until
from worker_hosts import Cluster, cluster

from components.inference import rows as inference_rows
from components.storage.location import Location, location_of
from pipeline.inference.batch import Inference, infer_clips
from pipeline.inference.clips import ClipSource
from pipeline.inference.predict import TrainedModel, published_card
from pipeline.inference.target import Target
from schemas.workflow.run import Beam

pytestmark = pytest.mark.e2e
CLIPS, HERE = 24, Path("/nowhere")


@pytest.fixture(scope="module")
def running(
    running_stores: Emulators, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder, hidden = tmp_path_factory.mktemp("job_service"), tmp_path_factory.getbasetemp()
    environment = {
        name: value.replace("127.0.0.1", "{host}")
        for name, value in running_stores.environment.items()
    }
    with (
        tempfile.TemporaryDirectory(prefix="installed-") as installed,
        cluster(folder, install(Path(installed)), hidden, environment) as both,
    ):
        yield both


def infer(beam: Beam, bucket: str, out: Location) -> Inference:
    folder = location_of(bucket) / "serving" / 1
    model = TrainedModel(folder, published_card(folder), version=1)
    source = ClipSource([f"{bucket}/clips/*.wav"], HERE)
    return infer_clips(model, beam, source, Target.of(str(out), None, HERE))


def test_two_hosts_of_which_one_is_lost_answer_as_one_process_does(
    running: Cluster, stores: Emulators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_rows, "ROWS_IN_PART", 4)
    bucket, top = stores.bucket("gs"), location_of(stores.bucket("s3"))
    push_answering(location_of(bucket) / "serving")
    for number in range(CLIPS):
        tone = np.sin(np.arange(RATE // 4 + 40 * number) * (0.1 + 0.02 * number)) / 2
        soundfile.write(tmp_path / "a.wav", tone, RATE)
        place = location_of(bucket) / "clips" / f"{number:02}.wav"
        place.put((tmp_path / "a.wav").read_bytes())
    (location_of(bucket) / "clips" / "bad.wav").put(b"no audio")
    infer(Beam(), bucket, top / "here")

    beam = Beam(runner="PortableRunner", options=dict(running.options))
    with ThreadPoolExecutor() as pool:
        stores.refuse(bucket, 503, "backendError", "later", name="clips/09.wav")
        done = pool.submit(infer, beam, bucket, top / "there")
        wait_until(lambda: done_parts(top / "there") and len(running.busy()) == 1)
        [lost] = running.busy()
        os.kill(lost, signal.SIGKILL)
        stores.refuse_nothing()
        found = done.result()
    assert (found.clips, found.rejects, running.retried()) == (CLIPS, {"unsupported": 1}, 1)
    assert all("Starting worker" in host.log() for host in running.hosts)
    expected = {name: file.read() for name, file in (top / "here").files()}
    assert {name: file.read() for name, file in (top / "there").files()} == expected
    assert len(expected) == 6 + 2  # rejects, and what says that all is there


def done_parts(out: Location) -> list[str]:
    """The names of the parts that are done."""
    return (out / "_work" / "done").children()[0]
