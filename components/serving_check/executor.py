"""Asks the exported model in a fresh process, and holds the answers against the evaluation's."""

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import numpy as np
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.artifacts import Artifacts, saved_model_uri
from components.audio.limits import MAX_DURATION_S
from components.audio.pcm16 import to_waveform, wav_file
from components.evaluation.scores import SCORES_FILE, ClipScores, read_scores
from components.examples import read_files, split_files
from components.storage.location import location_of
from components.versions.model_card import read_card
from schemas.example import decode_example
from schemas.reports.rule import Rule
from schemas.reports.serving import SERVING_FILE, ServingReport
from schemas.workflow.serving_check import ServingCheck

TOLERANCE = 1e-4
_CLIENT = Path(__file__).with_name("client.py")
_PERCENTILE = 95
_WORDS_SHOWN = 200
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
            [split] = artifact_utils.get_split_uris(input_dict["examples"], "test")
            scores = Path(artifact_utils.get_single_uri(input_dict["scores"])) / SCORES_FILE
            saved_model = Path(saved_model_uri(model))
            report = check(saved_model, Path(split), read_scores(scores), limits)
        else:
            report = ServingReport(passed=False, rules=[], asked=0)
        _write(output, report)


def check(
    saved_model: Path, split: Path, scores: ClipScores, limits: ServingCheck
) -> ServingReport:
    """How `saved_model` answers the first clips of a split's folder, whose `scores` are known."""
    records = list(itertools.islice(read_files(split_files([split])), limits.clips))
    card = read_card(saved_model)
    with tempfile.TemporaryDirectory() as folder:
        requests, answers = Path(folder) / "requests.npz", Path(folder) / "answers.npz"
        _write_requests(records, card.audio.sample_rate, requests)
        run = subprocess.run(
            [sys.executable, "-I", "-W", "ignore", str(_CLIENT), saved_model, requests, answers],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
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
        *_agreement(arrays, scores.candidate.outputs, len(records)),
        _latency(facts["latencies_ms"], limits.max_latency_ms),
        _memory(facts["memory_mb"], facts["load_s"], limits.max_memory_mb),
        *_refusals(facts["refusals"]),
    ]
    passed = all(rule.passed for rule in rules)
    return ServingReport(passed=passed, rules=rules, asked=len(records))


def _write_requests(records: list[bytes], sample_rate: int, file: Path) -> None:
    pcm = [decode_example(record)["audio"] for record in records]
    wavs = [wav_file(samples, sample_rate) for samples in pcm if isinstance(samples, bytes)]
    waveforms = [
        to_waveform(np.frombuffer(samples, "<i2")).tobytes()
        for samples in pcm
        if isinstance(samples, bytes)
    ]
    np.savez(
        file,
        sample_rate=sample_rate,
        over_long=round((MAX_DURATION_S + 1) * sample_rate),
        **_pack("waveforms", waveforms),
        **_pack("wavs", wavs),
        **_pack("examples", records),
    )


def _pack(name: str, items: list[bytes]) -> dict[str, np.ndarray]:
    """Byte strings as one array and their lengths."""
    return {
        name: np.frombuffer(b"".join(items), np.uint8),
        f"{name}_bytes": np.array([len(item) for item in items]),
    }


def _agreement(
    answers: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], clips: int
) -> list[Rule]:
    """Whether each signature answers as it did in evaluation; `answers` by signature and output."""
    furthest: dict[str, float] = {}
    for key, values in answers.items():
        signature, _, name = key.partition(" ")
        if name in expected:
            wanted = expected[name][:clips]
            distance = (np.abs(values - wanted) / np.maximum(1, np.abs(wanted))).max(initial=0.0)
            furthest[signature] = float(np.maximum(furthest.get(signature, 0.0), distance))
    rules = []
    for signature, difference in furthest.items():
        passed = difference <= TOLERANCE  # False of NaN
        relation = "scores differ by at most" if passed else "scores differ by up to"
        message = f"{relation} {difference:.1e} from evaluation on {clips} test clips"
        message += f" (allowed {TOLERANCE:g})"
        rules.append(Rule(name=signature, passed=passed, message=message))
    return rules


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


def _refusals(answers: dict[str, str]) -> list[Rule]:
    return [
        Rule(
            name=what,
            passed=bool(message),
            message=f"refused: {_gist(message)}" if message else "answered like audio",
        )
        for what, message in answers.items()
    ]


def _gist(message: str) -> str:
    """The line of TensorFlow's message that says what was wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    failed = [line for line in lines if "assertion failed" in line]
    return (failed or lines[1:] or lines)[0][:_WORDS_SHOWN]


def _write(output: types.Artifact, report: ServingReport) -> None:
    folder = Path(output.uri)
    location_of(folder / SERVING_FILE).put(report.model_dump_json(indent=2).encode())
    # As TFX's InfraValidator marks it.
    (folder / ("INFRA_BLESSED" if report.passed else "INFRA_NOT_BLESSED")).touch()
    output.set_int_custom_property("blessed", int(report.passed))
