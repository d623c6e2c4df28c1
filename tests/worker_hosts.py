"""Two machines in small: worker pools with an installation, folders and environment of their own,
and a job service in front of them.

Where the system lets us, each has a network of its own, in which this machine is one other host,
and sees neither the checkout nor the folders of tests. Elsewhere they are processes with folders of
their own, which could read this disk if somebody told them a path.
"""

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from installed import ROOT
from waiting import wait_until

_PACKAGES = ("auricle", "pipeline", "components", "schemas", "tests", "benchmarks")
_BOOT = Path(__file__).parent / "worker_boot.py"
_numbers = itertools.count()  # of hosts in this process; their networks may be there together
_LAST_NET = os.getpid() % 4096  # so that test processes side by side have addresses of their own


@dataclass
class Network:
    """A host's way to this machine; without a name they are one."""

    ours: str = "127.0.0.1"
    theirs: str = "127.0.0.1"
    name: str = ""

    def command(self, hidden: list[Path]) -> list[str]:
        """What a program is started with there, to which the folders `hidden` are empty."""
        if not self.name:
            return []
        mounts = "".join(f"mount -t tmpfs none '{folder}' && " for folder in hidden)
        return ["ip", "netns", "exec", self.name, "sh", "-c", f'{mounts} exec "$@"', "sh"]


@contextlib.contextmanager
def network(number: int) -> Iterator[Network]:
    """A network namespace joined to this machine; an unnamed one where none may be made."""
    name = f"auricle{os.getpid()}-{number}"
    block = f"10.{96 + number * 16 + _LAST_NET // 256}.{_LAST_NET % 256}"
    made = Network(f"{block}.1", f"{block}.2", name)
    inside = ["ip", "netns", "exec", name]
    here, there = f"au{os.getpid() % 100000}h{number}", f"au{os.getpid() % 100000}t{number}"
    commands = [
        ["ip", "netns", "add", name],
        ["ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", name],
        ["ip", "address", "add", f"{made.ours}/24", "dev", here],
        ["ip", "link", "set", here, "up"],
        [*inside, "ip", "address", "add", f"{made.theirs}/24", "dev", there],
        [*inside, "ip", "link", "set", there, "up"],
        [*inside, "ip", "link", "set", "lo", "up"],
        [*inside, "ip", "route", "add", "default", "via", made.ours],
    ]
    try:
        for command in commands:
            subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        made = Network()
    try:
        yield made
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


@dataclass
class Host:
    """A machine that runs a worker pool; `address` is where."""

    network: Network
    folder: Path
    address: str
    pool: subprocess.Popen

    def wait(self) -> None:
        """Returns once it answers."""
        name, _, port = self.address.partition(":")
        wait_until(lambda: _answers(name, int(port)), self.pool)

    def worker(self, name: str) -> list[int]:
        """The process id of a worker, where it is one of this pool's and lives."""
        told = f"--id={name}\0".encode()
        return [pid for pid in children(self.pool.pid) if told in _command_line(pid)]

    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text()


@contextlib.contextmanager
def host(number: int, python: Path, hidden: Path, environment: Mapping[str, str]) -> Iterator[Host]:
    """A worker pool on a host of its own that sees nothing of `hidden`, where that can be.

    `python` is an installation's; `environment` is all that its processes have besides folders.
    `{host}` in a value of it stands for this machine's address, from there.
    """
    with network(number) as net, tempfile.TemporaryDirectory(prefix=f"host{number}-") as name:
        folder = Path(name)
        for part in ("home", "tmp", "work"):
            (folder / part).mkdir()
        port = _free_port()
        given = {name: value.replace("{host}", net.ours) for name, value in environment.items()}
        own = {
            "HOME": folder / "home",
            "TMPDIR": folder / "tmp",
            "PATH": f"{python.parent}:/usr/bin:/bin",
        }
        away = [ROOT / package for package in _PACKAGES] + [hidden]
        main = [python, "-W", "ignore", "-m", "apache_beam.runners.worker.worker_pool_main"]
        boot = folder / "boot"
        boot.write_text(f"#!{python}\n{_BOOT.read_text()}")
        boot.chmod(0o700)
        options = [f"--service_port={port}", f"--container_executable={boot}"]
        with (folder / "log").open("w") as log:
            pool = subprocess.Popen(
                [*net.command(away), *main, *options],
                cwd=folder / "work",
                env={**given, **{name: str(value) for name, value in own.items()}},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield Host(net, folder, f"{net.theirs}:{port}", pool)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pool.pid, signal.SIGKILL)
            pool.wait()


@dataclass
class Cluster:
    """Two hosts and a job service; `options` are those of Beam that run a pipeline there."""

    hosts: list[Host]
    job_endpoint: str
    pools_endpoint: str
    log_file: Path
    service: subprocess.Popen

    def give_up(self) -> None:
        """Holds the bundles that are being done to take too long."""
        self.service.send_signal(signal.SIGUSR1)

    def busy(self) -> list[int]:
        """Process ids of the workers that do a bundle now."""
        log = self.log()
        left = Counter(re.findall(r"BEGUN (\w+)", log)) - Counter(re.findall(r"ENDED (\w+)", log))
        return [pid for name in left for host in self.hosts for pid in host.worker(name)]

    def retried(self) -> int:
        """How many bundles were done again."""
        return self.log().count("RETRIED")

    @property
    def options(self) -> dict[str, str]:
        return {
            "job_endpoint": self.job_endpoint,
            "environment_type": "EXTERNAL",
            "environment_config": self.pools_endpoint,
        }

    @property
    def arguments(self) -> list[str]:
        """The options as a command line."""
        named = [f"--{name}={value}" for name, value in self.options.items()]
        return ["--runner=PortableRunner", *named]

    def log(self) -> str:
        """What the job service wrote."""
        return self.log_file.read_text()


@contextlib.contextmanager
def cluster(
    folder: Path,
    python: Path,
    hidden: Path,
    environment: Mapping[str, str],
    hosts: int = 2,
) -> Iterator[Cluster]:
    """A job service in `folder` with `hosts` hosts; see `host`."""
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(host(next(_numbers), python, hidden, environment))
            for _ in range(hosts)
        ]
        ours = started[0].network.ours
        port_file, log_file = folder / "ports", folder / "job_service.log"
        with log_file.open("w") as log:
            service = subprocess.Popen(
                [
                    sys.executable,
                    "-W",
                    "ignore",
                    Path(__file__).parent / "job_service.py",
                    port_file,
                    ours,
                ]
                + [host.address for host in started],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(port_file.exists, service)
            for each in started:
                each.wait()
            job_port, pools_port = port_file.read_text().split()
            yield Cluster(started, f"{ours}:{job_port}", f"{ours}:{pools_port}", log_file, service)
        finally:
            os.killpg(service.pid, signal.SIGKILL)
            service.wait()


def children(pid: int) -> list[int]:
    """Process ids of the children of a process that lives, whichever of its threads made them."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, thread.read_text().split())
    return found


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


def _answers(address: str, port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection((address, port), timeout=1).close()
        return True
    return False
