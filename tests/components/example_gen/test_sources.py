import json
import os
import unicodedata

import pytest

from components.example_gen.sources import list_utterances
from schemas.errors import DataError
from schemas.utterance import REJECT_REASONS
from schemas.workflow.data import Data
from schemas.workflow.generated import Generated


def _manifest(folder, rows, name="manifest.jsonl"):
    """Writes rows (dicts as JSON, bytes as they are) and an empty file for each path they name."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    (folder / name).write_bytes(b"\n".join(lines))
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("audio_filepath"), str):
            path = folder / row["audio_filepath"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return folder / name


ROW = {"audio_filepath": "clips/1.wav", "label": "yes"}


def test_a_row_is_carried_whole(tmp_path):
    row = ROW | {"speaker": "theo", "offset": 1, "duration": 0.5, "license": "CC0", "take": 3}
    _manifest(tmp_path / "data", [row, ROW | {"id": "mine", "audio_filepath": "clips/2.wav"}])
    second, first = list_utterances(Data(manifests="data/manifest.jsonl"), tmp_path).utterances[
        ::-1
    ]
    assert (first.id, first.uri, first.target) == ("clips/1.wav@1", "clips/1.wav", "yes")
    assert first.path == str(tmp_path / "data" / "clips" / "1.wav")
    assert (first.speaker, first.offset_s, first.duration_s) == ("theo", 1.0, 0.5)
    assert first.metadata == {"license": "CC0", "take": 3}
    assert (second.id, second.uri, second.speaker) == ("mine", "clips/2.wav", "")
    assert (first.split_key, second.split_key) == ("theo", "clips/2.wav")


@pytest.mark.parametrize(
    "row, reason, words",
    [
        (b"{not json", "bad_row", "not JSON"),
        (b"\xff{}", "bad_row", "the byte 0xff"),
        (b"\0{}", "bad_row", "a NUL byte"),
        (b'{"label": "yes", "label": "no"}', "bad_row", "the key 'label' is there twice"),
        (b"[" * 100_000, "bad_row", "not JSON"),
        (b"[1, 2]", "bad_row", "expected a JSON object, got list"),
        ({"label": "yes"}, "bad_row", "no key 'audio_filepath'"),
        ({"audio_filepath": "a.wav", "text": "yes"}, "bad_row", "no key 'label'; got 'audio_file"),
        (ROW | {"label": True}, "bad_row", "label: expected a non-empty string, got True"),
        (ROW | {"label": float("nan")}, "bad_row", "label"),
        (ROW | {"label": "\u200b"}, "bad_row", "blank"),
        (ROW | {"label": ""}, "bad_row", "label"),
        (ROW | {"label": "\ud800"}, "bad_row", "label"),
        (ROW | {"speaker": ["x"]}, "bad_row", "speaker"),
        (ROW | {"speaker": False}, "bad_row", "speaker"),
        (ROW | {"id": ["x"]}, "bad_row", "id"),
        (ROW | {"offset": -1}, "bad_row", "offset"),
        (ROW | {"offset": True}, "bad_row", "offset"),
        (b'{"audio_filepath": "a.wav", "label": "y", "offset": NaN}', "missing", "a.wav"),
        (ROW | {"duration": "1"}, "bad_row", "duration"),
        (ROW | {"duration": 10**400}, "bad_row", "duration"),
        (ROW | {"duration": 0}, "empty", "duration"),
        (ROW | {"split": "other"}, "bad_row", "split: expected train, eval or test, got 'other'"),
        (b'{"audio_filepath": "gone.wav", "label": "yes"}', "missing", "gone.wav"),
        (b'{"audio_filepath": "a\\u0000b.wav", "label": "yes"}', "bad_row", "audio_filepath"),
        (
            b'{"audio_filepath": "ftp://host/a.wav", "label": "yes"}',
            "unsupported",
            "ftp://host/a.wav",
        ),
        (b'{"audio_filepath": "clips", "label": "yes"}', "missing", "clips"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line(tmp_path, row, reason, words):
    good = ROW | {"audio_filepath": "clips/good.wav"}
    _manifest(tmp_path, [good, b"", row])
    listing = list_utterances(Data(manifests="manifest.jsonl"), tmp_path)
    assert [utterance.id for utterance in listing.utterances] == ["clips/good.wav"]
    (reject,) = listing.rejects
    assert (reject.id, reject.reason) == ("manifest.jsonl:3", reason)
    assert reject.detail.startswith("manifest.jsonl:3: ")
    assert words in reject.detail
    assert reason in REJECT_REASONS


@pytest.mark.parametrize(
    ("written", "split"), [("train", "train"), ("dev", "eval"), ("validation", "eval"), (None, "")]
)
def test_a_row_may_name_its_split(tmp_path, written, split):
    _manifest(tmp_path, [ROW | {"split": written}])
    [row] = list_utterances(Data(manifests="manifest.jsonl"), tmp_path).utterances
    assert row.split == split
    assert "split" not in row.metadata


def test_a_byte_order_mark_is_no_error(tmp_path):
    path = _manifest(tmp_path, [ROW])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n")
    assert len(list_utterances(Data(manifests="manifest.jsonl"), tmp_path).utterances) == 1


def test_pieces_of_a_recording_have_ids_of_their_own(tmp_path):
    rows = [ROW | {"offset": offset, "duration": 1} for offset in (0, 1, 2.5)]
    _manifest(tmp_path, rows)
    utterances = list_utterances(Data(manifests="manifest.jsonl"), tmp_path).utterances
    assert [row.id for row in utterances] == ["clips/1.wav", "clips/1.wav@1", "clips/1.wav@2.5"]
    assert {row.split_key for row in utterances} == {"clips/1.wav"}


def test_of_duplicates_the_same_one_stays_whatever_the_order(tmp_path):
    rows = [ROW | {"label": label} for label in ("no", "yes", "maybe")]
    for order in (rows, rows[::-1]):
        _manifest(tmp_path, order)
        listing = list_utterances(Data(manifests="manifest.jsonl"), tmp_path)
        assert [row.target for row in listing.utterances] == ["maybe"]
        assert [reject.reason for reject in listing.rejects] == ["two_labels", "two_labels"]
        assert "(maybe) and again (yes)" in listing.rejects[1].detail


def test_rows_of_one_id_that_are_other_audio_or_have_the_same_label_are_duplicates(tmp_path):
    for other in ({"duration": 0.5, "label": "no"}, {"speaker": "another"}):
        _manifest(tmp_path, [ROW, ROW | other])
        [reject] = list_utterances(Data(manifests="manifest.jsonl"), tmp_path).rejects
        assert reject.reason == "duplicate"


def test_several_manifests_keep_their_clips_apart(tmp_path):
    for name in ("a", "b", "with [brackets]"):
        _manifest(tmp_path / "data" / name, [ROW])
    expected = ["a/clips/1.wav", "b/clips/1.wav", "with [brackets]/clips/1.wav"]
    for base, manifests in (
        (tmp_path, "data/*/manifest.jsonl"),
        (tmp_path, "data/**/manifest.jsonl"),
        (tmp_path / "a", str(tmp_path / "data" / "*" / "manifest.jsonl")),
        (tmp_path / "data", [f"{n}/manifest.jsonl" for n in ("a", "b", "with [brackets]")]),
    ):
        listing = list_utterances(Data(manifests=manifests), base)
        assert [row.id for row in listing.utterances] == expected
        assert listing.rejects == []


def test_ids_are_the_same_in_every_checkout(tmp_path):
    ids = []
    for checkout in ("one", "[t]wo"):
        rows = [ROW, ROW | {"audio_filepath": str(tmp_path / checkout / "data" / "2.wav")}]
        _manifest(tmp_path / checkout / "data", rows)
        data = Data(manifests="data/*.jsonl")
        ids.append([row.id for row in list_utterances(data, tmp_path / checkout).utterances])
    assert ids == [["2.wav", "clips/1.wav"]] * 2


@pytest.mark.parametrize("absolute", [True, False])
def test_a_path_that_leaves_the_data_root_is_refused_unless_allowed(tmp_path, absolute):
    outside = str(tmp_path / "audio/1.wav") if absolute else "../m/../audio/1.wav"
    _manifest(tmp_path / "m", [ROW])
    _manifest(tmp_path / "audio", [ROW | {"audio_filepath": "1.wav"}])
    with (tmp_path / "m" / "manifest.jsonl").open("a") as file:
        file.write("\n" + json.dumps(ROW | {"audio_filepath": outside}))
    listing = list_utterances(Data(manifests="m/manifest.jsonl"), tmp_path)
    (reject,) = listing.rejects
    assert (reject.reason, reject.id) == ("outside", "manifest.jsonl:2")
    assert f"have to lie below {tmp_path / 'm'}; `data.root`" in reject.detail
    for root in (".", "/", str(tmp_path)):
        allowed = list_utterances(Data(manifests="m/manifest.jsonl", root=root), tmp_path)
        assert allowed.rejects == []
        assert len(allowed.utterances) == 2


def test_a_folder_where_a_file_should_be_is_named(tmp_path):
    _manifest(tmp_path, [ROW])
    (tmp_path / "clips" / "folder.wav").mkdir()
    with (tmp_path / "manifest.jsonl").open("a") as file:
        file.write("\n" + json.dumps(ROW | {"audio_filepath": "clips/folder.wav"}))
    (reject,) = list_utterances(Data(manifests="manifest.jsonl"), tmp_path).rejects
    assert (reject.reason, reject.detail[-27:]) == ("missing", "clips/folder.wav is a folder"[-27:])


def test_labels_that_the_workflow_leaves_out_are_counted_and_not_rejected(tmp_path):
    rows = [ROW | {"label": label, "id": label} for label in ("yes", "yess", "no")]
    _manifest(tmp_path, rows)
    data = Data(manifests="manifest.jsonl", labels=["yes", "no"])
    listing = list_utterances(data, tmp_path)
    assert [row.target for row in listing.utterances] == ["no", "yes"]
    assert (listing.rejects, listing.left_out) == ([], {"yess": 1})
    with pytest.raises(DataError, match=r"no row is left: 'no' .* nearest: 'right'"):
        list_utterances(Data(manifests="manifest.jsonl", labels=["left", "right"]), tmp_path)


def test_odd_file_names_are_names(tmp_path):
    names = ["a b.wav", "new\nline.wav", "naïve-語.wav", "tab\t'quote\".wav", "#@%20.wav"]
    _manifest(tmp_path, [ROW | {"audio_filepath": name} for name in names])
    listing = list_utterances(Data(manifests="manifest.jsonl"), tmp_path)
    assert (sorted(row.uri for row in listing.utterances), listing.rejects) == (sorted(names), [])


def test_a_folder_of_labels(tmp_path):
    for name in ("yes/1.wav", "yes/2.FLAC", "no/1.mp3", "no/.hidden.wav", "README.md"):
        (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clips" / name).touch()
    (tmp_path / "clips" / "no" / "notes.txt").touch()
    (tmp_path / "clips" / "no" / "deeper").mkdir()
    listing = list_utterances(Data(folder="clips"), tmp_path)
    found = [(row.id, row.target, row.speaker) for row in listing.utterances]
    assert found == [("no/1.mp3", "no", ""), ("yes/1.wav", "yes", ""), ("yes/2.FLAC", "yes", "")]
    assert [(reject.id, reject.reason) for reject in listing.rejects] == [
        ("no/deeper", "unsupported")
    ]
    assert listing.ignored == ("no/.hidden.wav", "no/notes.txt", "README.md")


def test_an_empty_folder_of_a_label_is_named(tmp_path):
    for name in ("yes/1.wav", "no/1.wav", "up/notes.txt", "down/.DS_Store"):
        (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clips" / name).touch()
    listing = list_utterances(Data(folder="clips"), tmp_path)
    assert {row.target for row in listing.utterances} == {"yes", "no"}
    assert (listing.ignored, listing.rejects) == (("down/", "up/"), [])


def test_a_name_that_is_not_utf8_is_rejected(tmp_path):
    folder = tmp_path / "clips" / "yes"
    folder.mkdir(parents=True)
    (folder / "1.wav").touch()
    with open(os.fsencode(folder) + b"/\xff.wav", "wb"):  # noqa: PTH123 - a Path is text
        pass
    listing = list_utterances(Data(folder="clips"), tmp_path)
    assert [row.id for row in listing.utterances] == ["yes/1.wav"]
    assert [(reject.id, reject.reason) for reject in listing.rejects] == [
        ("yes/\\udcff.wav", "bad_row")
    ]


def test_generated_speech_is_a_source():
    generated = Generated(words=["yes", "no"], speakers=3, takes=2)
    listing = list_utterances(Data(generated=generated), "/nowhere")
    assert listing.generated == generated
    assert len(listing.utterances) == len({row.id for row in listing.utterances}) == 12
    first = listing.utterances[0]
    assert first.uri == first.id == f"generated:no/{first.speaker}/0"
    assert (first.path, first.target) == ("", "no")


@pytest.mark.parametrize(
    "data, words",
    [
        (Data(manifests="gone/*.jsonl"), "gone/.* matches no file"),
        (Data(manifests=["good.jsonl", "gone.jsonl"]), "gone.jsonl matches no file"),
        (Data(manifests="empty.jsonl"), "no row of .*empty.jsonl can be used"),
        (Data(manifests="bad.jsonl"), "can be used; the first of 1: bad.jsonl:1: not JSON"),
        (Data(folder="gone"), "gone is not a folder"),
        (Data(folder="good.jsonl"), "good.jsonl is not a folder"),
        (Data(folder="empty"), "no clip in .*empty; expected label/clip"),
        (Data(), "expected one of manifests, folder, generated"),
    ],
)
def test_nothing_to_use_is_an_error_that_says_so(tmp_path, data, words):
    (tmp_path / "empty" / "label").mkdir(parents=True)
    _manifest(tmp_path, [ROW], "good.jsonl")
    _manifest(tmp_path, [], "empty.jsonl")
    _manifest(tmp_path, [b"{"], "bad.jsonl")
    with pytest.raises(DataError, match=words):
        list_utterances(data, tmp_path)


def _feedback(run, rows):
    return _manifest(run / "feedback", rows)


def test_feedback_is_joined_with_ids_of_its_own(tmp_path):
    _manifest(tmp_path / "data", [ROW | {"speaker": "theo", "split": "test"}])
    said = {"id": "feedback-a", "split": "train", "origin": "field", "source": "x.wav"}
    hard = said | {"id": "feedback-b", "split": "test", "must_pass": True, "speaker": "theo"}
    rows = [
        said | ROW | {"audio_filepath": "a.wav", "added": "2026-11-25"},
        hard | ROW | {"audio_filepath": "b.wav"},
        said | ROW | {"id": "feedback-c", "audio_filepath": "c.wav", "speaker": "theo"},
        ROW | {"audio_filepath": "../elsewhere.wav"},
    ]
    found = []
    for place in ("here", "there"):
        manifest = _feedback(tmp_path / place / "run", rows)
        found.append(list_utterances(Data(manifests="data/manifest.jsonl"), tmp_path, manifest))
    here, there = found
    assert [(row.id, row.uri, row.split, row.metadata) for row in here.utterances] == [
        ("clips/1.wav", "clips/1.wav", "test", {}),
        ("feedback-a", "feedback/a.wav", "train", {"origin": "field"}),
        ("feedback-b", "feedback/b.wav", "test", {"must_pass": True, "origin": "field"}),
        ("feedback-c", "feedback/c.wav", "test", {"origin": "field"}),  # with all else of theo
    ]
    assert [(row.id, row.uri) for row in here.utterances] == [
        (row.id, row.uri) for row in there.utterances
    ]
    assert [(r.reason, r.id) for r in here.rejects] == [("outside", "feedback/manifest.jsonl:4")]
    assert (here.feedback, here.forgotten) == (3, 0)


def test_without_feedback_nothing_changes(tmp_path):
    _manifest(tmp_path, [ROW, b"[]"])
    data = Data(manifests="manifest.jsonl")
    assert list_utterances(data, tmp_path, tmp_path / "run/feedback/manifest.jsonl") == (
        list_utterances(data, tmp_path)
    )


def test_the_forgotten_are_left_out_and_counted(tmp_path):
    rows = [
        ROW | {"speaker": "theo"},
        ROW | {"audio_filepath": "clips/2.wav", "speaker": "ann"},
        {"audio_filepath": "clips/3.wav", "speaker": "theo"},  # no label: still no reject of theirs
        ROW | {"audio_filepath": "clips/4.wav", "speaker": ["theo"]},
    ]
    _manifest(tmp_path, rows)
    manifest = _feedback(tmp_path / "run", [ROW | {"speaker": "theo"}])
    listing = list_utterances(
        Data(manifests="manifest.jsonl"), tmp_path, manifest, lambda speaker: speaker == "theo"
    )
    assert [row.uri for row in listing.utterances] == ["clips/2.wav"]
    assert [reject.id for reject in listing.rejects] == ["manifest.jsonl:4"]
    assert (listing.forgotten, listing.feedback) == (3, 0)
    generated = Generated(words=["no", "yes"], speakers=3, takes=1)
    everyone = list_utterances(Data(generated=generated), tmp_path).utterances
    gone = everyone[0].speaker
    listing = list_utterances(
        Data(generated=generated), tmp_path, is_forgotten=lambda speaker: speaker == gone
    )
    assert listing.utterances == [row for row in everyone if row.speaker != gone]
    assert listing.forgotten == 2


def test_each_channel_of_a_recording_is_a_row_of_its_own(tmp_path):
    rows = [ROW | {"channel": channel} for channel in (0, 1.0)]
    rows += [ROW | {"channel": 1, "offset": 0.5}, ROW, ROW | {"channel": None, "offset": 0.5}]
    listing = list_utterances(Data(manifests=str(_manifest(tmp_path, rows))), tmp_path)
    assert listing.rejects == []
    found = {row.id: (row.channel, row.offset_s) for row in listing.utterances}
    assert found == {
        "clips/1.wav:0": (0, 0.0), "clips/1.wav:1": (1, 0.0), "clips/1.wav": (None, 0.0),
        "clips/1.wav@0.5:1": (1, 0.5), "clips/1.wav@0.5": (None, 0.5),
    }  # fmt: skip


@pytest.mark.parametrize("channel", [-1, 0.5, True, "left", [0], 10**30, float("nan"), 1e999])
def test_what_is_no_channel_is_refused(tmp_path, channel):
    manifest = _manifest(tmp_path, [ROW | {"channel": channel}, ROW])
    listing = list_utterances(Data(manifests=str(manifest)), tmp_path)
    assert [(r.id, r.reason) for r in listing.rejects] == [("manifest.jsonl:1", "bad_row")]
    assert "channel" in listing.rejects[0].detail


def test_numbers_are_text_where_text_belongs(tmp_path):
    rows = [ROW | {"label": 0, "speaker": 0, "id": 0}, ROW | {"label": 7.5, "speaker": 1, "id": 1}]
    listing = list_utterances(Data(manifests=str(_manifest(tmp_path, rows))), tmp_path)
    assert listing.rejects == []
    found = [(row.id, row.target, row.speaker) for row in listing.utterances]
    assert found == [("0", "0", "0"), ("1", "7.5", "1")]
    assert list(listing.notes) == []


def test_a_speaker_that_is_a_number_is_forgotten(tmp_path):
    rows = [ROW | {"speaker": 0}, ROW | {"speaker": 1, "id": "kept"}]
    data = Data(manifests=str(_manifest(tmp_path, rows)))
    listing = list_utterances(data, tmp_path, is_forgotten=lambda name: name == "0")
    assert ([row.id for row in listing.utterances], listing.forgotten) == (["kept"], 1)


def test_names_that_look_alike_are_one_name_with_a_note(tmp_path):
    labels = ["f\u00fcnf", "fu\u0308nf", "f\u00fcnf ", "\ufefff\u00fcnf", "go  on", "go on"]
    rows = [ROW | {"label": label, "id": str(n)} for n, label in enumerate(labels)]
    rows[0]["speaker"], rows[1]["speaker"] = "Zoe\u0308 ", "Zo\u00eb"
    data = Data(manifests=str(_manifest(tmp_path, rows)), labels=["fu\u0308nf", " go on"])
    listing = list_utterances(data, tmp_path)
    assert {row.target for row in listing.utterances} == {"f\u00fcnf", "go on"}
    assert [row.speaker for row in listing.utterances[:2]] == ["Zo\u00eb"] * 2
    assert listing.left_out == {"go  on": 1}
    [note] = listing.notes
    assert note.startswith("4 labels or speakers were normalised")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("is_absolute", [False, True])
def test_a_file_is_found_however_its_accents_are_composed(tmp_path, forms, is_absolute):
    on_disk, written = (
        unicodedata.normalize(form, "s\u00e9rie/\u00fcber/\u00e4.wav") for form in forms
    )
    (tmp_path / on_disk).parent.mkdir(parents=True)
    (tmp_path / on_disk).touch()
    named = str(tmp_path / written) if is_absolute else written
    lines = [{"audio_filepath": name, "label": "yes"} for name in (named, f"{named}x", "\u00e4/b")]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))
    listing = list_utterances(Data(manifests="m.jsonl"), tmp_path)
    assert [row.path for row in listing.utterances] == [str(tmp_path / on_disk)]
    assert [row.uri for row in listing.utterances] == [written]
    assert [reject.reason for reject in listing.rejects] == ["missing"] * 2


def test_folders_that_look_alike_are_one_label(tmp_path):
    for folder in ("f\u00fcnf", "fu\u0308nf", "7"):
        (tmp_path / "clips" / folder).mkdir(parents=True)
        (tmp_path / "clips" / folder / "1.wav").touch()
    listing = list_utterances(Data(folder="clips", labels=["fu\u0308nf", "7"]), tmp_path)
    assert sorted(row.target for row in listing.utterances) == ["7", "f\u00fcnf", "f\u00fcnf"]
    assert any("normalised" in note for note in listing.notes)


@pytest.mark.parametrize(
    "pattern", ["s\u00e9rie/\u00fc.jsonl", "s\u00e9rie/\u00fc*.jsonl", "s*/\u00fc.jsonl"]
)
@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_a_workflow_finds_its_data_however_accents_are_composed(tmp_path, pattern, forms):
    on_disk, written = forms
    folder = tmp_path / unicodedata.normalize(on_disk, "s\u00e9rie")
    _manifest(folder, [ROW], unicodedata.normalize(on_disk, "\u00fc.jsonl"))
    path = str(folder / "clips" / "1.wav")
    data = Data(manifests=unicodedata.normalize(written, pattern))
    assert [row.path for row in list_utterances(data, tmp_path).utterances] == [path]
    data = Data(folder=unicodedata.normalize(written, "s\u00e9rie"))
    assert [row.path for row in list_utterances(data, tmp_path).utterances] == [path]
