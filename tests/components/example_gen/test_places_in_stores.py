"""Every path of `data` may be in a bucket: label folders and their lists, patterns, background, and
what manifests of other toolkits name; whatever characters names are made of.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from emulators import Emulators

from components.example_gen.background import list_background
from components.example_gen.sources import list_utterances
from components.storage.location import location_of
from pipeline.datasets.importers import import_manifest
from schemas.errors import DataError
from schemas.workflow.data import Data

ODD = ("100%.wav", "%41 b.wav", "a#1.wav", "why?.wav", "ä ü.wav", "a+b&c.wav", "[x].wav")
FOLDER = "a set/%20#1?/ö"


def put(folder: str, *names: str, content: bytes = b"RIFF") -> None:
    for name in names:
        location_of(f"{folder}/{name}").put(content)


def noise(seconds: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.ones(round(seconds * 8000)) * 0.1, 8000, format="WAV")
    return file.getvalue()


def test_a_label_folder_with_its_lists(tmp_path: Path, bucket: str, stores: Emulators) -> None:
    folder = f"{bucket}/{FOLDER}"
    put(folder, *(f"{label}/{name}" for label in ("yes", "nö?") for name in ODD))
    put(folder, "testing_list.txt", content="yes/100%.wav\nnö?/a#1.wav\nyes/gone.wav\n".encode())
    put(folder, "validation_list.txt", content=b"yes/why?.wav\n")
    put(folder, "_background_noise_/hum #1.wav", content=noise(4))
    before = stores.requests(bucket)
    listing = list_utterances(Data(folder=folder), tmp_path)
    asked = stores.requests(bucket) - before
    splits = {row.id: row.split for row in listing.utterances}
    assert set(splits) == {f"{label}/{name}" for label in ("yes", "nö?") for name in ODD}
    assert {name for name, split in splits.items() if split == "test"} == {
        "yes/100%.wav",
        "nö?/a#1.wav",
    }
    assert {name for name, split in splits.items() if split == "eval"} == {"yes/why?.wav"}
    assert all(row.path == f"{folder}/{row.id}" and row.seen for row in listing.utterances)
    assert any("yes/gone.wav" in note for note in listing.notes)
    assert sum(asked.values()) < len(ODD) * 2, asked  # of folders and lists, and of no clip


def test_patterns_find_manifests_of_odd_names(tmp_path: Path, bucket: str) -> None:
    for number, name in enumerate(("1/m #1.jsonl", "2/m #2.jsonl", "2/m?.jsonl", "2/notes.txt")):
        row = {"audio_filepath": f"{number}.wav", "label": "x"}
        put(f"{bucket}/{FOLDER}", name, content=json.dumps(row).encode())
        put(f"{bucket}/{FOLDER}", f"{name.partition('/')[0]}/{number}.wav")

    def ids(manifests: str | list[str]) -> list[str]:
        data = Data(manifests=manifests)
        return [row.id for row in list_utterances(data, tmp_path).utterances]

    base = f"{bucket}/{FOLDER}"
    assert ids(f"{base}/*/*.jsonl") == ["1/0.wav", "2/1.wav", "2/2.wav"]
    assert ids(f"{base}/[12]/m #?.jsonl") == ["1/0.wav", "2/1.wav"]
    assert ids(f"{base}/2/m?.jsonl") == ["2.wav"]  # a file of this name is meant
    assert ids(f"{base}/{{SPAN}}/m #2.jsonl") == ["2/1.wav"]
    assert ids(f"{bucket}/a set/*/ö/1/*.jsonl") == ["%20#1?/ö/1/0.wav"]
    with pytest.raises(DataError, match="matches no file"):
        ids(f"{base}/3/*.jsonl")


def test_background_is_found_beside_that_of_this_machine(tmp_path: Path, bucket: str) -> None:
    folder = f"{bucket}/{FOLDER}"
    put(folder, "hum #1?.wav", "100%.wav", content=noise(1.5))
    put(folder, "notes.txt")
    (tmp_path / "here.wav").write_bytes(noise(1))

    def found(*patterns: str) -> dict[str, float]:
        data = Data(folder="clips", background=list(patterns))
        return {each.path: each.length_s for each in list_background(data, 0.5, tmp_path, [])}

    both = {f"{folder}/100%.wav": 1.5, f"{folder}/hum #1?.wav": 1.5}
    assert found(folder) == found(f"{folder}/") == found(f"{folder}/*.wav") == both
    assert found(f"{folder}/hum #1?.wav", "here.wav") == {
        f"{folder}/hum #1?.wav": 1.5,
        f"{tmp_path}/here.wav": 1.0,
    }
    gone = f"{bucket[:2]}://no-such-bucket-of-auricle"
    for pattern in (f"{folder}/gone.wav", f"{gone}/x.wav", f"{gone}/*.wav", gone):
        with pytest.raises(DataError, match=r"data\.background"):
            found(pattern)
    with pytest.raises(DataError, match=r"notes\.txt"):
        found(f"{folder}/notes.txt")


def test_manifests_of_other_toolkits_name_objects(tmp_path: Path, bucket: str) -> None:
    uris = [f"{bucket}/{FOLDER}/{name}" for name in ("1.wav", "ä ü.wav")]
    put(f"{bucket}/{FOLDER}", "1.wav", "ä ü.wav")

    def lines(name: str, *rows: dict[str, Any]) -> Path:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / name

    kaldi = tmp_path / "kaldi"
    kaldi.mkdir()
    (kaldi / "wav.scp").write_text("".join(f"u{n} {uri}\n" for n, uri in enumerate(uris)))
    (kaldi / "text").write_text("u0 yes\nu1 no\n")
    (kaldi / "utt2spk").write_text("u0 ann\nu1 bob\n")
    lhotse = [
        {
            "id": f"c{n}", "start": 0.0, "duration": 1.0, "channel": 0, "type": "MonoCut",
            "recording": {"id": f"r{n}", "duration": 1.0, "sampling_rate": 8000, "sources": [
                {"type": "file", "channels": [0], "source": uri}]},
            "supervisions": [{"id": f"s{n}", "start": 0.0, "duration": 1.0, "text": "yes"}],
        }
        for n, uri in enumerate(uris)
    ]  # fmt: skip
    nemo = [{"audio_filepath": uri, "duration": 1.0, "command": "yes"} for uri in uris]
    sources = {
        "kaldi": kaldi,
        "lhotse": lines("lhotse/cuts.jsonl", *lhotse).parent,
        "nemo": lines("nemo.json", *nemo),
    }
    for layout, source in sources.items():
        imported = import_manifest(layout, source, tmp_path / f"{layout}.jsonl")
        assert imported.rows == 2, (layout, imported.first_skipped)
        listing = list_utterances(Data(manifests=f"{layout}.jsonl"), tmp_path)
        assert [row.path for row in listing.utterances] == uris, layout
