"""One training: the settings, the clips and the vocabulary of a model, whatever it starts from."""

from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from components.models import build_model
from components.tasks import feeding
from components.trainer.dataset import Learned, make_eval_dataset, make_train_dataset
from components.trainer.fit import Turn, fit, strategy
from schemas.workflow.training import TrainingSettings


@dataclass(frozen=True)
class Training:
    """What a model is trained with, wherever its weights start."""

    settings: TrainingSettings
    train_files: list[str]
    eval_files: list[str]
    learned: Learned

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
        with strategy().scope():
            return build_model(
                num_outputs=feeding.model(self.learned.task).num_outputs(self.labels),
                sample_rate=self.settings.audio.sample_rate,
                clip_samples=self.clip_samples or 0,
                frontend=self.settings.frontend,
                augment=self.settings.augment,
                model=self.settings.model,
                seed=self.settings.train.seed,
                variable_length=self.has_variable_length,
            )

    @property
    def steps(self) -> int:
        """Of all epochs."""
        return self.settings.train.epochs * self._steps_per_epoch

    @property
    def _steps_per_epoch(self) -> int:
        return -(-self.learned.clips // self.settings.train.batch_size)

    def fit(
        self, model: keras.Model, checkpoint_dir: Path, log_dir: Path, turn: Turn | None = None
    ) -> None:
        """Trains to the end, or on to it where that was begun in `checkpoint_dir`."""
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
            ),
            self.eval_dataset() if self.eval_files else None,
            feeding.model(self.learned.task),
            epochs=train.epochs,
            steps_per_epoch=self._steps_per_epoch,
            learning_rate=train.learning_rate,
            patience=train.patience,
            checkpoint_dir=checkpoint_dir,
            log_dir=log_dir,
            turn=turn,
        )

    def eval_dataset(self) -> tf.data.Dataset:
        """The clips that pick the best epoch, and the better of two trainings."""
        batch_size = self.settings.train.batch_size
        return make_eval_dataset(self.eval_files, self.learned, self.clip_samples, batch_size)
