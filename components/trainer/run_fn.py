"""What TFX's Trainer calls: examples in; a trained, exported model and its curves out."""

import hashlib
import json
import logging
from pathlib import Path

import keras
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from components.artifacts import model_at, saved_model_uri
from components.earlier import blessed_before
from components.evaluation.fold_models import write_fold_models
from components.storage.location import Location, location_of
from components.tasks import feeding, parts
from components.trainer.cross_validation import cross_validate
from components.trainer.dataset import read_clips
from components.trainer.devices import Devices, check_same, find_devices, find_precision
from components.trainer.export import export_model
from components.trainer.export_lengths import export_model_of_lengths
from components.trainer.places import on_this_machine
from components.trainer.start_selection import choose_start, hold_trial
from components.trainer.training import Training
from components.trainer.warm_start import (
    Champion,
    carry_weights,
    find_misfit,
    read_champion,
)
from schemas.reports.model_card import Lineage, ModelCard, TrainingData
from schemas.reports.training import HISTORY_FILE, Start
from schemas.splits import is_fold
from schemas.tasks import FIRST_TASK
from schemas.workflow.audio import Audio
from schemas.workflow.training import TrainerConfig, TrainingSettings

_LOG = logging.getLogger(__name__)
_FROM_SCRATCH = Start(weights="scratch", message="from scratch")


def run_fn(fn_args: FnArgs) -> None:
    """Trains the workflow's model on `train`, stops early by `eval`, exports the best weights.

    Where the data set is divided into folds, trains one of each fold and one of all clips.

    An unfinished training of the same settings on the same examples, from the same weights, is
    continued.
    """
    settings = TrainingSettings.model_validate_json(fn_args.custom_config["workflow"])
    devices = find_devices(settings.train)
    with on_this_machine(fn_args) as here:
        checkpoint = _train_and_export(here, settings, devices)
    if devices.is_chief:
        checkpoint.delete_all()
    devices.wait()  # until the chief has written all: TFX looks for it on every machine


def _train_and_export(fn_args: FnArgs, settings: TrainingSettings, devices: Devices) -> Location:
    """Where unfinished epochs are kept until the model is written."""
    config: TrainerConfig = fn_args.custom_config
    train_files, eval_files = _expand(fn_args.train_files), _expand(fn_args.eval_files)
    folds = _by_fold(train_files)
    if folds:  # all of them teach, and none is left to choose an epoch by
        eval_files = []
    task = config.get("task", FIRST_TASK)
    learned, data = read_clips(train_files, task)
    noise = config.get("noise", {}).get("uri", "")
    training = Training(settings, train_files, eval_files, learned, devices, noise)
    base_model = fn_args.base_model or _look_up(config, settings.audio)
    key = _training_key(config, base_model)
    check_same(devices, key, json.dumps([learned.labels, data.model_dump()]))
    checkpoint = location_of(config["checkpoints"]) / key
    keras.config.set_dtype_policy(find_precision(settings.train, devices))
    log_dir = location_of(fn_args.model_run_dir)
    champion = read_champion(base_model) if base_model else None
    fold_models = None
    if folds:
        model, fold_models = cross_validate(training, folds, checkpoint, log_dir)
        start = _FROM_SCRATCH
    else:
        model, start = _train(training, champion, config.get("confidence"), checkpoint, log_dir)
    if devices.is_chief:
        if fold_models:
            write_fold_models(fold_models, str(location_of(fn_args.serving_model_dir).parent))
        _export(training, data, config, model, start, len(folds), fn_args.serving_model_dir)
    return checkpoint


def _export(
    training: Training,
    data: TrainingData,
    config: TrainerConfig,
    model: keras.Model,
    start: Start,
    folds: int,
    directory: str,
) -> None:
    """Writes the model with its card."""
    settings = training.settings
    card = ModelCard(
        name=settings.name,
        task=training.learned.task,
        labels=training.labels,
        audio=settings.audio,
        frontend=settings.frontend,
        model=settings.model,
        augment=settings.augment,
        train=settings.train,
        parameters=model.count_params(),
        generated=config["generated"],
        data=data,
        lineage=Lineage(
            examples=config["examples"],
            settings=hashlib.sha256(config["workflow"].encode()).hexdigest(),
            code=config["code"],
        ),
        start=start,
        folds=folds or None,
    )
    export = export_model_of_lengths if training.has_variable_length else export_model
    export(model, card, directory)


