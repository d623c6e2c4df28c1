"""Requests, seconds and memory of a listing of very many names in a bucket, on an emulator.

    python benchmarks/bucket_listing.py [--names 100000]

The emulator is moto, in this process; the objects are put into it without requests, and what is
measured runs in a process of its own: names alone, a manifest of them, and a folder of one label
that holds them all, each with its index. Seconds are mostly those of the emulator, which looks
through all names for each page.
"""

import argparse
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

LABELS, SPEAKERS = 10, 1000
MEASURE = """\
import sys, tempfile, time
from collections import Counter
from pathlib import Path

from botocore.client import BaseClient

from components.example_gen.index_writer import write_index
from components.example_gen.sources import list_utterances
from components.storage.location import location_of
from schemas.workflow.data import Data

def peak():  # in MB, of this program alone
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6

asked, ask = Counter(), BaseClient._make_api_call

def count(client, operation, parameters):
    asked[operation] += 1
    return ask(client, operation, parameters)

BaseClient._make_api_call = count
kind, began, cpu_s = sys.argv[1], time.monotonic(), time.process_time()
before_mb = peak()
if kind == "names":
    found = sum(1 for _ in location_of("s3://many/set/yes").scan())
else:
    manifest, folder = "s3://many/set/manifest.jsonl", "s3://many/set"
    data = Data(manifests=manifest) if kind == "manifest" else Data(folder=folder)
    with tempfile.TemporaryDirectory() as scratch:
        listing = list_utterances(data, Path(scratch))
        found = len(listing.utterances)
        write_index(listing, data, Path(scratch))
peak_mb = peak()
requests = ", ".join(f"{operation} {times:,}" for operation, times in sorted(asked.items()))
print(f"| {kind} | {found:,} | {requests} | {peak_mb:.0f} ({before_mb:.0f} at the start) |"
      f" {time.process_time() - cpu_s:.1f} | {time.monotonic() - began:.0f} |")
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", type=int, default=100_000)
    names = parser.parse_args().names
    # As the store is asked for nothing else, no key is looked for elsewhere.
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    _fill(names)
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    print(
        "| what | found | requests | peak, MB | CPU, s | s |\n|---|---|---|---|---|---|", flush=True
    )
    for kind in ("manifest", "folder", "names"):
        command = [sys.executable, "-W", "ignore", "-c", MEASURE, kind]
        subprocess.run(command, check=True, env=environment)
    server.stop()


def _fill(names: int) -> None:
    from moto.s3.models import s3_backends

    backend = s3_backends["123456789012"]["aws"]
    backend.create_bucket("many", "us-east-1")
    manifest = io.StringIO()
    for number in range(names):
        backend.put_object("many", f"set/yes/{number:07d}.wav", b"RIFF%d" % number)
        row = {"audio_filepath": f"yes/{number:07d}.wav", "label": f"w{number % LABELS}"}
        manifest.write(json.dumps(row | {"speaker": f"s{number % SPEAKERS}"}) + "\n")
    backend.put_object("many", "set/manifest.jsonl", manifest.getvalue().encode())


if __name__ == "__main__":
    main()
