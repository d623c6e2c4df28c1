"""The loudness that a manifest states, in dB."""

from schemas.errors import ClipError

KEY = "loudness_db"


def read_target(row):
    try:
        return str(float(row[KEY]))
    except (KeyError, TypeError, ValueError) as error:
        raise ClipError("bad_row", f"{KEY}: {error!r}") from error


def check_target(target, data):
    if float(target) > 0:
        raise ClipError("bad_row", f"{KEY}: {target} dB is above full scale")


def check_groups(groups):
    pass


def data_rules(gate, report):
    return []
