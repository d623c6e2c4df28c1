"""Combinations of valid values that cannot work together, found before anything starts.

Every rule names all keys it looks at, so that whoever reads the file can point at the line. Pure
Python: a refused workflow file must not wait for numpy.
"""

import math
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.cron import why_no_cron
from schemas.places import fault_of_uri
from schemas.secrets import has_secret
from schemas.spans import has_spans, why_no_spans
from schemas.text import nearest, visible
from schemas.workflow.audio import Audio
from schemas.workflow.augment import Augment
from schemas.workflow.conditions import NAMES as CONDITIONS
from schemas.workflow.conditions import Conditions, is_condition
from schemas.workflow.data import Data, Split
from schemas.workflow.frontend import Frontend
from schemas.workflow.gate import Gate
from schemas.workflow.model import Model
from schemas.workflow.notify import Notify
from schemas.workflow.registry import Registry
from schemas.workflow.schedule import Schedule
from schemas.workflow.train import Train

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PLACES = re.compile(
    r"(data\.(manifests|folder|root|background)|augment\.noise\.recordings|run\.directory"
    r"|push\.directory)(\[\d+\])?"
)
_SAID_ELSEWHERE = ("registry.uri", "notify.webhook")


@dataclass(frozen=True)
class Conflict:
    """Keys (dotted) that contradict each other: what they say, and what would work."""

    keys: tuple[str, ...]
    got: str
    expected: str

    def __str__(self) -> str:
        return f"{', '.join(self.keys)}: got {self.got}, expected {self.expected}"


def data_conflicts(data: Data) -> Iterator[Conflict]:
    """Among the sources of recordings, and between them and the split."""
    sources = ("manifests", "folder", "generated")
    given = [name for name in sources if getattr(data, name) is not None]
    if len(given) != 1:
        yield Conflict(
            ("data", *(f"data.{name}" for name in given)),
            " and ".join(given) or "no source of recordings",
            "exactly one of manifests, folder, generated",
        )
    if data.manifests == []:
        yield Conflict(("data.manifests",), "an empty list", "at least one manifest")
    patterns = [data.manifests] if isinstance(data.manifests, str) else data.manifests or []
    for why in filter(None, map(why_no_spans, patterns)):
        yield Conflict(("data.manifests",), why, "{SPAN}, or {YYYY}, {MM} and {DD}, once each")
    if data.window is not None and not any(map(has_spans, patterns)):
        yield Conflict(
            ("data.window",), "no spans to choose from", "{SPAN} or a date in data.manifests"
        )
    if data.background == []:
        yield Conflict(("data.background",), "an empty list", "at least one recording")
    if data.root is not None and data.manifests is None:
        yield Conflict(("data.root",), "no manifests", "data.manifests, whose paths it bounds")
    if data.cut is not None and data.generated is not None:
        yield Conflict(
            ("data.cut", "data.generated"), "windows of generated words", "recordings to cut"
        )
    yield from _split_conflicts(data)
    if data.generated is None:
        return
    words, (low, high) = data.generated.words, data.generated.snr_db
    repeated = sorted({word for word in words if words.count(word) > 1})
    if repeated:
        yield Conflict(
            ("data.generated.words",), f"{_quoted(repeated)} more than once", "each word once"
        )
    blank = [word for word in words if not word.strip() or word != word.strip()]
    if blank:
        yield Conflict(
            ("data.generated.words",), _quoted(blank), "words without spaces around them"
        )
    if low > high:
        yield Conflict(
            ("data.generated.snr_db",), f"{low:g} above {high:g}", "the lower level first"
        )


