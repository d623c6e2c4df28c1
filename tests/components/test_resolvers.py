"""A candidate is measured against the newest model that was blessed before it, or against none."""

from pathlib import Path

import pytest
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.artifacts import DataVerdict
from components.resolvers import (
    BlessedBeforeStrategy,
    ChampionBeforeStrategy,
    PassedBeforeStrategy,
)
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard

BLESSED, REFUSED = 1, 0


@pytest.fixture
def models(tmp_path: Path) -> list[standard_artifacts.Model]:
    """Five models with ids 1 to 5; the third was trained on audio of another rate."""
    return [_model(tmp_path, id_, 16000 if id_ == 3 else 8000) for id_ in range(1, 6)]


def _model(folder: Path, id_: int, sample_rate: int) -> standard_artifacts.Model:
    model = standard_artifacts.Model()
    model.id, model.uri = id_, str(folder / str(id_))
    card = ModelCard(
        name="m",
        labels=["a", "b"],
        audio={"sample_rate": sample_rate},
        frontend={},
        model={},
        parameters=1,
        generated=False,
    )
    file = Path(path_utils.serving_model_dir(model.uri)) / MODEL_CARD_FILE
    file.parent.mkdir(parents=True)
    file.write_text(card.model_dump_json())
    return model


def make_blessings(outcomes: dict[int, int]) -> list[standard_artifacts.ModelBlessing]:
    blessings = []
    for model_id, outcome in outcomes.items():
        blessing = standard_artifacts.ModelBlessing()
        blessing.set_int_custom_property("current_model_id", model_id)
        blessing.set_int_custom_property("blessed", outcome)
        blessings.append(blessing)
    return blessings


def resolve(
    models: list[standard_artifacts.Model], candidate: int, outcomes: dict[int, int]
) -> list[int]:
    blessings = make_blessings(outcomes)
    resolved = BlessedBeforeStrategy().resolve_artifacts(
        None,
        {"candidate": [models[candidate - 1]], "model": models, "model_blessing": blessings},
    )
    assert [m.id for m in resolved["candidate"]] == [candidate]
    assert len(resolved["model"]) == len(resolved["model_blessing"])
    return [model.id for model in resolved["model"]]


@pytest.mark.parametrize(
    ("candidate", "outcomes", "baseline"),
    [
        (1, {}, []),
        (2, {1: BLESSED}, [1]),
        (2, {1: REFUSED}, []),
        (4, {1: BLESSED, 2: BLESSED}, [2]),
        (4, {1: BLESSED, 2: REFUSED}, [1]),
        (2, {1: BLESSED, 2: BLESSED}, [1]),  # never itself: the run was done before
        (1, {1: BLESSED, 2: BLESSED}, []),  # nor one that came later
        (5, {1: BLESSED, 3: BLESSED}, [3]),  # of other audio: Evaluator says so
    ],
)
def test_newest_blessed_before(
    models: list[standard_artifacts.Model],
    candidate: int,
    outcomes: dict[int, int],
    baseline: list[int],
) -> None:
    assert resolve(models, candidate, outcomes) == baseline


@pytest.mark.parametrize(
    ("examples", "sample_rate", "outcomes", "champion"),
    [
        (10, 8000, {}, []),  # the first training of all
        (10, 8000, {1: BLESSED, 2: BLESSED}, [2]),
        (10, 8000, {1: BLESSED, 2: REFUSED}, [1]),  # refused, or failed and withdrawn
        (3, 8000, {1: BLESSED, 2: BLESSED, 4: BLESSED}, [2]),  # never what these examples made
        (1, 8000, {1: BLESSED, 4: BLESSED}, []),
        (10, 8000, {1: BLESSED, 3: BLESSED}, [1]),  # the third hears another rate
        (10, 16000, {1: BLESSED, 3: BLESSED}, [3]),
        (10, 4000, {1: BLESSED, 3: BLESSED}, []),
    ],
)
def test_training_starts_from_the_newest_blessed_before_its_examples(
    models: list[standard_artifacts.Model],
    examples: int,
    sample_rate: int,
    outcomes: dict[int, int],
    champion: list[int],
) -> None:
    candidate = standard_artifacts.Examples()
    candidate.id = examples
    resolved = ChampionBeforeStrategy(f'{{"sample_rate": {sample_rate}}}').resolve_artifacts(
        None,
        {"candidate": [candidate], "model": models, "model_blessing": make_blessings(outcomes)},
    )
    assert resolved["candidate"] == [candidate]
    assert [model.id for model in resolved["model"]] == champion
    assert len(resolved["model_blessing"]) == len(champion)


@pytest.mark.parametrize(
    ("examples", "verdicts", "expected"),
    [(1, [], []), (10, [4, 7], [7]), (5, [4, 7], [4]), (3, [4, 7], [])],
)
def test_drift_is_measured_from_the_last_verdict_before_these_examples(
    examples: int, verdicts: list[int], expected: list[int]
) -> None:
    candidate = standard_artifacts.Examples()
    candidate.id = examples
    known = []
    for id_ in verdicts:
        verdict = DataVerdict()
        verdict.id = id_
        known.append(verdict)
    resolved = PassedBeforeStrategy().resolve_artifacts(
        None, {"candidate": [candidate], "verdict": known}
    )
    assert [verdict.id for verdict in resolved["verdict"]] == expected
