"""Reads what ingest and TFDV found, has it judged, and stops the run where a rule is broken."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypedDict

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.data_gate.rules import Drift, Findings, check, stopped_because
from components.earlier import add_passed, passed_before
from components.storage.location import location_of
from components.tasks import feeding
from schemas.errors import DataGateError
from schemas.example import SIDE_FEATURES, FeatureKind
from schemas.reports.data_verdict import DATA_VERDICT_FILE, DataVerdict
from schemas.reports.ingest import INGEST_REPORT_FILE, IngestReport
from schemas.reports.leakage import CERTIFICATE_FILE, SplitCertificate
from schemas.reports.rejects import REJECTS_FILE, Reject, parse_rejects
from schemas.splits import is_fold, teaching
from schemas.tasks import FIRST_TASK
from schemas.workflow.data_gate import DataGate

_STATISTICS_FILE = "FeatureStats.pb"  # TFX's name
_ANOMALIES_FILE = "SchemaDiff.pb"  # TFX's name


class Parameters(TypedDict, total=False):
    """What the step is told: the settings `gate` are JSON; `task` may be left out. `passed` is the
    file in which verdicts are kept for the next run, where no metadata store has them.
    """

    gate: str
    max_reject_fraction: float
    task: str
    passed: str


class Executor(base_executor.BaseExecutor):
    """Writes `verdict.json` and the statistics that the next run's drift is measured from.

    Raises:
        DataGateError: a rule is broken.
    """

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: Parameters,
    ) -> None:
        gate = DataGate.model_validate_json(exec_properties["gate"])
        statistics_uri = artifact_utils.get_single_uri(input_dict["statistics"])
        statistics = _read_taught(statistics_uri)
        ingested = artifact_utils.get_single_uri(input_dict["ingest_report"])
        passed = location_of(file) if (file := exec_properties.get("passed")) else None
        found = next(iter(input_dict.get("passed_before") or []), None)
        before = found.uri if found else passed and passed_before(passed, ingested)
        task = exec_properties.get("task") or FIRST_TASK
        watched = {**feeding.features(task).FEATURES, **SIDE_FEATURES}
        drifts = None
        if before:
            drifts = measure_drift(statistics, _read_statistics(before), watched)
        rejects = artifact_utils.get_single_uri(input_dict["rejects"])
        findings = Findings(
            report=IngestReport.model_validate_json(_read(ingested, INGEST_REPORT_FILE)),
            certificate=SplitCertificate.model_validate_json(_read(ingested, CERTIFICATE_FILE)),
            rejects=_RejectFile(rejects),
            max_reject_fraction=exec_properties["max_reject_fraction"],
            anomalies=_read_anomalies(artifact_utils.get_single_uri(input_dict["anomalies"])),
            drifts=drifts,
        )
        rules = check(gate, findings, task)
        if reason := stopped_because(rules):
            raise DataGateError(reason)
        verdict_uri = artifact_utils.get_single_uri(output_dict["verdict"])
        verdict = DataVerdict(
            rules=rules,
            drifts=None if drifts is None else {d.feature: d.distance for d in drifts},
        )
        io_utils.write_string_file(
            f"{verdict_uri}/{DATA_VERDICT_FILE}", verdict.model_dump_json(indent=2)
        )
        io_utils.write_bytes_file(
            f"{verdict_uri}/{_STATISTICS_FILE}", statistics.SerializeToString(deterministic=True)
        )
        if passed is not None:
            add_passed(passed, verdict_uri, ingested)


def measure_drift(
    now: statistics_pb2.DatasetFeatureStatisticsList,
    before: statistics_pb2.DatasetFeatureStatisticsList,
    watched: Mapping[str, FeatureKind],
) -> list[Drift]:
    """How far the features `watched` moved, by TFDV's comparators; of folds the mean.

    Categories by the largest change of a share, numbers by the Jensen-Shannon divergence.
    """
    schema = schema_pb2.Schema()
    for name, kind in watched.items():
        if kind == "bytes":
            feature = schema.feature.add(name=name, type=schema_pb2.BYTES)
            feature.drift_comparator.infinity_norm.threshold = 0.0
        elif kind == "float":
            feature = schema.feature.add(name=name, type=schema_pb2.FLOAT)
            feature.drift_comparator.jensen_shannon_divergence.threshold = 0.0
    distances: dict[str, list[float]] = {}
    for ours, theirs in zip(now.datasets, before.datasets, strict=False):
        found = tfdv.validate_statistics(_only(ours), schema, previous_statistics=_only(theirs))
        for info in found.drift_skew_info:
            if measured := [each.value for each in info.drift_measurements]:
                distances.setdefault(info.path.step[0], []).append(max(measured))
    return [Drift(name, sum(each) / len(each)) for name, each in distances.items()]


def _only(
    dataset: statistics_pb2.DatasetFeatureStatistics,
) -> statistics_pb2.DatasetFeatureStatisticsList:
    return statistics_pb2.DatasetFeatureStatisticsList(datasets=[dataset])


def _read_taught(folder: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Of the train split, or of all folds, each under its name."""
    names = sorted(Path(name).name.removeprefix("Split-") for name in fileio.listdir(folder))
    found = statistics_pb2.DatasetFeatureStatisticsList()
    for name in teaching(names):
        for dataset in _read_statistics(f"{folder}/Split-{name}").datasets:
            found.datasets.add().CopyFrom(dataset)
            if is_fold(name):
                found.datasets[-1].name = name
    return found


def _read_statistics(folder: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    content = _read(folder, _STATISTICS_FILE)
    return statistics_pb2.DatasetFeatureStatisticsList.FromString(content)


def _read(folder: str, name: str) -> bytes:
    with fileio.open(f"{folder}/{name}", "rb") as file:
        content: bytes = file.read()
    return content


class _RejectFile(Iterable[Reject]):
    """Those that ingest wrote into a folder, read anew each time."""

    def __init__(self, folder: str) -> None:
        self._file = location_of(f"{folder}/{REJECTS_FILE}")

    def __iter__(self) -> Iterator[Reject]:
        with self._file.open() as lines:
            for line in lines:
                yield from parse_rejects(line)


def _read_anomalies(folder: str) -> list[str]:
    """What ExampleValidator calls an error, a sentence each."""
    sentences = []
    for split in sorted(fileio.listdir(folder)):
        content = _read(f"{folder}/{split}", _ANOMALIES_FILE)
        anomalies = anomalies_pb2.Anomalies.FromString(content)
        sentences += [
            f"{name} of {Path(split).name.removeprefix('Split-')}: {info.description}"
            for name, info in sorted(anomalies.anomaly_info.items())
            if info.severity == anomalies_pb2.AnomalyInfo.ERROR
        ]
    return sentences
