"""DataGate's executor on statistics that TFDV made and anomalies that it found."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from data_findings import reject
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.types import standard_artifacts

from components.artifacts import DataVerdict, IngestReport, Rejects
from components.data_gate.executor import Executor, measure_drift
from schemas.errors import DataGateError
from schemas.example import LABEL_FEATURES, SIDE_FEATURES
from schemas.reports.data_verdict import DataVerdict as Verdict
from schemas.reports.ingest import IngestReport as Report
from schemas.reports.ingest import SplitCounts
from schemas.reports.leakage import SplitCertificate
from schemas.workflow.data_gate import DataGate

COUNTS = SplitCounts.of({("no", "ada"): 10, ("yes", "ada"): 10}, 20.0)
REPORT = Report(
    rows=60,
    generated=False,
    split_by="speaker",
    splits=dict.fromkeys(("train", "eval", "test"), COUNTS),
    rejects={},
)

CERTIFICATE = SplitCertificate(
    clips=60,
    counts={"speaker": 0, "identical": 0, "near_duplicate": 0},
    leaks=[],
    copies_within_splits=0,
    same_recording=0.95,
)

WATCHED = LABEL_FEATURES | SIDE_FEATURES


def statistics(rms_db: float = -23.0, no: float = 0.5):
    rng = np.random.default_rng(1)
    clips = 1000
    return tfdv.generate_statistics_from_dataframe(
        pd.DataFrame(
            {
                "rms_db": rng.normal(rms_db, 3.0, clips),
                "duration_s": rng.uniform(0.3, 1.0, clips),
                "label": np.where(np.arange(clips) < no * clips, "no", "yes"),
                "source_format": ["wav"] * clips,
            }
        )
    )


def artifact(kind, folder: Path, **files: bytes):
    made = kind()
    made.uri = str(folder)
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_pb", ".pb").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return made


@pytest.fixture
def do(tmp_path):
    def run(stats, found=None, before=None, rejects=(), **gate):
        inputs = {
            "ingest_report": artifact(
                IngestReport,
                tmp_path / "r",
                report_json=REPORT.model_dump_json().encode(),
                certificate_json=CERTIFICATE.model_dump_json().encode(),
            ),
            "rejects": artifact(Rejects, tmp_path / "j"),
            "statistics": artifact(
                standard_artifacts.ExampleStatistics,
                tmp_path / "s",
                **{"Split-train__FeatureStats_pb": stats.SerializeToString()},
            ),
            "anomalies": artifact(
                standard_artifacts.ExampleAnomalies,
                tmp_path / "a",
                **{
                    "Split-train__SchemaDiff_pb": (
                        found or anomalies_pb2.Anomalies()
                    ).SerializeToString()
                },
            ),
        }
        (tmp_path / "j").mkdir(exist_ok=True)
        lines = "".join(f"{reject.model_dump_json()}\n" for reject in rejects)
        (tmp_path / "j" / "rejects.jsonl").write_text(lines)
        verdict = artifact(DataVerdict, tmp_path / f"v{len(list(tmp_path.glob('v*')))}")
        Executor().Do(
            {key: [value] for key, value in inputs.items()}
            | {"passed_before": [before] if before else []},
            {"verdict": [verdict]},
            {"gate": DataGate(**gate).model_dump_json(), "max_reject_fraction": 0.02},
        )
        return verdict

    return run


def document(verdict) -> Verdict:
    return Verdict.model_validate_json((Path(verdict.uri) / "data_verdict.json").read_text())


def said(verdict) -> dict[str, str]:
    return {rule.name: rule.message for rule in document(verdict).rules}


def test_every_rule_about_rejects_reads_all_of_them(do):
    rejects = [reject(1, "two_labels"), reject(2)]
    with pytest.raises(DataGateError, match=r"(?s)1\.wav.*2\.wav.*two labels"):
        do(statistics(), rejects=rejects)


def test_a_passing_verdict_keeps_what_drift_is_measured_from(do):
    first = do(statistics())
    assert said(first)["drift"] == "no earlier run to compare with"
    assert document(first).drifts is None
    second = do(statistics(), before=first)
    assert "moved since the last run" in said(second)["drift"]
    assert set((document(second).drifts or {}).values()) == {0.0}
    with pytest.raises(DataGateError, match=r"rms_db by 0\.\d+, .*label by 0\.40") as stopped:
        do(statistics(rms_db=-40.0, no=0.9), before=first)
    assert stopped.value.exit_code == 3
    moved = document(do(statistics(rms_db=-40.0, no=0.9), before=first, max_drift=1.0)).drifts
    assert moved is not None
    assert moved["label"] == pytest.approx(0.4)
    assert moved["rms_db"] > 0.3
    assert moved["duration_s"] == 0.0


def test_what_the_schema_calls_an_error_stops_the_run(do):
    anomalies = anomalies_pb2.Anomalies()
    info = anomalies.anomaly_info["rms_db"]
    info.severity = anomalies_pb2.AnomalyInfo.ERROR
    info.description = "Unexpectedly large value: 6."
    anomalies.anomaly_info["peak_db"].severity = anomalies_pb2.AnomalyInfo.WARNING
    with pytest.raises(DataGateError, match="anomalies: rms_db of train: Unexpectedly large value"):
        do(statistics(), anomalies)
    do(statistics(), anomalies, anomalies=False)


def test_drift_is_the_jensen_shannon_divergence_and_the_largest_change_of_a_share():
    same = {
        drift.feature: drift.distance
        for drift in measure_drift(statistics(), statistics(), WATCHED)
    }
    assert max(same.values()) < 1e-6
    moved = measure_drift(statistics(rms_db=-80.0, no=0.8), statistics(), WATCHED)
    found = {drift.feature: drift.distance for drift in moved}
    assert found["label"] == pytest.approx(0.3)
    assert found["rms_db"] == pytest.approx(1.0, abs=0.05)  # no overlap at all
    assert found["duration_s"] < 1e-6
