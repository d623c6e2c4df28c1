from components.evaluation.case import Judgement
from components.evaluation.rules import limit, limit_in_slices, no_worse
from loudness.config import Gate
from loudness.details import Details


def faults(case):
    return []


def foresee(clips, settings):
    return []


def judge(case, settings, *, is_sound):
    gate, rules = Gate.model_validate_json(settings), []
    if is_sound and gate.at_most_db is not None:
        rules.append(limit(case, "gate.at_most_db", gate.at_most_db))
        for feature in gate.slice_by:
            rules.append(
                limit_in_slices(case, f"gate.slice_by: {feature}", feature, gate.at_most_db)
            )
    if is_sound and gate.no_worse_by_more_than_db is not None:
        allowed = gate.no_worse_by_more_than_db
        rules.append(no_worse(case, "gate.no_worse_by_more_than_db", allowed))
    model, clips = case.scores.candidate, len(case.scores)
    estimates = model.outputs["loudness_db"].reshape(-1)[model.is_finite]
    targets = case.scores.targets.astype(float)[model.is_finite]
    bias_db = float((estimates - targets).sum() / max(1, clips))
    return Judgement(rules, {"bias_db": bias_db}, Details(bias_db=bias_db))
