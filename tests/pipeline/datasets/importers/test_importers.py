"""Each layout becomes a manifest that ingest lists without rejects; other folders are refused."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from components.example_gen.sources import list_utterances
from components.example_gen.splits import assign_split
from pipeline.cli import app
from pipeline.datasets.importers import IMPORTERS, import_manifest
from schemas.errors import DataError
from schemas.workflow.data import Data, Split


def write(root: Path, **files: str) -> Path:
    """Files by name, `__` for a slash; nothing in them matters but for lists and tables."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def rows(layout: str, source: Path, output: Path) -> list[dict[str, Any]]:
    import_manifest(layout, source, output)
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def listed(output: Path) -> Any:
    return list_utterances(Data(manifests=output.name, root=".."), output.parent)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "manifests" / "manifest.jsonl"


def test_speech_commands_keeps_speakers_and_the_official_splits(tmp_path, output):
    source = tmp_path / "speech commands"
    touch(source, "yes/ab_nohash_0.wav", "yes/cd_nohash_0.wav", "no/ef_nohash_1.wav")
    touch(source, "_background_noise_/pink.wav", "no/README.md")
    (source / "testing_list.txt").write_text("yes/cd_nohash_0.wav\n")
    (source / "validation_list.txt").write_text("no/ef_nohash_1.wav\n")
    imported = import_manifest("speech_commands", source, output)
    assert (imported.rows, sum(imported.skipped.values())) == (3, 1)
    assert imported.first_skipped[0].place == "no/README.md"
    listing = listed(output)
    assert listing.rejects == []
    found = {u.id: (u.target, u.speaker, assign_split(u, Split())) for u in listing.utterances}
    assert found == {
        "yes/ab_nohash_0.wav": ("yes", "ab", "train"),
        "yes/cd_nohash_0.wav": ("yes", "cd", "test"),
        "no/ef_nohash_1.wav": ("no", "ef", "eval"),
    }


def test_speech_commands_of_one_list_and_with_what_a_mac_leaves(tmp_path, output):
    source = tmp_path / "sc"
    touch(source, *(f"yes/{speaker}_nohash_0.wav" for speaker in "abcdef"), "yes/1.wav")
    touch(source, "yes/._a_nohash_0.wav", "yes/.DS_Store", "__MACOSX/yes/._a_nohash_0.wav")
    touch(source, "@eaDir/yes_nohash_0.wav", "_background_noise_/pink_nohash_0.wav")
    (source / "testing_list.txt").write_bytes(b"\xef\xbb\xbfyes/a_nohash_0.wav\r\nyes/z.wav\r\n")
    found = rows("speech_commands", source, output)
    assert {(row["label"], row["speaker"]) for row in found} == {("yes", s) for s in "abcdef"}
    assert [row["speaker"] for row in found if row["split"] == "test"] == ["a"]
    imported = import_manifest("speech_commands", source, output)
    assert dict(imported.noted) == {
        "1 of the 2 clips that it names are not there, such as yes/z.wav": 1,
        "is not there: data.split.eval chooses clips of its split": 1,
    }
    assert dict(imported.skipped) == {
        "no recording": 2,
        "expected <speaker>_nohash_<take>.wav": 1,
    }


def test_librispeech_has_text_speaker_and_sex(tmp_path, output):
    source = tmp_path / "LibriSpeech"
    touch(source, "dev-clean/84/121/84-121-0000.flac")
    (source / "dev-clean/84/121/84-121.trans.txt").write_text("84-121-0000 GO ON\n84-121-0001\n")
    (source / "SPEAKERS.TXT").write_text(
        ";ID |SEX| SUBSET |MINUTES| NAME\n84 | F | dev-clean | 8 | A\n"
    )
    for folder in (source, source / "dev-clean"):
        [row] = rows("librispeech", folder, output)
        assert Path(output.parent, row.pop("audio_filepath")).is_file()
        assert row == {
            "text": "GO ON", "speaker": "84", "id": "84-121-0000", "chapter": "121", "sex": "F",
        }  # fmt: skip


