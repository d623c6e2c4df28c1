"""What TFX's Trainer calls: examples in; a trained, exported model and its curves out."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from components.models import build_model
from components.trainer.dataset import (
    count_labels,
    describe_data,
    make_eval_dataset,
    make_train_dataset,
)
from components.trainer.export import export_model
from components.trainer.fit import fit, precision, strategy
from schemas.reports import Lineage, ModelCard


def run_fn(fn_args: FnArgs) -> None:
    """Trains the workflow's model on `train`, stops early by `eval`, exports the best weights.

    An unfinished training of the same settings on the same examples is continued.
    """
    config = fn_args.custom_config
    workflow = json.loads(config["workflow"])
    audio, train = workflow["audio"], workflow["train"]
    clip_samples = round(audio["clip_s"] * audio["sample_rate"])
    train_files, eval_files = _expand(fn_args.train_files), _expand(fn_args.eval_files)
    clips_by_label = count_labels(train_files)
    labels = list(clips_by_label)
    keras.config.set_dtype_policy(precision())
    with strategy().scope():
        model = build_model(
            architecture=workflow["model"]["architecture"],
            num_classes=len(labels),
            sample_rate=audio["sample_rate"],
            clip_samples=clip_samples,
            frontend=workflow["frontend"],
            augment=workflow["augment"],
            model=workflow["model"],
            seed=train["seed"],
        )
    checkpoint = Path(config["checkpoints"]) / _training_key(config, train_files + eval_files)
    fit(
        model,
        lambda epoch: make_train_dataset(
            train_files, labels, clip_samples, train["batch_size"], train["seed"], epoch
        ),
        make_eval_dataset(eval_files, labels, clip_samples, train["batch_size"]),
        epochs=train["epochs"],
        steps_per_epoch=-(-sum(clips_by_label.values()) // train["batch_size"]),
        learning_rate=train["learning_rate"],
        patience=train["patience"],
        checkpoint_dir=checkpoint,
        log_dir=fn_args.model_run_dir,
    )
    export_model(
        model,
        ModelCard(
            name=workflow["name"],
            labels=labels,
            audio=audio,
            frontend=workflow["frontend"],
            model=workflow["model"],
            augment=workflow["augment"],
            train=workflow["train"],
            parameters=model.count_params(),
            generated=config["generated"],
            data=describe_data(train_files),
            lineage=Lineage(
                examples=config["examples"],
                settings=hashlib.sha256(config["workflow"].encode()).hexdigest(),
                code=config["code"],
            ),
        ),
        clip_samples,
        fn_args.serving_model_dir,
    )
    shutil.rmtree(checkpoint, ignore_errors=True)


def _expand(patterns: list[str]) -> list[str]:
    return sorted(name for pattern in patterns for name in tf.io.gfile.glob(pattern))


def _training_key(config: dict[str, Any], files: list[str]) -> str:
    """Names a training by all that decides its outcome; example files are never rewritten."""
    text = json.dumps([config, files], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
