"""Runs a compiled pipeline as Vertex AI does: each step is its container's command, with nothing
but what the pipeline says, in a process, a folder, a home and a temporary folder of its own.

What Vertex AI does between the steps is done here, from the PipelineJob alone: the order, the
ExecutorInput (parameters, inputs as earlier steps put them out, URIs for outputs), reading the
ExecutorOutput, and giving it to those that follow. Two things are replaced: the image, by a folder
into which the wheel was unpacked, and Dataflow by Beam's local runner.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.storage.location import location_of
from schemas.reports.last_words import LAST_WORDS_FILE, LastWords

ROOT = Path(__file__).parents[1]
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
Json = dict[str, Any]


class StepError(Exception):
    """A step's container ended with another exit code than 0."""

    def __init__(self, task: str, code: int, words: str, log: str) -> None:
        super().__init__(f"{task} ended with exit code {code}: {words or log[-2000:]}")
        self.task, self.code, self.words, self.log = task, code, words, log


def unpack_wheel(folder: Path) -> Path:
    """The packages of this checkout as the image has them: built to a wheel, and unpacked."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "image")
    return folder / "image"


@dataclass
class LocalVertex:
    """One machine that has the `image`; `folder` is where containers live, `environment` what every
    one of them gets. `finished` is what the tasks put out, by name.
    """

    image: Path
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    number: str = "1234567890"  # of the project
    finished: dict[str, Json] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)

    def run(self, job: Json, job_id: str = "job-1", parameters: Mapping[str, Any] = {}) -> None:
        """Runs all tasks, as many at once as their inputs allow.

        Raises:
            StepError: one of them died; nothing that follows was started.
        """
        spec = job["pipelineSpec"]
        given = job["runtimeConfig"].get("parameterValues", {}) | dict(parameters)
        tasks: Json = spec["root"]["dag"]["tasks"]
        root = job["runtimeConfig"]["gcsOutputDirectory"]
        folder = f"{root}/{self.number}/{job_id}"
        waiting = {name: set(needs(task)) for name, task in tasks.items()}
        running: dict[Future[Json], str] = {}
        with ThreadPoolExecutor(max_workers=2) as pool:
            while waiting or running:
                for name in [name for name, before in waiting.items() if not before]:
                    del waiting[name]
                    step = self._step(spec, name, folder, given)
                    running[pool.submit(self._run, name, *step)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    self.finished[name] = future.result()
                    for before in waiting.values():
                        before.discard(name)

    def artifact(self, task: str, key: str) -> Json:
        """What a task put out: its `uri` and `metadata`."""
        [artifact] = self.finished[task]["artifacts"][key]["artifacts"]
        return artifact

    def _step(
        self, spec: Json, name: str, folder: str, parameters: Json
    ) -> tuple[Json, Json, list[str]]:
        """The container of a task, its ExecutorInput, and its command."""
        task = spec["root"]["dag"]["tasks"][name]
        component = spec["components"][task["componentRef"]["name"]]
        container = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        own = f"{folder}/{name}_{len(self.logs) + 1}"
        self.logs[name] = ""
        inputs = task.get("inputs", {})
        values = {
            key: self._value(each, parameters) for key, each in inputs.get("parameters", {}).items()
        }
        artifacts = {}
        for key, each in inputs.get("artifacts", {}).items():
            source = each["taskOutputArtifact"]
            found = self.artifact(source["producerTask"], source["outputArtifactKey"])
            artifacts[key] = {"artifacts": [found]}
        outputs = {
            key: {
                "artifacts": [
                    {
                        "name": f"projects/{self.number}/artifacts/{name}-{key}-{abs(hash(own))}",
                        "type": each["artifactType"],
                        "uri": f"{own}/{key}",
                        "metadata": each.get("metadata", {}),
                    }
                ]
            }
            for key, each in component.get("outputDefinitions", {}).get("artifacts", {}).items()
        }
        executor_input = {
            "inputs": {"parameterValues": values, "artifacts": artifacts},
            "outputs": {"artifacts": outputs, "outputFile": f"{own}/executor_output.json"},
        }
        text = json.dumps(executor_input)
        arguments = [text if each == "{{$}}" else each for each in container.get("args", [])]
        command = [*container["command"], *map(self._on_this_machine, arguments)]
        return container, executor_input, [each for each in command if each]

    def _value(self, given: Json, parameters: Json) -> Any:
        if "componentInputParameter" in given:
            return parameters[given["componentInputParameter"]]
        return given["runtimeValue"]["constant"]

    @staticmethod
    def _on_this_machine(argument: str) -> str:
        return f"--runner={LOCAL_RUNNER}" if argument == "--runner=DataflowRunner" else argument

    def _run(self, name: str, container: Json, executor_input: Json, command: list[str]) -> Json:
        """Runs one container, and reads what it put out."""
        assert container["image"], name
        work = self.folder / name
        for each in ("cwd", "home", "tmp"):
            (work / each).mkdir(parents=True)
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(self.image),
            "PYTHONSAFEPATH": "1",
            "HOME": str(work / "home"),
            "TMPDIR": str(work / "tmp"),
            **{each["name"]: each["value"] for each in container.get("env", [])},
            **self.environment,
        }
        done = subprocess.run(
            command,
            cwd=work / "cwd",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.logs[name] = done.stdout
        output_file = executor_input["outputs"]["outputFile"]
        if done.returncode:
            words = location_of(output_file).parent / LAST_WORDS_FILE
            said = LastWords.model_validate_json(words.read()).words if words.is_present() else ""
            raise StepError(name, done.returncode, said, done.stdout)
        left = sorted(path.name for path in (work / "cwd").iterdir())
        assert left == [], f"{name} left {left} where it was started"
        shutil.rmtree(work)
        output: Json = json.loads(location_of(output_file).read())
        for key, planned in executor_input["outputs"]["artifacts"].items():
            [artifact] = planned["artifacts"]
            [told] = output["artifacts"][key]["artifacts"]
            assert told["name"] == artifact["name"]
            told["type"] = artifact["type"]
        return output


def needs(task: Json) -> Iterator[str]:
    """The tasks that have to end before this one begins."""
    yield from task.get("dependentTasks", [])
    for each in task.get("inputs", {}).get("artifacts", {}).values():
        yield each["taskOutputArtifact"]["producerTask"]


def with_root(job: Json, uri: str, elsewhere: str) -> Json:
    """The same job with its bucket elsewhere."""
    changed: Json = json.loads(json.dumps(job).replace(uri, elsewhere))
    return changed
