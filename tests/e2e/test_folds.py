"""Small data, cross-validated: every clip judges, and the champion answers as fairly."""

from pathlib import Path

import numpy as np
import pytest
from e2e.running import artifacts, run
from e2e.tiny import SPEAKERS, TINY, write_workflow

from components.evaluation.score_files import SCORES_FILE, read_scores
from components.versions.model_card import read_card
from pipeline.datasets.dry_run import make_plan
from pipeline.runs.records import list_records
from pipeline.workspace.project import read_project

pytestmark = pytest.mark.e2e


def test_every_clip_judges_a_model_that_has_not_heard_its_speaker(project: Path) -> None:
    changes = {
        "data": TINY["data"] | {"split": {"folds": 2}},
        "gate": {
            "accuracy": {"at_least": 0.5, "no_worse_by_more_than": 0.5},
            "when_undecided": "push",
        },
    }
    train = TINY["train"] | {"epochs": 2, "learning_rate": 0.02}
    write_workflow(project, **changes, train=train)
    plan = make_plan(read_project(project / "workflow.yaml"))
    speakers = {name: len(split.speakers) for name, split in plan.splits.items()}
    assert speakers == {"fold_1": 3, "fold_2": 3}
    assert [outlook.clips for outlook in plan.outlooks] == [72]
    first = run(project)
    verdict = first.record.verdict
    assert (verdict.clips, verdict.folds, verdict.baseline) == (72, 2, None)
    assert first.record.pushed_version == 1
    assert list_records(read_project(project / "workflow.yaml")) == [first.record]
    scores = read_scores(artifacts(project, "Evaluator", "scores") / SCORES_FILE)
    folds_of = {who: set(scores.folds[scores.speakers == who].tolist()) for who in SPEAKERS}
    assert all(len(folds) == 1 for folds in folds_of.values())
    model = artifacts(project, "Trainer", "model") / "Format-Serving"
    assert (read_card(model).folds, read_card(model).data.clips) == (2, 72)
    assert "2 folds" in (project / "runs" / "tones" / "report.html").read_text()

    write_workflow(project, **changes, train=train | {"seed": 2})
    second = run(project).record.verdict
    # The champion was trained on all clips, and answers each with a model that was not.
    assert (second.incomparable, second.judged_before, second.gate_change) == ("", 1, "")
    again = read_scores(artifacts(project, "Evaluator", "scores") / SCORES_FILE)
    assert second.baseline == verdict.headline.value
    assert again.baseline is not None
    np.testing.assert_allclose(
        again.baseline.outputs["scores"], scores.candidate.outputs["scores"], atol=1e-6
    )
