"""TFX's StatisticsGen, for run directories of any name."""

import contextlib
import copy
from typing import Any

from tfx.components.statistics_gen import executor
from tfx.types import standard_component_specs

from components.artifacts import Artifacts
from components.beam_jobs import RunsJobs
from components.beam_places import read_by_beam, written_by_beam

_EXAMPLES = standard_component_specs.EXAMPLES_KEY
_STATISTICS = standard_component_specs.STATISTICS_KEY


class Executor(RunsJobs, executor.Executor):
    """Has Beam read and write where it can, below paths that are no patterns."""

    def Do(  # noqa: N802 (TFX's name)
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        examples = [copy.deepcopy(each) for each in input_dict[_EXAMPLES]]
        [statistics] = output_dict[_STATISTICS]
        written_to = statistics.uri
        with contextlib.ExitStack() as paths:
            for each in examples:
                each.uri = paths.enter_context(read_by_beam(each.uri, self._beam_pipeline_args))
            written = written_by_beam(statistics.uri, self._beam_pipeline_args)
            statistics.uri = paths.enter_context(written)
            try:
                super().Do({**input_dict, _EXAMPLES: examples}, output_dict, exec_properties)
            finally:
                statistics.uri = written_to
