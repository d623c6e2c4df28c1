"""TFX's StatisticsGen, for run directories of any name, and without Beam where there is little."""

import contextlib
import copy
from collections.abc import Mapping
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory
from tfx.components.statistics_gen import executor
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.artifacts import Artifacts
from components.beam_jobs import RunsJobs
from components.beam_places import is_beam_here, read_by_beam, written_by_beam
from components.examples import read_files, split_files
from components.storage.location import Location, location_of

_EXAMPLES = standard_component_specs.EXAMPLES_KEY
_STATISTICS = standard_component_specs.STATISTICS_KEY
_OPTIONS = standard_component_specs.STATS_OPTIONS_JSON_KEY
_BYTES_IN_MEMORY = 64 << 20


class Executor(RunsJobs, executor.Executor):
    """Has Beam read and write where it can, below paths that are no patterns. Of up to 64 MiB of
    examples this process counts, since Beam takes seconds for each split to begin.
    """

    def Do(  # noqa: N802 (TFX's name)
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        [given], [statistics] = input_dict[_EXAMPLES], output_dict[_STATISTICS]
        if is_beam_here(self._beam_pipeline_args) and (files := _few_files(given)):
            statistics.split_names, statistics.span = given.split_names, given.span
            _count(files, statistics, exec_properties[_OPTIONS])
            return
        examples = copy.deepcopy(given)
        written_to = statistics.uri
        with contextlib.ExitStack() as paths:
            examples.uri = paths.enter_context(read_by_beam(given.uri, self._beam_pipeline_args))
            written = written_by_beam(statistics.uri, self._beam_pipeline_args)
            statistics.uri = paths.enter_context(written)
            try:
                super().Do({**input_dict, _EXAMPLES: [examples]}, output_dict, exec_properties)
            finally:
                statistics.uri = written_to


def _few_files(examples: Artifact) -> dict[str, list[Location]]:
    """The files of each split; none where they are too large for memory, or a split is empty."""
    splits = artifact_utils.decode_split_names(examples.split_names)
    files = {
        split: split_files([artifact_utils.get_split_uri([examples], split)]) for split in splits
    }
    entries = {split: [file.entry() for file in files[split]] for split in splits}
    sizes = [sum(each.size_bytes for each in found if each) for found in entries.values()]
    return files if all(sizes) and sum(sizes) <= _BYTES_IN_MEMORY else {}


def _count(files: Mapping[str, list[Location]], statistics: Artifact, options: str) -> None:
    """Writes what TFDV counts in the examples of each split, as its transforms for Beam do."""
    for split, of_split in files.items():
        examples = ExamplesToRecordBatchDecoder().DecodeBatch(list(read_files(of_split)))
        counted = generate_statistics_in_memory(examples, tfdv.StatsOptions.from_json(options))
        folder = location_of(artifact_utils.get_split_uri([statistics], split))
        (folder / executor.DEFAULT_FILE_NAME).put(counted.SerializeToString())