def _split_conflicts(data: Data) -> Iterator[Conflict]:
    split = data.split
    if split.folds is not None:
        # A stored workflow has all keys: those that say what they say anyway contradict nothing.
        usual = Split(folds=split.folds)
        others = [name for name, value in split if value != getattr(usual, name)]
        if others:
            yield Conflict(
                ("data.split.folds", *(f"data.split.{name}" for name in others)),
                f"folds beside {' and '.join(others)}",
                "folds alone: with them every clip tests a model once",
            )
        return
    for part in ("eval", "test"):
        if getattr(split, part) == 0 and not getattr(split, f"{part}_speakers"):
            yield Conflict(
                (f"data.split.{part}", f"data.split.{part}_speakers"),
                f"nothing in the {part} split",
                f"a share above 0 or names in data.split.{part}_speakers",
            )
    # Nobody is hashed into a split that has names.
    eval_share = 0.0 if split.eval_speakers else split.eval
    test_share = 0.0 if split.test_speakers else split.test
    if eval_share + test_share >= 1:
        yield Conflict(
            ("data.split.eval", "data.split.test"),
            f"shares of {eval_share:g} and {test_share:g}, which leave nothing to train on",
            "a sum below 1",
        )
    both = sorted(set(split.eval_speakers) & set(split.test_speakers))
    if both:
        yield Conflict(
            ("data.split.test_speakers", "data.split.eval_speakers"),
            f"{_quoted(both)} in both eval_speakers and test_speakers",
            "each speaker in one split",
        )


def fold_conflicts(data: Data, train: Train) -> Iterator[Conflict]:
    """Between cross-validation and the weights that training starts from."""
    if data.split.folds is not None and train.start != "scratch":
        yield Conflict(
            ("data.split.folds", "train.start"),
            f"folds with train.start: {train.start}, whose weights were taught the clips that test",
            "train.start: scratch",
        )


def frame_conflicts(audio: Audio, frontend: Frontend) -> Iterator[Conflict]:
    """Between the length of a clip and its frames."""
    length, step, clip_ms = frontend.frame_length_ms, frontend.frame_step_ms, audio.clip_s * 1000
    if length > clip_ms:
        yield Conflict(
            ("frontend.frame_length_ms", "audio.clip_s"),
            f"frames of {length:g} ms in clips of {clip_ms:g} ms",
            "a frame no longer than the clip",
        )
    elif length + step > clip_ms and frontend.kind != "waveform":
        yield Conflict(
            ("frontend.frame_length_ms", "frontend.frame_step_ms", "audio.clip_s"),
            f"one frame of {length:g} ms every {step:g} ms in clips of {clip_ms:g} ms",
            "at least two frames in a clip, since features are normalised over time",
        )
    if step > length:
        yield Conflict(
            ("frontend.frame_step_ms", "frontend.frame_length_ms"),
            f"steps of {step:g} ms between frames of {length:g} ms, which skip audio",
            "a step no longer than the frame",
        )
    for key, value_ms, least in (("frame_length_ms", length, 2), ("frame_step_ms", step, 1)):
        if round(value_ms * audio.sample_rate / 1000) < least:
            yield Conflict(
                (f"frontend.{key}", "audio.sample_rate"),
                f"{value_ms:g} ms, less than {least} samples at {audio.sample_rate} Hz",
                f"at least {1000 * least / audio.sample_rate:g} ms",
            )


def band_conflicts(audio: Audio, frontend: Frontend) -> Iterator[Conflict]:
    """Between the sample rate and the mel bands."""
    if frontend.kind == "waveform":
        return
    nyquist = audio.sample_rate / 2
    lower, upper = frontend.lower_edge_hertz, frontend.upper_edge_hertz
    highest = nyquist if upper is None else upper
    if highest > nyquist:
        yield Conflict(
            ("frontend.upper_edge_hertz", "audio.sample_rate"),
            f"{highest:g} Hz at a sample rate of {audio.sample_rate} Hz",
            f"at most the Nyquist frequency, {nyquist:g} Hz",
        )
    elif lower >= highest:
        yield Conflict(
            ("frontend.lower_edge_hertz", "frontend.upper_edge_hertz", "audio.sample_rate"),
            f"a lowest edge of {lower:g} Hz and a highest of {highest:g} Hz",
            "the lowest below the highest",
        )
    else:
        empty = _empty_mel_band(audio, frontend, lower, highest)
        if empty is not None:
            yield Conflict(
                (
                    "frontend.num_mel_bins",
                    "frontend.frame_length_ms",
                    "frontend.lower_edge_hertz",
                    "frontend.upper_edge_hertz",
                    "audio.sample_rate",
                ),
                f"{frontend.num_mel_bins} mel bins from {lower:g} to {highest:g} Hz, of which "
                f"number {empty + 1} falls between the frequencies a frame of "
                f"{frontend.frame_length_ms:g} ms can tell apart",
                "fewer mel bins or longer frames",
            )
    if frontend.kind == "mfcc" and frontend.num_mfcc > frontend.num_mel_bins:
        yield Conflict(
            ("frontend.num_mfcc", "frontend.num_mel_bins"),
            f"{frontend.num_mfcc} coefficients from {frontend.num_mel_bins} mel bins",
            "no more coefficients than mel bins",
        )