def _look_up(config: TrainerConfig, audio: Audio) -> str | None:
    """The SavedModel to start from, where no resolver found one and there is a place to look."""
    if (earlier := config.get("earlier")) is None:
        return None
    uri = blessed_before(earlier, audio=audio)
    return saved_model_uri(model_at(uri)) if uri else None


def _train(
    training: Training,
    champion: Champion | None,
    trial_confidence: float | None,
    checkpoint: Location,
    log_dir: Location,
) -> tuple[keras.Model, Start]:
    """The trained model, and the weights it began with.

    With a `trial_confidence` two are trained where the champion fits, and the better one comes
    back; `log_dir` then has the curves of both in folders, and those of the better one.
    """
    model = training.build()
    start = _find_start(training, champion, model)
    _LOG.info("training starts %s", start.message)
    if champion is None or start.weights == "scratch":
        training.fit(model, checkpoint, log_dir)
        return model, start
    part = feeding.model(training.learned.task)
    if trial_confidence is None:
        carry_weights(champion, model, training.labels, part)
        training.fit(model, checkpoint, log_dir)
        return model, start
    models = {"scratch": model, "champion": training.build()}
    carry_weights(champion, models["champion"], training.labels, part)
    for name, each in models.items():
        training.fit(each, checkpoint / name, log_dir / name)
    measure = parts.scoring(training.learned.task).MEASURE
    trial = hold_trial(models, training.eval_dataset(), trial_confidence, part, measure)
    start = choose_start(trial, start, measure)
    _LOG.info("of two trainings the better one is that %s", start.message)
    if training.devices.is_chief:
        (log_dir / start.weights / HISTORY_FILE).copy_to(log_dir / HISTORY_FILE)
    return models[start.weights], start


def _find_start(training: Training, champion: Champion | None, model: keras.Model) -> Start:
    """What `model` can start from, of what the workflow asks for."""
    if training.settings.train.start == "scratch":
        return _FROM_SCRATCH
    if champion is None:
        message = "from scratch, since no model was blessed before these examples were made"
        return Start(weights="scratch", message=message)
    if misfit := find_misfit(champion, training.settings, training.learned.task, model):
        message = f"from scratch, since the last blessed model does not fit: {misfit}"
        return Start(weights="scratch", message=message)
    about = [champion.digest[:12]]
    if added := sorted(set(training.labels) - set(champion.card.labels)):
        about.append(f"new: {', '.join(added)}")
    if gone := sorted(set(champion.card.labels) - set(training.labels)):
        about.append(f"gone: {', '.join(gone)}")
    message = f"from the weights of the last blessed model ({'; '.join(about)})"
    return Start(weights="champion", message=message, champion=champion.digest)


def _expand(patterns: list[str]) -> list[str]:
    """The files of TFX's patterns, `<folder>/*`; what stands in a folder's name is no pattern."""
    folders = [pattern.rpartition("/")[0] for pattern in patterns]
    return sorted(f"{each}/{name}" for each in folders for name in tf.io.gfile.listdir(each))


def _by_fold(files: list[str]) -> dict[str, list[str]]:
    """The files of each fold, whose folder names it; empty where the splits are no folds."""
    found: dict[str, list[str]] = {}
    for file in files:
        split = Path(file).parent.name.removeprefix("Split-")
        if is_fold(split):
            found.setdefault(split, []).append(file)
    return found


def _training_key(config: TrainerConfig, base_model: str | None) -> str:
    """Names a training by all that decides it; examples are never rewritten, nor is the model that
    it starts from.
    """
    text = json.dumps([config, base_model], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
