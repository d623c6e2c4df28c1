"""What test clips are sliced by: speaker, metadata of the manifest, bands of noise and length."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence

from components.evaluation.coded import Coded
from schemas.errors import DataError
from schemas.example import FeatureValue
from schemas.text import nearest
from schemas.utterance import Utterance

MOST_VALUES = 500  # of a feature; an id or a text is no group of clips
_MEASURED = ("speaker", "snr", "duration", "truncated")
_SNR_BANDS_DB = (10, 20, 30, 40)
_DURATION_BANDS_S = (0.5, 1, 2, 5)


def check_slices(
    key: str, names: Sequence[str], utterances: Iterable[Utterance], grouped_by: str | None
) -> None:
    """Refuses a gate on slices, named at `key` of the workflow, that no clip will have.

    `grouped_by` is the feature that repeats the target, where targets form groups.

    Raises:
        DataError: a name is neither measured nor a key of the manifest.
    """
    known = {*_MEASURED, *(key for row in utterances for key in row.metadata)}
    known |= {grouped_by} if grouped_by else set()
    for name in names:
        if name not in known:
            near = nearest(name, sorted(known))
            raise DataError(
                f"{key}: got {name!r}, expected one of {', '.join(sorted(known))};"
                f" did you mean {near}?"
            )


def slice_features(example: Mapping[str, FeatureValue]) -> dict[str, str]:
    """The value of each feature that this clip has, as `decode_example` gives it."""
    metadata = json.loads(str(example["metadata"]))
    return {
        **{name: _text(value) for name, value in metadata.items()},
        "speaker": str(example["speaker"]),
        "snr": _band(float(example["snr_db"]), _SNR_BANDS_DB, "dB"),
        "duration": _band(float(example["duration_s"]), _DURATION_BANDS_S, "s"),
        "truncated": "yes" if float(example["missing_s"]) > 0 else "no",
    }


def tabulate(clips: Sequence[Mapping[str, str]]) -> tuple[dict[str, Coded], dict[str, int]]:
    """The values of each feature, [clips]; and the features with too many, with how many."""
    names = sorted({name for clip in clips for name in clip})
    kept: dict[str, Coded] = {}
    unsliced: dict[str, int] = {}
    for name in names:
        values = [clip.get(name, "") for clip in clips]
        distinct = len(set(values))
        if distinct > MOST_VALUES:
            unsliced[name] = distinct
        else:
            kept[name] = Coded.of(values)
    return kept, unsliced


def _band(value: float, edges: Sequence[float], unit: str) -> str:
    """`below 10 dB`, `10 to 20 dB`, ..., `40 dB and more`."""
    if value < edges[0]:
        return f"below {edges[0]:g} {unit}"
    for low, high in itertools.pairwise(edges):
        if value < high:
            return f"{low:g} to {high:g} {unit}"
    return f"{edges[-1]:g} {unit} and more"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
