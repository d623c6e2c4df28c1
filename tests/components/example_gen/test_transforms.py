import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import apache_beam as beam
import pytest
import soundfile
from apache_beam.options.pipeline_options import PipelineOptions
from fake_store import FakeStore
from planted import CrashingReader, ReaderFromStore

from components.beam_jobs import named_error
from components.example_gen.index import read_index
from components.example_gen.index_writer import write_index
from components.example_gen.sources import Listing, list_utterances
from components.example_gen.transforms import (
    IngestUtterances,
    Places,
    Totals,
    WriteReport,
    settings_digest,
)
from components.storage.location import location_of, register_scheme
from schemas.errors import AuricleError, DataError, RunDirectoryError
from schemas.example import decode_example
from schemas.progress import LOGGER_NAME
from schemas.reports.ingest import INGEST_REPORT_FILE, IngestReport
from schemas.reports.leakage import SplitCertificate
from schemas.reports.rejects import Reject
from schemas.tfrecord import read_records
from schemas.workflow.audio import Audio
from schemas.workflow.data import Data, Split
from schemas.workflow.generated import Generated

AUDIO = Audio(sample_rate=8000, clip_s=0.5)
ONE_PROCESS = ["--runner=FnApiRunner"]


def _ingest(data, base, out, args=ONE_PROCESS, audio=AUDIO, **options):
    ref = write_index(list_utterances(data, base), data, out / "index")
    with beam.Pipeline(options=PipelineOptions(args)) as pipeline:
        _ = pipeline | IngestUtterances(_places(ref.uri, out), audio, **options)
    return out


def _places(index, out):
    return Places(index, *[str(out / n) for n in ("examples", "rejects", "report", "shards")])


