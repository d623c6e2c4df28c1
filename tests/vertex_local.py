"""Runs a compiled pipeline as Vertex AI does: each step is its container's command, with nothing
but what the pipeline says, in a process, a folder, a home and a temporary folder of its own
(`container_server.py`).

What Vertex AI does between the steps is done here, from the PipelineJob alone: the order, the
ExecutorInput (parameters, inputs as earlier steps put them out, URIs for outputs), reading the
ExecutorOutput, giving it to those that follow, and the cache. Of a CustomJob it starts every
machine's container, told of all of them as Vertex AI does. Four things are replaced: the image, by
a folder into which the wheel was unpacked; Google's accounts, by nobody; Dataflow, by Beam's local
runner; and the time between two looks at a training.
"""

import json
import shutil
import socket
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
NOBODY = """
import google.auth
from google.auth.credentials import AnonymousCredentials
google.auth.default = lambda *_, **__: (AnonymousCredentials(), "test")
"""
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
    (folder / "image" / "sitecustomize.py").write_text(NOBODY)
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
    put out, by name. `ran` are those of the last job whose container ran: others were reused.
    """

    machine: Machine
    folder: Path
    number: str = "1234567890"  # of the project
    finished: dict[str, Json] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    cached: dict[str, Json] = field(default_factory=dict)

    def run(self, job: Json, job_id: str = "job-1") -> None:
        """Runs all tasks, as many at once as their inputs allow.

        Raises:
            StepError: one of them died; nothing that follows was started.
        """
        spec = job["pipelineSpec"]
        given = job["runtimeConfig"].get("parameterValues", {})
        tasks: Json = spec["root"]["dag"]["tasks"]
        folder = f"{job['runtimeConfig']['gcsOutputDirectory']}/{self.number}/{job_id}"
        waiting = {name: set(needs(task)) for name, task in tasks.items()}
        running: dict[Future[Json], str] = {}
        self.finished, self.ran = {}, []
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

    def train(self, job: Json) -> None:
        """Runs a CustomJob, and says how it ended as Vertex AI does: in the job itself."""
        pools = job["jobSpec"]["workerPoolSpecs"]
        sizes = [int(pool["replicaCount"]) for pool in pools]
        ports = iter(free_ports(sum(sizes)))
        addresses = [[f"127.0.0.1:{next(ports)}" for _ in range(size)] for size in sizes]
        machines = [(pool, index) for pool, size in enumerate(sizes) for index in range(size)]

        def run(pool: int, index: int) -> int:
            tf_config = _cluster(("chief", "worker"), addresses, pool, index)
            cluster_spec = _cluster(("workerpool0", "workerpool1"), addresses, pool, index)
            environment = {"TF_CONFIG": tf_config, "CLUSTER_SPEC": cluster_spec}
            container = pools[pool]["containerSpec"]
            command = [*container["command"], *container["args"]]
            return self._contain(
                f"{job['displayName']}-{pool}-{index}", container, command, environment
            )

        with ThreadPoolExecutor(len(machines)) as pool:
            codes = list(pool.map(lambda each: run(*each), machines))
        failed = [each for each, code in zip(machines, codes, strict=True) if code]
        for number, index in failed:
            words = f"The replica workerpool{number}-{index} exited with a non-zero status"
            job["error"] = {"code": 3, "message": words}
        job["state"] = "JOB_STATE_FAILED" if failed else "JOB_STATE_SUCCEEDED"

    def artifact(self, task: str, key: str) -> Json:
        """What a task put out: its `uri` and `metadata`."""
        [artifact] = self.finished[task]["artifacts"][key]["artifacts"]
        return artifact

    def _step(
        self, spec: Json, name: str, folder: str, parameters: Json
    ) -> tuple[Json, Json, list[str], str]:
        """The container of a task, its ExecutorInput, its command, and its key in the cache."""
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
        about = (
            container,
            component,
            executor_input["inputs"],
        )
        is_cached = task.get("cachingOptions", {}).get("enableCache", False)
        key = json.dumps(about, sort_keys=True) if is_cached else ""
        text = json.dumps(executor_input)
        arguments = [text if each == "{{$}}" else each for each in container.get("args", [])]
        command = [*container["command"], *map(self._on_this_machine, arguments)]
        return container, executor_input, [each for each in command if each], key

    def _value(self, given: Json, parameters: Json) -> Any:
        if "componentInputParameter" in given:
            return parameters[given["componentInputParameter"]]
        return given["runtimeValue"]["constant"]

    @staticmethod
    def _on_this_machine(argument: str) -> str:
        if argument == "--runner=DataflowRunner":
            return f"--runner={LOCAL_RUNNER}"
        return argument.replace('"poll_s":20.0', '"poll_s":0.1')

    def _run(
        self, name: str, container: Json, executor_input: Json, command: list[str], key: str
    ) -> Json:
        """What the task puts out: of its container, or of another that had the same inputs."""
        if key in self.cached:
            return self.cached[key]
        self.ran.append(name)
        code = self._contain(name, container, command)
        output_file = executor_input["outputs"]["outputFile"]
        if code:
            words = location_of(output_file).parent / LAST_WORDS_FILE
            said = LastWords.model_validate_json(words.read()).words if words.is_present() else ""
            raise StepError(name, code, said, self.logs[name])
        output: Json = json.loads(location_of(output_file).read())
        for artifact_key, planned in executor_input["outputs"]["artifacts"].items():
            [artifact] = planned["artifacts"]
            [told] = output["artifacts"][artifact_key]["artifacts"]
            assert told["name"] == artifact["name"]
            told["type"] = artifact["type"]
        if key:
            self.cached[key] = output
        return output

    def _contain(
        self, name: str, container: Json, command: list[str], told: Mapping[str, str] = {}
    ) -> int:
        """Runs one container, which leaves nothing where it was started; returns its exit code."""
        assert container.get("image") or container["imageUri"], name
        work = self.folder / name
        for each in ("cwd", "home", "tmp"):
            (work / each).mkdir(parents=True)
        environment = {
            "HOME": str(work / "home"),
            "TMPDIR": str(work / "tmp"),
            **{each["name"]: each["value"] for each in container.get("env", [])},
            **told,
        }
        code = self.machine.run(command, work / "cwd", environment)
        self.logs[name] = (work / "log").read_text()
        left = sorted(path.name for path in (work / "cwd").iterdir())
        assert left == [], f"{name} left {left} where it was started"
        shutil.rmtree(work)
        return code


def needs(task: Json) -> Iterator[str]:
    """The tasks that have to end before this one begins."""
    yield from task.get("dependentTasks", [])
    for each in task.get("inputs", {}).get("artifacts", {}).values():
        yield each["taskOutputArtifact"]["producerTask"]


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _cluster(names: tuple[str, str], addresses: list[list[str]], pool: int, index: int) -> str:
    """What a machine is told of a training: who there is, and which of them it is."""
    cluster = dict(zip(names, addresses, strict=False))
    return json.dumps({"cluster": cluster, "task": {"type": names[pool], "index": index}})