def _empty_mel_band(audio: Audio, frontend: Frontend, lower: float, highest: float) -> int | None:
    """The first mel band with no FFT bin inside it, HTK scale as tf.signal; None if all have one.

    The FFT length is the next power of two of the frame, as everywhere in tf.signal.
    """
    frame = max(1, round(frontend.frame_length_ms * audio.sample_rate / 1000))
    bin_hz = audio.sample_rate / (1 << (frame - 1).bit_length())
    low_mel, high_mel = _hertz_to_mel(lower), _hertz_to_mel(highest)
    step = (high_mel - low_mel) / (frontend.num_mel_bins + 1)
    for band in range(frontend.num_mel_bins):
        start_hz = _mel_to_hertz(low_mel + band * step)
        end_hz = _mel_to_hertz(low_mel + (band + 2) * step)
        first_inside = math.floor(start_hz / bin_hz * (1 + 1e-12)) + 1
        if first_inside * bin_hz >= end_hz * (1 - 1e-12):
            return band
    return None


def _hertz_to_mel(hertz: float) -> float:
    return 1127.0 * math.log1p(hertz / 700.0)


def _mel_to_hertz(mel: float) -> float:
    return 700.0 * math.expm1(mel / 1127.0)


def condition_conflicts(conditions: Conditions, gate: Gate) -> Iterator[Conflict]:
    """Among conditions, and between them and the limits under them."""
    unknown = [name for name in conditions.names if not is_condition(name)]
    if unknown:
        known = ", ".join(CONDITIONS)
        yield Conflict(("conditions.names",), _quoted(unknown), f"noise_<n>db, {known}")
    repeated = sorted({name for name in conditions.names if conditions.names.count(name) > 1})
    if repeated:
        yield Conflict(("conditions.names",), f"{_quoted(repeated)} more than once", "each once")
    for name in gate.conditions:
        if name not in conditions.names:
            yield Conflict(
                (f"gate.conditions.{name}", "conditions.names"),
                f"a limit under {name}, which no clip is heard under",
                f"one of {', '.join(conditions.names) or 'none'}, or {name} in conditions.names",
            )


def augment_conflicts(audio: Audio, frontend: Frontend, augment: "Augment") -> Iterator[Conflict]:
    """Between changes while training and what they are applied to."""
    clip_ms, masks = audio.clip_s * 1000, augment.spec_augment
    low, high = augment.noise.snr_db
    if low > high:
        yield Conflict(
            ("augment.noise.snr_db",), f"{low:g} above {high:g}", "the lower ratio first"
        )
    if augment.time_shift_ms >= clip_ms:
        yield Conflict(
            ("augment.time_shift_ms", "audio.clip_s"),
            f"shifts of {augment.time_shift_ms:g} ms in clips of {clip_ms:g} ms",
            "shifts shorter than the clip",
        )
    if masks.time_masks and masks.time_mask_ms >= clip_ms:
        yield Conflict(
            ("augment.spec_augment.time_mask_ms", "audio.clip_s"),
            f"masks of {masks.time_mask_ms:g} ms in clips of {clip_ms:g} ms",
            "masks shorter than the clip",
        )
    bins = {"log_mel": frontend.num_mel_bins, "mfcc": frontend.num_mfcc}.get(frontend.kind)
    if masks.freq_masks and bins is not None and masks.freq_mask_bins >= bins:
        size = "num_mfcc" if frontend.kind == "mfcc" else "num_mel_bins"
        yield Conflict(
            ("augment.spec_augment.freq_mask_bins", f"frontend.{size}"),
            f"masks of {masks.freq_mask_bins} bins over {bins}",
            "masks narrower than the features",
        )