def _files(out):
    """Every written file but the index, which has absolute paths in it, and the kept shards."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.parent.name not in ("index", "shards")
    }


def _examples(out, split="*"):
    files = sorted(out.glob(f"examples/Split-{split}/*"))
    return [decode_example(record) for file in files for record in read_records(file)]


def test_every_row_becomes_an_example_or_a_reject(recordings, data, tmp_path):
    out = _ingest(data, recordings, tmp_path / "out")
    assert sorted(_files(out)) == [
        "examples/Split-eval/data_tfrecord-00000-of-00001",
        "examples/Split-test/data_tfrecord-00000-of-00001",
        "examples/Split-train/data_tfrecord-00000-of-00001",
        "rejects/rejects.jsonl",
        "report/certificate.json",
        "report/report.json",
    ]
    examples = _examples(out)
    rejects = [
        Reject.model_validate_json(line)
        for line in (out / "rejects" / "rejects.jsonl").read_text().splitlines()
    ]
    assert [(reject.id, reject.reason) for reject in rejects] == [
        ("broken.wav", "unreadable"),
        ("empty.wav", "empty"),
        ("manifest.jsonl:28", "missing"),
        ("manifest.jsonl:29", "bad_row"),
        ("text.wav", "unsupported"),
    ]
    written = {row.id for row in list_utterances(data, recordings).utterances}
    assert {example["id"] for example in examples} == written - {reject.id for reject in rejects}
    assert all(len(example["audio"]) == 2 * 4000 for example in examples)
    assert {example["speaker"] for example in _examples(out, "eval")} == {"bob"}
    assert {example["speaker"] for example in _examples(out, "test")} == {"cyd"}
    formats = {example["speaker"]: example["source_format"] for example in examples}
    assert formats == {"ada": "wav", "bob": "flac", "cyd": "ogg", "dan": "wav"}


def test_one_waveform_with_two_labels_is_found_by_its_samples(recordings, data, tmp_path):
    """Of two files of other names and other containers."""
    folder = shutil.copytree(recordings, tmp_path / "copied")
    rows = {row.id: row for row in list_utterances(data, folder).utterances}
    row = rows["clips/no/ada-0.wav"]
    waveform, rate = soundfile.read(row.path, dtype="int16")
    soundfile.write(folder / "again.flac", waveform, rate, subtype="PCM_16")
    again = {"audio_filepath": "again.flac", "speaker": "dan", "label": "other"}
    with (folder / "manifest.jsonl").open("a") as manifest:
        manifest.write(f"\n{json.dumps(again)}\n")
    out = _ingest(data, folder, tmp_path / "out")
    written = (out / "report" / "certificate.json").read_text()
    leaks = SplitCertificate.model_validate_json(written).leaks
    assert [leak.what for leak in leaks if leak.kind == "two_labels"] == [
        ["again.flac (other, train)", f"{row.id} ({row.target}, train)"]
    ]


def test_the_report_counts_what_was_written(recordings, data, tmp_path):
    out = _ingest(data, recordings, tmp_path / "out")
    report = IngestReport.model_validate_json((out / "report" / "report.json").read_text())
    assert report.rows == 29
    assert (report.generated, report.split_by) == (False, "named speakers")
    assert report.rejects == {
        "bad_row": 1, "empty": 1, "missing": 1, "unreadable": 1, "unsupported": 1,
    }  # fmt: skip
    assert list(report.splits) == ["train", "eval", "test"]
    train = report.splits["train"]
    assert (train.clips, train.labels) == (12, {"no": 6, "yes": 6})
    assert train.speakers == {"ada": 6, "dan": 6}
    assert train.hours == pytest.approx(4 * (0.4 + 0.5 + 0.6) / 3600, rel=1e-3)
    assert report.rows == sum(s.clips for s in report.splits.values()) + sum(
        report.rejects.values()
    )


def test_bytes_depend_on_neither_order_nor_workers_nor_repetition(
    recordings, data, write_manifest, tmp_path
):
    (recordings / "gone.wav").write_bytes(b"RIFF")  # a missing row's reject names its line
    rows = [json.loads(row) for row in (recordings / "manifest.jsonl").read_text().splitlines()]
    write_manifest(recordings, rows[:-1])
    once = _files(_ingest(data, recordings, tmp_path / "once"))
    write_manifest(recordings, rows[:-1][::-1])
    threads = ["--direct_num_workers=3", "--direct_running_mode=multi_threading"]
    other = _ingest(data, recordings, tmp_path / "other", ONE_PROCESS + threads)
    assert _files(other) == once
    three = ["--ingest_processes=3"]
    assert _files(_ingest(data, recordings, tmp_path / "three", ONE_PROCESS + three)) == once
    assert _files(_ingest(data, recordings, other)) == once  # over its own files, as a retry does


def test_a_native_decoder_that_crashes_costs_one_clip(
    recordings, data, write_manifest, tmp_path, monkeypatch
):
    rows = [json.loads(row) for row in (recordings / "manifest.jsonl").read_text().splitlines()]
    before = _examples(_ingest(data, recordings, tmp_path / "before"))
    shutil.copy(recordings / rows[0]["audio_filepath"], recordings / "crash.wav")
    crash = rows[0] | {"audio_filepath": "crash.wav"}
    write_manifest(recordings, [rows[0], crash, *rows[1:-1]])
    monkeypatch.setattr("components.example_gen.transforms.ClipReader", CrashingReader)
    out = _ingest(data, recordings, tmp_path / "out", [*ONE_PROCESS, "--ingest_processes=2"])
    assert _examples(out) == before
    rejects = (out / "rejects" / "rejects.jsonl").read_text().splitlines()
    [reject] = [reject for reject in map(json.loads, rejects) if reject["id"] == "crash.wav"]
    assert (reject["reason"], reject["detail"]) == ("unreadable", "the decoder died of SIGSEGV")


def test_generated_speech_is_ingested_like_any_other(tmp_path):
    generated = Generated(words=["no", "yes"], speakers=3, takes=1)
    data = Data(generated=generated, split=Split(eval=0.0, test=0.0))
    out = _ingest(data, tmp_path, tmp_path / "out")
    examples = _examples(out, "train")
    assert len(examples) == len({example["audio"] for example in examples}) == 6
    report = IngestReport.model_validate_json((out / "report" / "report.json").read_text())
    assert report.generated
    assert list(report.splits) == ["train"]


def test_progress_ends_at_the_total(recordings, data, tmp_path, caplog):
    with caplog.at_level("INFO", logger=LOGGER_NAME):
        _ingest(data, recordings, tmp_path / "out")
    messages = [json.loads(r.message) for r in caplog.records if r.name == LOGGER_NAME]
    assert messages[-1] == {"done": 27, "total": 27, "unit": "clips", "note": ""}


def test_an_empty_index_gives_an_empty_report(data, tmp_path):
    ref = write_index(Listing([], []), data, tmp_path)
    with beam.Pipeline(options=PipelineOptions(ONE_PROCESS)) as pipeline:
        _ = pipeline | IngestUtterances(_places(ref.uri, tmp_path), AUDIO)
    report = IngestReport.model_validate_json((tmp_path / "report" / "report.json").read_text())
    assert (report.rows, report.splits) == (0, {})


def test_a_full_disk_ends_the_run_by_name_and_leaves_no_half_file(
    recordings, data, tmp_path, monkeypatch
):
    fixed = uuid.uuid4()
    monkeypatch.setattr(uuid, "uuid4", lambda: fixed)
    scratch = tmp_path / "out" / "shards" / ".unfinished"
    scratch.mkdir(parents=True)
    ref = write_index(list_utterances(data, recordings), data, tmp_path)
    with Path(ref.uri).open("rb") as file:
        index = read_index(file)
    shard = index.shards[0]
    name = f"{settings_digest(AUDIO, index)}-{shard.number}-{shard.of}-{shard.digest}.tfrecord"
    full = scratch / f".{name}.{fixed.hex}"
    full.symlink_to("/dev/full")  # the kernel's own full disk
    with pytest.raises(Exception, match="No space left") as raised:
        _ingest(data, recordings, tmp_path / "out")
    error = named_error(raised.value)
    assert isinstance(error, RunDirectoryError)
    assert "no room left to write" in str(error)
    assert not [path for path in (tmp_path / "out").glob("[!i]*/**/*") if not path.is_dir()]


def test_a_file_that_changes_meanwhile_ends_the_run_by_name(recordings, data, tmp_path):
    ref = write_index(list_utterances(data, recordings), data, tmp_path)
    (recordings / "clips/no/ada-0.wav").write_bytes(b"")
    pipeline = beam.Pipeline(options=PipelineOptions(ONE_PROCESS))
    with pytest.raises(Exception, match="changed since") as raised, pipeline:
        _ = pipeline | IngestUtterances(_places(ref.uri, tmp_path), AUDIO)
    assert type(named_error(raised.value)) is DataError
    assert not list(tmp_path.glob("*/Split-train/*"))


def test_a_row_that_got_lost_is_a_fault(recordings, data, tmp_path):
    ref = write_index(list_utterances(data, recordings), data, tmp_path)
    pipeline = beam.Pipeline(options=PipelineOptions(ONE_PROCESS))
    with pytest.raises(Exception, match="29 rows, but wrote 0 examples") as raised, pipeline:
        totals = pipeline | beam.Create([Totals()])
        rejects = pipeline | "NoRejects" >> beam.Create([])
        _ = totals | WriteReport(_places(ref.uri, tmp_path), AUDIO, rejects)
    assert type(named_error(raised.value)) is AuricleError


def test_importing_the_transforms_imports_neither_tensorflow_nor_tfx():
    code = (
        "import sys, components.example_gen.transforms;"
        "print(sorted({'tensorflow', 'tfx', 'keras'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize(("must_pass", "leaks"), [(True, 0), (False, 1)])
def test_a_voice_that_must_pass_may_be_known(
    recordings, data, write_manifest, tmp_path, must_pass, leaks
):
    rows = [
        json.loads(line) for line in (recordings / "manifest.jsonl").read_text().splitlines()[:24]
    ]
    hard = rows[0]
    assert hard["speaker"] == "ada"
    hard |= {"split": "test", **({"must_pass": True} if must_pass else {})}
    write_manifest(recordings, rows)
    _ingest(data, recordings, tmp_path / "out")
    certificate = json.loads((tmp_path / "out/report/certificate.json").read_text())
    assert certificate["counts"]["speaker"] == leaks


@pytest.mark.parametrize("is_read_there", [False, True])
def test_an_object_store_gets_the_same_files(
    recordings, data, tmp_path, monkeypatch, is_read_there
):
    store = FakeStore(tmp_path / "objects")
    register_scheme("fake", lambda: store)
    local = _ingest(data, recordings, tmp_path / "out")
    out = location_of("fake://bucket")
    if is_read_there:
        for name, file in location_of(recordings).files():
            (out / "recordings" / name).put(file.read())
        shutil.rmtree(recordings)
        data = data.model_copy(update={"manifests": f"{out}/recordings/{data.manifests}"})
        monkeypatch.setenv("STORE", str(tmp_path / "objects"))
        monkeypatch.setattr("components.example_gen.transforms.ClipReader", ReaderFromStore)
    ref = write_index(list_utterances(data, recordings), data, out / "index")
    for _ in range(2):  # the second takes the stored shards over
        with beam.Pipeline(options=PipelineOptions(ONE_PROCESS)) as pipeline:
            places = [str(out / n) for n in ("examples", "rejects", "report", "shards")]
            _ = pipeline | IngestUtterances(Places(ref.uri, *places), AUDIO)
    kept = {n: file.read() for n, file in out.files() if n.split("/")[0] in ("examples", "rejects")}
    wanted = {n: c for n, c in _files(local).items() if n.split("/")[0] in ("examples", "rejects")}
    assert kept == wanted
    report = IngestReport.model_validate_json((out / "report" / INGEST_REPORT_FILE).read())
    assert sum(split.clips for split in report.splits.values()) == 24
