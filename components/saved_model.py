"""SavedModels, loaded from folders of any name."""

from pathlib import Path
from typing import Any

from components.storage.plain_path import plain_path


def load_saved_model(folder: str | Path) -> Any:
    """What `tf.saved_model.load` gives of a folder on this machine, and raises."""
    import tensorflow as tf

    with plain_path(str(folder)) as path:  # TensorFlow looks for the variables by a pattern
        return tf.saved_model.load(path)
