import pytest

from schemas.errors import AuricleError
from schemas.tfrecord import frame_record, read_records

RECORDS = [b"", b"a", b"\x00" * 8, bytes(range(256)) * 1000]


def _write(path):
    path.write_bytes(b"".join(map(frame_record, RECORDS)))
    return path


def test_files_are_byte_for_byte_tensorflows(tmp_path):
    import tensorflow as tf

    ours = _write(tmp_path / "ours")
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for record in RECORDS:
            writer.write(record)
    assert ours.read_bytes() == (tmp_path / "theirs").read_bytes()
    assert list(read_records(tmp_path / "theirs")) == RECORDS
    assert list(tf.data.TFRecordDataset(str(ours)).as_numpy_iterator()) == RECORDS


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "none").write_bytes(b"")
    assert list(read_records(tmp_path / "none")) == []


@pytest.mark.parametrize("position", [0, 9, 12, 14])
def test_a_flipped_bit_is_found(tmp_path, position):
    content = bytearray(frame_record(b"abc"))
    content[position] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    with pytest.raises(AuricleError, match="record 0"):
        list(read_records(tmp_path / "damaged"))


@pytest.mark.parametrize("length", [1, 11, 12, 13, 15, 18])
def test_a_cut_file_is_found(tmp_path, length):
    (tmp_path / "cut").write_bytes(frame_record(b"abc") + frame_record(b"def")[:length])
    records = read_records(tmp_path / "cut")
    assert next(records) == b"abc"
    with pytest.raises(AuricleError, match="record 1"):
        next(records)
