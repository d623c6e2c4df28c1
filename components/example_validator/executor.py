"""TFX's ExampleValidator, for statistics wherever they lie."""

import contextlib
import copy
from typing import Any

from tfx.components.example_validator import executor
from tfx.types import standard_component_specs

from components.artifacts import Artifacts
from components.storage.location import location_of

_STATISTICS = standard_component_specs.STATISTICS_KEY


class Executor(executor.Executor):
    """Has TFDV read statistics on this machine: it asks TensorFlow for them, which does not know
    every store.
    """

    def Do(  # noqa: N802 (TFX's name)
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> Any:
        statistics = [copy.deepcopy(each) for each in input_dict[_STATISTICS]]
        with contextlib.ExitStack() as here:
            for each in statistics:
                each.uri = str(here.enter_context(location_of(each.uri).local_copy()))
            return super().Do({**input_dict, _STATISTICS: statistics}, output_dict, exec_properties)
