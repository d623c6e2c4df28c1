"""The certificate by grouping is that of one process, however clips lie in shards and parts."""

import json

import apache_beam as beam
import numpy as np
import pytest
import soundfile
from apache_beam.io import WriteToText
from apache_beam.options.pipeline_options import PipelineOptions

from components.audio.synthesis import generate, voices
from components.example_gen import certificate, index_writer
from components.example_gen.certificate import CertifySplits
from components.example_gen.files import open_uncompressed
from components.example_gen.index import read_index
from components.example_gen.index_writer import write_index
from components.example_gen.pieces import find_pieces, parts_of, shared_pieces, split_codes
from components.example_gen.sources import list_utterances
from components.example_gen.transforms import IngestUtterances, Places, settings_digest
from schemas.reports.leakage import SplitCertificate
from schemas.workflow.audio import Audio
from schemas.workflow.data import Data
from schemas.workflow.generated import Generated

RATE = 8000
GENERATED = Generated(words=["left", "right", "seven"], speakers=12, takes=1)
SPLITS = ["train"] * 6 + ["eval"] * 3 + ["test"] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Words of twelve voices, with copies of many kinds in other splits and in the same."""
    folder = tmp_path_factory.mktemp("speech")
    rows = []
    waveforms = {}

    def add(name, waveform, split, speaker, label):
        soundfile.write(folder / name, waveform, RATE)
        row = {"audio_filepath": name, "split": split, "label": label}
        rows.append(row | ({"speaker": speaker} if speaker else {}))

    for voice, split in zip(voices(12, GENERATED.seed), SPLITS, strict=True):
        for word in GENERATED.words:
            waveform = generate(word, voice, 0, GENERATED, RATE)
            waveforms.setdefault(split, []).append((word, waveform))
            add(f"{voice.name}-{word}.wav", waveform, split, voice.name, word)
    for n, (word, waveform) in enumerate(waveforms["test"]):
        add(f"near-{n}.mp3", 0.5 * waveform, "train" if n % 2 else "eval", "", word)
    for n, (word, waveform) in enumerate(waveforms["train"][:6]):
        add(f"same-{n}.flac", waveform, ("train", "eval")[n % 2], "", word if n % 3 else "left")
        add(f"again-{n}.wav", waveform, "test", "", "seven")
    add("late.wav", np.random.default_rng(1).normal(0, 0.1, RATE), "eval", "s0", "left")
    rows[-1]["speaker"] = rows[0]["speaker"]
    add("silent.wav", np.zeros(RATE), "eval", "", "left")
    lines = [json.dumps(row) + "\n" for row in rows]
    (folder / "manifest.jsonl").write_text("".join(lines))
    return folder


def _certify(folder, out, **options):
    data = Data(manifests="manifest.jsonl")
    index = write_index(list_utterances(data, folder), data, out / "index")
    folders = [str(out / name) for name in ("examples", "rejects", "report", "shards")]
    places = Places(index.uri, *folders)
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        _ = pipeline | IngestUtterances(places, Audio(sample_rate=RATE), **options)
    return SplitCertificate.model_validate_json((out / "report" / "certificate.json").read_text())


def _certify_by_beam(out):
    """What workers elsewhere would do: of the shards that are stored."""
    [uri] = (out / "index").glob("*.jsonl")
    with open_uncompressed(str(uri)) as file:
        index = read_index(file)
    places = str(uri), str(out / "shards"), settings_digest(Audio(sample_rate=RATE), index)
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        found = pipeline | beam.Create(index.shards) | CertifySplits(*places, index.rows)
        _ = found | beam.Map(lambda each: each.model_dump_json()) | WriteToText(str(out / "found"))
    [written] = out.glob("found-*")
    return SplitCertificate.model_validate_json(written.read_text())


def test_grouping_finds_what_one_process_finds(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(index_writer, "_FEWEST_ROWS_IN_SHARD", 5)
    gathered = _certify(folder, tmp_path)
    assert gathered.clips == 36 + 9 + 12 + 1
    assert gathered.counts["near_duplicate"] >= 8
    assert (gathered.counts["speaker"], gathered.counts["identical"]) == (1, 6)
    assert gathered.counts["two_labels"] > 0
    monkeypatch.setattr(certificate, "_CLIPS_IN_PART", 8)
    monkeypatch.setattr(certificate, "_PIECES_IN_PART", 64)
    assert _certify(folder, tmp_path, gathered_rows=0) == gathered
    assert _certify_by_beam(tmp_path) == gathered


def test_a_copy_keeps_the_pieces_that_its_original_keeps():
    """Of fewer pieces the same ones are left in each clip, wherever they are in it."""
    rng = np.random.default_rng(1)
    print_ = rng.integers(1, 1 << 16, 400).astype(np.uint16)
    prints = [print_, np.concatenate([print_[7:], print_[:3]])]
    for fewest in (10, 50):
        pieces, owners, places = find_pieces(prints, fewest)
        assert (np.bincount(owners) >= fewest // 2).all()
        codes = split_codes(["train", "test"])[owners]
        [(ones, others, shifts)] = shared_pieces(pieces, owners, places, codes)
        assert (ones.tolist(), others.tolist(), shifts.tolist()) == ([1], [0], [-7])
    assert len(find_pieces(prints, 10)[0]) < len(find_pieces(prints, 50)[0]) / 2
    parts = parts_of(pieces, 7)
    assert {*parts.tolist()} == {*range(7)}
    assert (parts_of(pieces[::-1], 7) == parts[::-1]).all()


def test_of_two_splits_the_one_that_does_not_teach_asks():
    codes = split_codes(["test", "train", "eval", "test"])
    assert codes.tolist() == [2, 0, 1, 2]
    pieces = np.array([5, 5, 5, 9], np.uint32)
    owners, places = np.arange(4), np.array([3, 0, 1, 2])
    found = [np.stack(part).T.tolist() for part in shared_pieces(pieces, owners, places, codes)]
    assert found == [[[0, 1, 3], [0, 2, 2], [2, 1, 1]]]