def model_conflicts(model: Model) -> Iterator[Conflict]:
    """Among the settings of a model."""
    if model.peephole and model.architecture not in ("lstm", "cnn_lstm"):
        yield Conflict(
            ("model.peephole", "model.architecture"),
            f"peephole connections in the architecture {model.architecture}, which has no LSTM",
            "the architecture lstm or cnn_lstm",
        )
    if model.size != "base" and model.architecture in ("cnn", "rnn", "lstm", "cnn_lstm"):
        yield Conflict(
            ("model.size", "model.architecture"),
            f"the size {model.size} of the architecture {model.architecture}",
            "model.filters, model.units and model.layers, which say how large that one is",
        )


def text_conflicts(settings: object, key: str = "") -> Iterator[Conflict]:
    """Anywhere in a workflow's `settings` a URI with a secret, which is never said, or a character
    that ends a line or acts on a terminal; a command may need them. And URIs that are mistyped.
    """
    if isinstance(settings, dict):
        for name, value in settings.items():
            yield from text_conflicts(value, f"{key}.{name}" if key else str(name))
    elif isinstance(settings, list):
        for place, value in enumerate(settings):
            yield from text_conflicts(value, f"{key}[{place}]")
    elif isinstance(settings, str) and _CONTROL.search(settings) and "notify." not in key:
        yield Conflict((key,), f"{visible(settings):.200}", "text without control characters")
    elif isinstance(settings, str) and has_secret(settings) and key not in _SAID_ELSEWHERE:
        yield Conflict(
            (key,),
            "a URI with a password, a query or a fragment, which may be secret",
            "a URI without them; clients find their credentials in the environment",
        )
    elif isinstance(settings, str) and _PLACES.fullmatch(key) and (meant := fault_of_uri(settings)):
        yield Conflict((key,), f"{settings!r:.200}, which is no URI", f"{meant!r:.200}")


def registry_conflicts(registry: Registry) -> Iterator[Conflict]:
    """A user or password in the address of a registry."""
    if registry.uri is not None and has_secret(registry.uri):
        yield Conflict(
            ("registry.uri",),
            "a user, a password or a query in the address",
            "an address without them; MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or"
            " MLFLOW_TRACKING_TOKEN, in the environment",
        )


def schedule_conflicts(schedule: Schedule) -> Iterator[Conflict]:
    """A cron line or a time zone that there is not."""
    if why := why_no_cron(schedule.cron):
        yield Conflict(("schedule.cron",), f"{schedule.cron!r}: {why}", "a cron line: '0 3 * * *'")
    try:
        zoneinfo.ZoneInfo(schedule.timezone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        zones = sorted(zoneinfo.available_timezones())
        near = nearest(schedule.timezone, zones, cutoff=0.5)
        yield Conflict(
            ("schedule.timezone",),
            f"{schedule.timezone!r}, which is no time zone",
            f"a name such as {near or 'Europe/Berlin'}",
        )


def notify_conflicts(notify: Notify) -> Iterator[Conflict]:
    """A webhook or command that cannot be used; a URL is never repeated."""
    # What was got is never said: it may be the secret.
    if notify.webhook is not None and not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", notify.webhook):
        is_url = bool(re.search("[/:.]", notify.webhook))
        yield Conflict(
            ("notify.webhook",),
            "a URL" if is_url else "no name of a variable",
            "the name of an environment variable that holds the URL, such as AURICLE_WEBHOOK, since"
            " who knows the URL can post there: secrets belong into the environment",
        )
    if notify.on != type(notify)().on and notify.webhook is None and notify.command is None:
        yield Conflict(
            ("notify.on", "notify"), "nobody to tell", "notify.webhook or notify.command beside it"
        )


def _quoted(words: list[str]) -> str:
    return ", ".join(repr(word) for word in words)
