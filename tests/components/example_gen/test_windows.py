import json

import apache_beam as beam
import numpy as np
import pytest
import soundfile
from apache_beam.options.pipeline_options import PipelineOptions

from components.example_gen.index_writer import write_index
from components.example_gen.sources import list_utterances
from components.example_gen.transforms import IngestUtterances, Places
from components.example_gen.windows import cut_recordings
from schemas.example import decode_example
from schemas.reports.ingest import IngestReport
from schemas.tfrecord import read_records
from schemas.utterance import Utterance
from schemas.workflow.audio import Audio
from schemas.workflow.data import Cut, Data

RATE = 8000


def parts(length_s, offset_s=0.0, **cut):
    row = Utterance("x", "x.wav", "/x.wav", "yes", "ada", offset_s, length_s)
    return [(row.offset_s, row.duration_s) for row in cut_recordings([row], Cut(**cut))]


def test_windows_cover_the_recording():
    assert parts(3.0) == [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)]
    assert parts(2.0, step_s=0.5) == [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (1.5, 0.5)]
    assert parts(2.5, offset_s=7.25) == [(7.25, 1.0), (8.25, 1.0), (9.25, 0.5)]
    assert parts(2.4) == [(0.0, 1.0), (1.0, 1.0)], "less than half a window is no window"
    assert parts(0.3) == [(0.0, 0.3)], "but a short recording is one"
    assert len(parts(36_000.0)) == 36_000
    assert parts(1e6) == [(0.0, 1e6)], "nobody records for eleven days: its decoder says so"


def write(folder, rows):
    for name, seconds in rows.items():
        soundfile.write(
            folder / name, np.random.default_rng(1).normal(0, 0.1, round(seconds * RATE)), RATE
        )
    lines = [{"audio_filepath": name, "label": name[0], "speaker": name[:2]} for name in rows]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_lengths_that_nobody_wrote_down_are_read_from_the_files(tmp_path):
    write(tmp_path, {"a1.wav": 2.0, "b1.flac": 3.0})
    (tmp_path / "b2.wav").write_bytes(b"RIFF")
    with (tmp_path / "manifest.jsonl").open("a") as file:
        file.write('{"audio_filepath": "b2.wav", "label": "b"}\n')
    listing = list_utterances(Data(manifests="manifest.jsonl", cut=Cut()), tmp_path)
    ids = [row.id for row in listing.utterances]
    assert ids == [
        "a1.wav#000000", "a1.wav#000001", "b1.flac#000000", "b1.flac#000001", "b1.flac#000002",
        "b2.wav",
    ]  # fmt: skip
    assert len({row.split_key for row in listing.utterances if row.speaker == "b1"}) == 1


@pytest.mark.parametrize("processes", [1, 2])
def test_every_window_becomes_an_example_of_its_part(tmp_path, processes):
    write(tmp_path, {"a1.wav": 2.0, "b1.flac": 3.5})
    data = Data(manifests="manifest.jsonl", cut=Cut(window_s=0.5, step_s=0.5))
    index = write_index(list_utterances(data, tmp_path), data, tmp_path)
    folders = [str(tmp_path / name) for name in ("examples", "rejects", "report", "shards")]
    options = PipelineOptions(["--runner=FnApiRunner", f"--ingest_processes={processes}"])
    audio = Audio(sample_rate=RATE, clip_s=0.5, trim=False, normalize="none")
    with beam.Pipeline(options=options) as pipeline:
        _ = pipeline | IngestUtterances(Places(index.uri, *folders), audio)
    report = IngestReport.model_validate_json((tmp_path / "report" / "report.json").read_text())
    assert (report.rows, report.rejects) == (11, {})
    files = sorted(tmp_path.glob("examples/Split-*/*"))
    examples = [decode_example(record) for file in files for record in read_records(file)]
    for name in ("a1.wav", "b1.flac"):
        pcm, _ = soundfile.read(tmp_path / name, dtype="int16")
        own = sorted((e["id"], e["audio"]) for e in examples if e["id"].startswith(name))
        whole = np.frombuffer(b"".join(audio for _, audio in own), "<i2")
        np.testing.assert_allclose(whole, pcm, atol=1)
