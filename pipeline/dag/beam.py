"""workflow.run.beam -> Beam's pipeline arguments, checked before anything starts."""

import argparse

from schemas.errors import WorkflowError
from schemas.text import nearest
from schemas.workflow.run import Beam

# On some platforms the name DirectRunner means a runner that downloads a program at run time.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"

# Where no image is named, TFX packs itself anew for the workers of every Beam step: seconds, and
# 50 MB that stay in the temporary folder. Those of the local runner have TFX; it reads no image.
_NO_IMAGE = "--sdk_container_image=none"

# Another process takes 0.4 s of CPU to start, which it saves with about half as many clips.
CLIPS_THAT_EARN_A_PROCESS = 2_000


def beam_pipeline_args(beam: Beam) -> list[str]:
    """Arguments for every Beam pipeline of the run.

    Raises:
        WorkflowError: an option Beam does not know.
    """
    is_local = beam.runner == "DirectRunner"
    arguments = [f"--runner={LOCAL_RUNNER}", _NO_IMAGE] if is_local else [f"--runner={beam.runner}"]
    for name, value in beam.options.items():
        if isinstance(value, bool):
            arguments.append(f"--{name}" if value else f"--no_{name}")
        else:
            values = value if isinstance(value, list) else [value]
            arguments.extend(f"--{name}={item}" for item in values)
    if beam.options:
        _refuse_unknown(beam)
    return arguments


def ingest_pipeline_args(beam: Beam, clips: int, cores: int) -> list[str]:
    """What ingest adds: how many processes decode, on this machine as many as the work is worth."""
    earned = 1 + clips // CLIPS_THAT_EARN_A_PROCESS if beam.runner == "DirectRunner" else 1
    processes = beam.workers or min(cores, earned)
    return [f"--ingest_processes={processes}"]


def _refuse_unknown(beam: Beam) -> None:
    from apache_beam.options.pipeline_options import PipelineOptions

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    known = {flag.lstrip("-") for flag in parser._option_string_actions}
    for name in beam.options:
        if name not in known:
            near = nearest(name, known, cutoff=0.6)
            hint = f"; the nearest is '{near}'" if near else ""
            raise WorkflowError(
                f"run.beam.options.{name}: not a pipeline option of Apache Beam{hint}"
            )
