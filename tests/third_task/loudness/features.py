FEATURES = {"loudness_db": "float"}
GROUPED_BY = None
VARIABLE_LENGTH = True


def encode_target(target):
    return {"loudness_db": float(target)}


def decode_target(example):
    return str(example["loudness_db"])
