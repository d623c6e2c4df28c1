"""Runs a compiled pipeline as Vertex AI does: each step is its container's command, with nothing
but what the pipeline says, in a process, a folder, a home and a temporary folder of its own
(`container_server.py`).

What Vertex AI does between the steps is done here, from the PipelineJob alone: the order, the
ExecutorInput (parameters, inputs as earlier steps put them out, URIs for outputs), reading the
ExecutorOutput, and giving it to those that follow. Two things are replaced: the image, by a folder
into which the wheel was unpacked, and Dataflow by Beam's local runner.
"""

import json
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.storage.location import location_of
from schemas.reports.last_words import LAST_WORDS_FILE, LastWords

ROOT = Path(__file__).parents[1]
SERVER = ROOT / "tests" / "container_server.py"
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


class Machine:
    """Where the image is, and runs containers: `environment` is what every one of them gets."""

    def __init__(self, image: Path, environment: Mapping[str, str] = {}) -> None:
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(image),
            "PYTHONSAFEPATH": "1",
            **environment,
        }
        self._process = subprocess.Popen(
            [sys.executable, str(shutil.copy(SERVER, image.parent))],  # its folder is on the path
            cwd=image,
            env=self.environment | {"PYTHONWARNINGS": "ignore", "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        self._waiting: dict[int, Future[int]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._read_answers, daemon=True).start()

    def run(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> int:
        """Runs a container's command in a folder; its log is `log` beside that. The exit code."""
        ended: Future[int] = Future()
        with self._lock:
            number = len(self._waiting)
            self._waiting[number] = ended
            assert self._process.stdin is not None
            request = {
                "number": number,
                "command": command,
                "folder": str(folder),
                "environment": self.environment | dict(environment),
                "log": str(folder.with_name("log")),
            }
            self._process.stdin.write(f"{json.dumps(request)}\n")
        return ended.result()

    def stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            number, code = json.loads(line)
            self._waiting[number].set_result(code)
        for ended in self._waiting.values():
            if not ended.done():
                ended.set_exception(EOFError("the machine of the containers is gone"))


@dataclass
class LocalVertex:
    """What runs the graph, on one machine; `folder` is where containers live, `finished` what tasks
    put out, by name.
    """

    machine: Machine
    folder: Path
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
            "HOME": str(work / "home"),
            "TMPDIR": str(work / "tmp"),
            **{each["name"]: each["value"] for each in container.get("env", [])},
        }
        code = self.machine.run(command, work / "cwd", environment)
        self.logs[name] = (work / "log").read_text()
        output_file = executor_input["outputs"]["outputFile"]
        if code:
            words = location_of(output_file).parent / LAST_WORDS_FILE
            said = LastWords.model_validate_json(words.read()).words if words.is_present() else ""
            raise StepError(name, code, said, self.logs[name])
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
