"""TensorFlow, imported without its chatter; for a command that asks one model and then ends, also
without what only training needs.
"""

import gc
import os
import sys
import warnings
from types import ModuleType

# TensorFlow imports these where they are installed, and does without where they are not.
_NEEDLESS = ("googleapiclient", "keras", "pandas", "scipy", "tf_keras")


def import_tensorflow() -> ModuleType:
    """TensorFlow; of what it logs only errors are shown."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # has to come before the import
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say about Python is no answer to a person
        import tensorflow
    return tensorflow


def import_tensorflow_alone() -> None:
    """Imports it in a process that asks exported models and then ends; takes half the time.

    Keras, SciPy and others pass for missing meanwhile. They can be imported later, but
    `tensorflow.keras` cannot. The garbage collector rests, since all that is imported stays.
    """
    if "tensorflow" in sys.modules:
        return
    missing = [name for name in _NEEDLESS if name not in sys.modules]
    was_enabled = gc.isenabled()
    gc.disable()
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]
    try:
        import_tensorflow()
    finally:
        for name in missing:
            del sys.modules[name]
        gc.freeze()
        if was_enabled:
            gc.enable()
