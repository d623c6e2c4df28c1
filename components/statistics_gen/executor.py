"""TFX's StatisticsGen, for run directories of any name."""

import contextlib
import copy
from typing import Any

from tfx.components.statistics_gen import executor
from tfx.types import standard_component_specs

from components.artifacts import Artifacts
from components.beam_jobs import RunsJobs
from components.storage.plain_path import plain_path

_EXAMPLES = standard_component_specs.EXAMPLES_KEY
_STATISTICS = standard_component_specs.STATISTICS_KEY


class Executor(RunsJobs, executor.Executor):
    """Has Beam read and write below paths that are no patterns."""

    def Do(  # noqa: N802 (TFX's name)
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        examples = [copy.deepcopy(each) for each in input_dict[_EXAMPLES]]
        [statistics] = output_dict[_STATISTICS]
        written_to = statistics.uri
        with contextlib.ExitStack() as paths:
            for each in [*examples, statistics]:
                each.uri = paths.enter_context(plain_path(each.uri))
            try:
                super().Do({**input_dict, _EXAMPLES: examples}, output_dict, exec_properties)
            finally:
                statistics.uri = written_to
