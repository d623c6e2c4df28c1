"""One training: the settings, the clips and the vocabulary of a model, whatever it starts from."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.models import build_model
from components.storage.location import Location
from components.tasks import feeding
from components.trainer.dataset import Learned, make_eval_dataset, make_train_dataset
from components.trainer.devices import Devices
from components.trainer.fit import fit
from components.trainer.noise_bank import noise_bank
from components.trainer.recorder import Turn
from components.trainer.shares import Share
from schemas.workflow.training import TrainingSettings


@dataclass(frozen=True)
class Training:
    """What a model is trained with and on, wherever its weights start."""

    settings: TrainingSettings
    train_files: list[str]
    eval_files: list[str]
    learned: Learned
    devices: Devices = field(default_factory=Devices)
    noise: str = ""  # URI of a list of recordings to mix in

    @property
    def labels(self) -> list[str]:
        return self.learned.labels

    @property
    def has_variable_length(self) -> bool:
        return feeding.features(self.learned.task).VARIABLE_LENGTH

    @property
    def clip_samples(self) -> int | None:
        """None where clips keep their length."""
        audio = self.settings.audio
        return None if self.has_variable_length else round(audio.clip_s * audio.sample_rate)

    def build(self) -> keras.Model:
        """The model before its training; each call gives the same weights."""
        return build_model(
            num_outputs=feeding.model(self.learned.task).num_outputs(self.labels),
            sample_rate=self.settings.audio.sample_rate,
            clip_samples=self.clip_samples or 0,
            frontend=self.settings.frontend,
            augment=self.settings.augment,
            model=self.settings.model,
            seed=self.settings.train.seed,
            variable_length=self.has_variable_length,
            noises=self._noises,
        )

    @functools.cached_property
    def _noises(self) -> NDArray[np.int16] | None:
        if not self.settings.augment.noise.share:
            return None
        rate, seed = self.settings.audio.sample_rate, self.settings.train.seed
        return noise_bank(self.train_files, self.clip_samples, rate, seed, self.noise)

    @property
    def steps(self) -> int:
        """Of all epochs."""
        return self.settings.train.epochs * self._steps_per_epoch

    @property
    def _steps_per_epoch(self) -> int:
        return -(-self.learned.clips // self.settings.train.batch_size)

    def fit(
        self,
        model: keras.Model,
        checkpoint_dir: Path | Location,
        log_dir: Path | Location,
        turn: Turn | None = None,
    ) -> None:
        """Trains to the end, or on to it where that was begun in `checkpoint_dir`."""
        if self.devices.replicas == 1:
            self._fit(model, checkpoint_dir, log_dir, turn)
            return
        # What is done with a model afterwards knows nothing of strategies.
        with self.devices.strategy.scope():
            twin = self.build()
        _copy_variables(model, twin)
        self._fit(twin, checkpoint_dir, log_dir, turn)
        _copy_variables(twin, model)

    def _fit(
        self,
        model: keras.Model,
        checkpoint_dir: Path | Location,
        log_dir: Path | Location,
        turn: Turn | None,
    ) -> None:
        train = self.settings.train
        fit(
            model,
            lambda epoch: make_train_dataset(
                self.train_files,
                self.learned,
                self.clip_samples,
                train.batch_size,
                train.seed,
                epoch,
                self._cache_bytes,
                self._share,
            ),
            self._eval_dataset(self._share) if self.eval_files else None,
            feeding.model(self.learned.task),
            epochs=train.epochs,
            steps_per_epoch=self._steps_per_epoch,
            learning_rate=train.learning_rate,
            patience=train.patience,
            checkpoint_dir=checkpoint_dir,
            log_dir=log_dir,
            turn=turn,
            devices=self.devices,
            batch_size=train.batch_size,
        )

    @property
    def _cache_bytes(self) -> int:
        return self.settings.train.cache_mb << 20

    @property
    def _share(self) -> Share | None:
        """None where one device has all of each batch."""
        if self.devices.replicas == 1:
            return None
        return Share(self.devices.worker, self.devices.workers)

    def eval_dataset(self) -> tf.data.Dataset:
        """The clips that pick the best epoch, and the better of two trainings."""
        return self._eval_dataset(None)

    def _eval_dataset(self, share: Share | None) -> tf.data.Dataset:
        return make_eval_dataset(
            self.eval_files,
            self.learned,
            self.clip_samples,
            self.settings.train.batch_size,
            self._cache_bytes,
            share,
        )


def _copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Weights, statistics and random states, from one model to another of the same layers."""
    for ours, theirs in zip(target.variables, source.variables, strict=True):
        ours.assign(keras.ops.convert_to_numpy(theirs))