def test_commonvoice_keeps_the_official_splits_and_single_words(tmp_path, output):
    header = "client_id\tpath\tsentence\tage\tsegment\n"
    source = write(
        tmp_path / "cv",
        **{
            "train.tsv": f'{header}ann\ta.mp3\tsay "yes\ttwenties\t\n',
            "dev.tsv": f"{header}bob\tb.mp3\tyes\t\tSinglewor\n",
            "test.tsv": f"{header}cyd\tc.mp3\tsí\t\tSingleword\n\td.mp3\n",
        },
    )
    touch(source / "clips", "a.mp3", "b.mp3", "c.mp3")
    first, second, third = rows("commonvoice", source, output)
    assert (first["text"], first["split"], first["age"]) == ('say "yes', "train", "twenties")
    assert "label" not in first and "age" not in second
    assert (third["label"], third["speaker"], third["split"]) == ("sí", "cyd", "test")
    assert [u.target for u in listed(output).utterances] == ["sí"]


def test_commonvoice_without_splits_is_what_was_validated(tmp_path, output):
    source = write(tmp_path, **{"validated.tsv": "client_id\tpath\tsentence\nann\ta.mp3\tyes\n"})
    [row] = rows("commonvoice", source, output)
    assert "split" not in row


def test_kaldi_segments_are_pieces_of_recordings(tmp_path, output):
    source = write(
        tmp_path / "data",
        **{
            "wav.scp": "rec1 audio/rec 1.wav\nrec2 sph2pipe -p x.sph |\nrec3 /abs/rec3.wav\n",
            "segments": "u1 rec1 0.5 1.25\nu2 rec2 0 1\nu3 rec1 zero one\nu4 rec9 0 1\n",
            "utt2spk": "u1 ann\n",
            "text": "u1 yes\n",
        },
    )
    touch(source, "audio/rec 1.wav")
    imported = import_manifest("kaldi", source, output)
    assert imported.rows == 1
    assert set(imported.skipped) == {
        "a command instead of a file",
        "no such recording",
        "expected a recording, a start and an end in seconds",
    }
    [utterance] = listed(output).utterances
    assert (utterance.id, utterance.target, utterance.speaker) == ("u1", "yes", "ann")
    assert (utterance.offset_s, utterance.duration_s) == (0.5, 0.75)
    assert Path(utterance.path).samefile(source / "audio/rec 1.wav")


def test_kaldi_without_segments_is_whole_recordings(tmp_path, output):
    source = write(tmp_path, **{"wav.scp": "u1 /a/1.wav\nu2 /a/2.wav\n", "text": "u1 go on\n"})
    first, second = rows("kaldi", source, output)
    assert (first["text"], "label" in first, "text" in second) == ("go on", False, False)
    assert Path(output.parent, first["audio_filepath"]).resolve() == Path("/a/1.wav")


