"""What goes in and out of StatisticsGen: as TFX has it."""

from tfx.components import StatisticsGen as TfxStatisticsGen
from tfx.dsl.components.base import executor_spec

from components.statistics_gen.executor import Executor


class StatisticsGen(TfxStatisticsGen):
    """TFX's component, with an executor that takes a folder's name as it is written."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
