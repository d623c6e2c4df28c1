"""What a training reads and writes, on this machine: TensorFlow does not know every store.

Examples are copied here before the first step. What is written is a folder here, which is copied to
where it belongs when the training has ended.
"""

import contextlib
import copy
import functools
from collections.abc import Iterator

from tfx.components.trainer.fn_args_utils import FnArgs

from components.storage.location import location_of


@contextlib.contextmanager
def on_this_machine(fn_args: FnArgs) -> Iterator[FnArgs]:
    """The same with local paths; its `custom_config` says what was read, as `uris`. What was
    written is where it belongs once the block has ended.
    """
    here = copy.copy(fn_args)
    read = [*fn_args.train_files, *fn_args.eval_files]
    here.custom_config = {**fn_args.custom_config, "uris": read}
    with contextlib.ExitStack() as places:

        @functools.cache
        def bring(folder: str) -> str:
            return str(places.enter_context(location_of(folder).local_copy()))

        def bring_inside(pattern: str) -> str:
            folder, _, name = pattern.rpartition("/")
            return f"{bring(folder)}/{name}"

        here.train_files = [bring_inside(each) for each in fn_args.train_files]
        here.eval_files = [bring_inside(each) for each in fn_args.eval_files]
        model = location_of(fn_args.serving_model_dir)
        # What lies beside the SavedModel goes with it.
        folder = places.enter_context(model.parent.local_draft(last=f"{model.name}/saved_model.pb"))
        here.serving_model_dir = str(folder / model.name)
        log = location_of(fn_args.model_run_dir)
        here.model_run_dir = str(places.enter_context(log.local_draft()))
        yield here