def test_nemo_says_command_for_label(tmp_path, output):
    lines = [
        {"audio_filepath": "a.wav", "command": "yes", "duration": 1.0, "offset": 0.5},
        {"audio_filepath": "/x/b.wav", "label": "no", "text": "-"},
        {"text": "no file"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines) + "{broken\n"
    source = write(tmp_path / "nemo", **{"train.json": text})
    for given in (source, source / "train.json"):
        first, second = rows("nemo", given, output)
        assert (first["label"], first["offset"], "command" in first) == ("yes", 0.5, False)
        assert (second["label"], second["text"]) == ("no", "-")


@pytest.mark.parametrize("packed", [False, True])
def test_lhotse_supervisions_of_recordings(tmp_path, output, packed):
    recordings = [
        {"id": "r1", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}]},
        {"id": "r2", "sources": [{"type": "command", "channels": [0], "source": "cat x"}]},
    ]
    supervisions = [
        {
            "id": "s1",
            "recording_id": "r1",
            "start": 0.5,
            "duration": 1,
            "text": "yes",
            "speaker": "a",
        },
        {"id": "s2", "recording_id": "r2", "start": 0.0, "duration": 1},
    ]
    for name, lines in (("recordings", recordings), ("supervisions", supervisions)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        if packed:
            (tmp_path / f"x_{name}_train.jsonl.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (tmp_path / f"{name}.jsonl").write_text(text)
    imported = import_manifest("lhotse", tmp_path, output)
    assert (imported.rows, dict(imported.skipped)) == (1, {"no audio file": 1})
    row = json.loads(output.read_text())
    assert (row["id"], row["label"], row["offset"], row["duration"]) == ("s1", "yes", 0.5, 1)


def test_lhotse_cuts_add_their_start(tmp_path, output):
    cut = {
        "id": "c1",
        "start": 2.0,
        "duration": 3.0,
        "recording": {"id": "r", "sources": [{"type": "file", "source": "/a.wav"}]},
        "supervisions": [{"id": "s", "start": 0.25, "duration": 0.5, "text": "go on"}],
    }
    (tmp_path / "cuts.jsonl").write_text(json.dumps(cut) + "\n" + json.dumps({"id": "c2"}) + "\n")
    [row] = rows("lhotse", tmp_path, output)
    assert (row["offset"], row["duration"], row["text"], "label" in row) == (
        2.25,
        0.5,
        "go on",
        False,
    )


@pytest.mark.parametrize("layout", IMPORTERS)
def test_a_folder_of_another_layout_is_refused(tmp_path, output, layout):
    source = tmp_path / "source"
    touch(source, "notes.txt")
    with pytest.raises(DataError, match=f"not a {layout}"):
        import_manifest(layout, source, output)
    assert not output.exists()
    assert list(output.parent.iterdir()) == []


def test_nothing_to_use_leaves_the_manifest_as_it_was(tmp_path, output):
    write(output.parent, **{output.name: "old"})
    source = write(tmp_path / "data", **{"wav.scp": "r1 cat x |\n"})
    with pytest.raises(DataError, match="r1: a command instead of a file"):
        import_manifest("kaldi", source, output)
    assert output.read_text() == "old"


def test_the_command_says_what_it_wrote_and_left_out(tmp_path, output):
    source = write(tmp_path / "data", **{"wav.scp": "u1 a.wav\nu2 cat x |\n"})
    result = CliRunner().invoke(app, ["import", "kaldi", str(source), "--output", str(output)])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"Wrote {output}: 1 rows",
        f"  recordings lie elsewhere: the workflow's `data` needs `root: {tmp_path}`",
        "  left out 1: a command instead of a file, the first: wav.scp: u2",
    ]


def test_names_that_are_no_text_are_said_as_json_too(tmp_path, output):
    source = tmp_path / "data"
    touch(source, "yes/a_nohash_0.wav")
    for name in (b"yes/\xff_nohash_0.wav", b"yes/\xfe.wav"):
        Path(os.fsdecode(os.fsencode(source) + b"/" + name)).touch()
    arguments = ["import", "speech_commands", str(source), "--output", str(output), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert (said["rows"], sum(said["skipped"].values())) == (1, 2)
    assert {skipped["place"] for skipped in said["first_skipped"]} == {
        "yes/\\udcff_nohash_0.wav", "yes/\\udcfe.wav",
    }  # fmt: skip


APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
LAYOUTS = {
    "fsdd": {"recordings/7_ann_0.wav": ""},
    "kaldi": {"wav.scp": "u1 a.wav\nu2 ._a.wav\n", "text": "u1 yes\nu2 yes\n", "a.wav": ""},
    "nemo": {
        "m.json": '{"audio_filepath": "a.wav", "label": "yes"}\n'
        '{"audio_filepath": "__MACOSX/._a.wav", "label": "yes"}\n',
        "a.wav": "",
    },
    "librispeech": {"dev/84/121/84-121.trans.txt": "84-121-0 GO\n", "dev/84/121/84-121-0.flac": ""},
    "lhotse": {
        "cuts.jsonl": json.dumps(
            {
                "id": "c",
                "start": 0,
                "duration": 1,
                "channel": 0,
                "supervisions": [
                    {"id": "s", "recording_id": "r", "start": 0, "duration": 1, "text": "yes"}
                ],
                "recording": {
                    "id": "r",
                    "sources": [{"type": "file", "channels": [0], "source": "a.wav"}],
                    "sampling_rate": 16000,
                    "num_samples": 16000,
                    "duration": 1,
                    "channel_ids": [0],
                },
            }
        )
        + "\n",
        "a.wav": "",
    },
    "commonvoice": {
        "validated.tsv": "client_id\tpath\tsentence\nann\ta.mp3\tgo on\nann\t._a.mp3\tgo on\n",
        "clips/a.mp3": "",
    },
    "speech_commands": {"yes/ann_nohash_0.wav": ""},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_a_mac_leaves_is_no_row_of_any_layout(tmp_path, output, layout):
    """Beside each file one of macOS, a folder of the zip, and what disk stations make."""
    source = tmp_path / "set"
    for name, text in LAYOUTS[layout].items():
        file = source / name
        for place in (file, file.with_name(f"._{file.name}"), source / "__MACOSX" / name):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode() if place == file else APPLE_DOUBLE)
        for left in (".DS_Store", "Thumbs.db", "desktop.ini"):
            file.with_name(left).write_bytes(b"\xff\xfe")
    [row] = rows(layout, source, output)
    assert not Path(row["audio_filepath"]).name.startswith("._")
    assert set(IMPORTERS) == set(LAYOUTS)
