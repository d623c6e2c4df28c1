"""Asks the exported model in a fresh process, and holds the answers against the evaluation's."""

import contextlib
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.artifacts import Artifacts, judging_splits, saved_model_here
from components.audio.limits import MAX_DURATION_S
from components.audio.pcm16 import to_pcm16, wav_file
from components.evaluation.score_files import read_scores, scores_file
from components.evaluation.scores import ClipScores
from components.examples import read_files, split_files
from components.serving_check.raw_clips import RawClip, make_raw
from components.storage.location import location_of
from components.storage.plain_path import plain_path
from components.tasks import feeding
from components.versions.model_card import read_card
from schemas.example import decode_example
from schemas.reports.model_card import ModelCard
from schemas.reports.rule import Rule
from schemas.reports.serving import SERVING_FILE, ServingReport
from schemas.workflow.serving_check import ServingCheck

TOLERANCE = 1e-4
RAW_TOLERANCE = 1e-3  # of clips that numpy and TensorFlow condition, each for itself
RAW_SHARE = 0.02  # that may differ more: a threshold that is met to the last digit
_RAW = ("serving_default", "serving_lengths", "serving_wav")
_CLIENT = Path(__file__).with_name("client.py")
_PERCENTILE = 95
_WORDS_KEPT = 4000  # of a client that failed


class Parameters(TypedDict):
    """What the step is told: `ServingCheck` as JSON."""

    limits: str


class Executor(base_executor.BaseExecutor):
    """Writes `serving.json` and the blessing that Pusher looks for."""

    def Do(  # noqa: N802 (TFX's name)
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Parameters
    ) -> None:
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing = artifact_utils.get_single_instance(input_dict["blessing"])
        output = artifact_utils.get_single_instance(output_dict["infra_blessing"])
        limits = ServingCheck.model_validate_json(exec_properties["limits"])
        if blessing.get_int_custom_property("blessed") == 1:
            splits = judging_splits(input_dict["examples"])
            scores = scores_file(artifact_utils.get_single_uri(input_dict["scores"]))
            draft = location_of(output.uri).local_draft()
            with saved_model_here(model) as saved_model, draft as folder:
                report = check(saved_model, splits, read_scores(scores), limits, folder)
        else:
            report = ServingReport(passed=False, rules=[], asked=0)
        _write(output, report)


def check(
    saved_model: Path,
    splits: Sequence[str | Path],
    scores: ClipScores,
    limits: ServingCheck,
    folder: Path,
) -> ServingReport:
    """How `saved_model` answers the first clips of the splits in these folders, whose `scores` are
    known. Those of a cross-validation are other models': its answers are not held against them.

    What is asked lies in a folder `.scratch` of `folder` meanwhile.
    """
    records = list(itertools.islice(read_files(split_files(splits)), limits.clips))
    raw = _make_raw(records, read_card(saved_model))
    with _scratch_in(folder) as scratch:
        requests, answers = scratch / "requests.npz", scratch / "answers.npz"
        _write_requests(records, raw, read_card(saved_model).audio.sample_rate, requests)
        run = _ask(saved_model, requests, answers)
        if run.returncode:
            message = run.stderr.strip()[-_WORDS_KEPT:]
            rule = Rule(
                name="answers", passed=False, message=f"the model cannot be served: {message}"
            )
            return ServingReport(passed=False, rules=[rule], asked=len(records))
        with np.load(answers, allow_pickle=False) as answered:
            arrays = dict(answered)
    facts = json.loads(str(arrays.pop("facts")))
    rules = [
        *([] if scores.is_cross_validated else [_compare_with_evaluation(arrays, scores)]),
        *_compare_with_ingest(arrays, [clip.error for clip in raw]),
        _latency(facts["latencies_ms"], limits.max_latency_ms),
        _memory(facts["memory_mb"], facts["load_s"], limits.max_memory_mb),
        *_refusals(facts["refusals"]),
        _alone_among_bad(facts["beside_bad_clips"]),
        _of_nothing(facts["rows_of_nothing"]),
    ]
    passed = all(rule.passed for rule in rules)
    return ServingReport(passed=passed, rules=rules, asked=len(records))


@contextlib.contextmanager
def _scratch_in(folder: Path) -> Iterator[Path]:
    """Where a killed run is swept: clips of the test split lie there."""
    scratch = folder / ".scratch"
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _ask(saved_model: Path, requests: Path, answers: Path) -> subprocess.CompletedProcess[str]:
    """Has a process without our code write `answers` to `requests`."""
    with plain_path(str(saved_model)) as path:
        return subprocess.run(
            [sys.executable, "-I", "-W", "ignore", str(_CLIENT), path, requests, answers],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def _make_raw(records: list[bytes], card: ModelCard) -> list[RawClip]:
    longest_s = MAX_DURATION_S if feeding.features(card.task).VARIABLE_LENGTH else None
    stored = [decode_example(record)["audio"] for record in records]
    return [
        make_raw(pcm, number, card.audio, longest_s)
        for number, pcm in enumerate(stored)
        if isinstance(pcm, bytes)
    ]


def _write_requests(records: list[bytes], raw: list[RawClip], sample_rate: int, file: Path) -> None:
    wavs = [wav_file(to_pcm16(clip.waveform), sample_rate) for clip in raw]
    np.savez(
        file,
        sample_rate=sample_rate,
        over_long=round((MAX_DURATION_S + 1) * sample_rate),
        **_pack("waveforms", [clip.waveform.tobytes() for clip in raw]),
        **_pack("wavs", wavs),
        **_pack("conditioned", [clip.conditioned for clip in raw if not clip.error]),
        **_pack("examples", records),
    )


def _pack(name: str, items: list[bytes]) -> dict[str, np.ndarray]:
    """Byte strings as one array and their lengths."""
    return {
        name: np.frombuffer(b"".join(items), np.uint8),
        f"{name}_bytes": np.array([len(item) for item in items]),
    }


def _compare_with_evaluation(answers: Mapping[str, np.ndarray], scores: ClipScores) -> Rule:
    """Whether stored clips are answered as in evaluation; `answers` by signature and output."""
    found = _outputs(answers, "serving_examples")
    clips = len(found["error"])
    wanted = scores.candidate.select(np.arange(min(clips, len(scores)))).outputs
    difference = _distances(found, wanted, clips).max(initial=0.0)
    passed = bool(difference <= TOLERANCE)  # False of NaN
    relation = "scores differ by at most" if passed else "scores differ by up to"
    message = f"{relation} {difference:.1e} from evaluation on {clips} test clips"
    message += f" (allowed {TOLERANCE:g})"
    return Rule(name="serving_examples", passed=passed, message=message)


def _compare_with_ingest(answers: Mapping[str, np.ndarray], errors: list[str]) -> list[Rule]:
    """Whether raw clips are answered as they are once ingest has conditioned them, or refused for
    the reason in `errors`.
    """
    is_clip = np.array([not error for error in errors])
    wanted = _outputs(answers, "conditioned")
    rules = []
    for signature in _RAW:
        found = _outputs(answers, signature)
        is_wrong = found.pop("error") != np.array(errors, np.bytes_)
        clips = {name: values[is_clip] for name, values in found.items()}
        distances = _distances(clips, wanted, is_clip.sum())
        is_wrong[is_clip] |= ~(distances <= RAW_TOLERANCE)
        passed = is_wrong.sum() <= RAW_SHARE * len(errors)
        message = (
            f"{is_wrong.sum()} of {len(errors)} raw clips are not answered as after the"
            f" conditioning of ingest: scores differ by up to {distances.max(initial=0.0):.1e}"
            f" (allowed {RAW_TOLERANCE:g}, but for {RAW_SHARE:.0%})"
        )
        rules.append(Rule(name=signature, passed=bool(passed), message=message))
    return rules


def _outputs(answers: Mapping[str, np.ndarray], signature: str) -> dict[str, np.ndarray]:
    """What one signature answered, by the name of the output."""
    prefix = f"{signature} "
    return {
        key.removeprefix(prefix): values
        for key, values in answers.items()
        if key.startswith(prefix)
    }


def _distances(
    found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray], clips: int
) -> np.ndarray:
    """How far apart the outputs in both are at most, of each clip; relative, beyond 1: [clips]."""
    furthest = np.zeros(clips)
    for name in found.keys() & wanted.keys() - {"error"}:
        distance = np.abs(found[name] - wanted[name]) / np.maximum(1, np.abs(wanted[name]))
        furthest = np.maximum(furthest, distance.max(axis=tuple(range(1, distance.ndim))))
    return furthest


def _latency(took_ms: list[float], most_ms: float | None) -> Rule:
    slow = float(np.percentile(took_ms, _PERCENTILE))
    message = f"{_PERCENTILE} % of single clips are answered within {slow:.1f} ms"
    if most_ms is None:
        return Rule(name="latency", passed=True, message=f"{message}; no limit is declared")
    return Rule(name="latency", passed=slow <= most_ms, message=f"{message} (allowed {most_ms:g})")


def _memory(used_mb: float, load_s: float, most_mb: float | None) -> Rule:
    message = f"TensorFlow with the model, loaded in {load_s:.1f} s, takes {used_mb:.0f} MB"
    if most_mb is None:
        return Rule(name="memory", passed=True, message=f"{message}; no limit is declared")
    return Rule(
        name="memory", passed=used_mb <= most_mb, message=f"{message} (allowed {most_mb:g})"
    )


def _refusals(errors: dict[str, str]) -> list[Rule]:
    return [
        Rule(
            name=what,
            passed=bool(error),
            message=f"refused: {error}" if error else "answered like audio",
        )
        for what, error in errors.items()
    ]


def _alone_among_bad(difference: float) -> Rule:
    passed = difference <= TOLERANCE  # False of NaN
    message = f"beside clips that are refused, a clip's answer changes by {difference:.1e}"
    message += f" (allowed {TOLERANCE:g})"
    return Rule(name="bad clips in a batch", passed=passed, message=message)


def _of_nothing(rows: int) -> Rule:
    message = f"{rows} rows are answered to batches without clips"
    return Rule(name="empty batch", passed=rows == 0, message=message)


def _write(output: types.Artifact, report: ServingReport) -> None:
    folder = location_of(output.uri)
    (folder / SERVING_FILE).put(report.model_dump_json(indent=2).encode())
    # As TFX's InfraValidator marks it.
    (folder / ("INFRA_BLESSED" if report.passed else "INFRA_NOT_BLESSED")).put(b"")
    output.set_int_custom_property("blessed", int(report.passed))
