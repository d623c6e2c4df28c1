"""Accuracy in noise and under other conditions, of speakers and noises that training never heard.

    python benchmarks/robustness.py ../shared/data/arabic_commands/manifest.jsonl results.jsonl \\
        --speakers 6/2/2 --noise everyday=../shared/data/esc10/clips \\
        machines=../shared/data/background_noise/clips [--train-noise everyday machines]

Trainings are those of `architectures.py`, with the same options. Each model then answers the test
clips as they are, and under each condition; noise is mixed in once of each folder of `--noise`, of
the part that a run would keep for the test. Without `--train-noise` training hears generated noise
alone, with it also the part that a run would train with. A result is a line of RESULTS.
"""

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from architectures import (
    accuracy,
    blocks_of,
    folds,
    ingest,
    limit_threads,
    make_training_parser,
    read_clips,
    train,
    write,
)

SNRS_DB = (20, 10, 5, 0)
OTHERS = ("room", "shift", "quiet", "telephone", "clipped")


def main() -> None:
    parser = make_training_parser()
    parser.add_argument("--noise", nargs="+", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--train-noise", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--name", default="defaults", help="of these settings, in the table")
    arguments = parser.parse_args()
    if not arguments.table:
        limit_threads(arguments.threads)
        _run(arguments)
    _print_table(arguments.results)


def _run(arguments: argparse.Namespace) -> None:
    noises = {name: _listed(folder) for name, folder in (n.split("=") for n in arguments.noise)}
    rate = arguments.sample_rate
    with tempfile.TemporaryDirectory() as scratch:
        examples = ingest(arguments.manifest, rate, Path(scratch))
        for seed in arguments.seeds:
            for number, (_, split) in enumerate(folds(examples, arguments.speakers)):
                files = write(split, Path(scratch) / f"fold{number}")
                for architecture in arguments.architectures:
                    blocks = blocks_of(architecture, arguments)
                    heard = [each for name in arguments.train_noise for each in noises[name]]
                    listed = _write_list(heard, Path(scratch))
                    model, labels, result = train(architecture, blocks, files, seed, listed)
                    clips = [clip for file in files["test"] for clip in read_clips(file)]
                    result["conditions"] = _judge(model, labels, clips, noises, rate)
                    line = {"name": arguments.name, "settings": arguments.set, **result}
                    with arguments.results.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    print(json.dumps(line), flush=True)


def _listed(folder: str) -> list[Any]:
    from components.audio.probe import probe
    from components.storage.contents import digest_files
    from schemas.background import BackgroundRecording

    files = sorted(str(file) for file in Path(folder).iterdir())
    digests = digest_files(files)
    return [
        BackgroundRecording(
            name=Path(file).name, path=file, length_s=header.duration_s, sha256=digests[file]
        )
        for file, header in zip(files, probe(files), strict=True)
        if not isinstance(header, str)
    ]


def _write_list(recordings: list[Any], folder: Path) -> str:
    from schemas.background import BACKGROUND_LIST

    if not recordings:
        return ""
    (folder / "noise.json").write_bytes(BACKGROUND_LIST.dump_json(recordings))
    return str(folder / "noise.json")


def _judge(
    model: Any,
    labels: list[str],
    clips: list[tuple[str, str, Any]],
    noises: dict[str, list[Any]],
    rate: int,
) -> dict[str, float]:
    from components.audio.conditions import Conditions
    from components.audio.noise_recordings import read_noises

    sets = {name: read_noises(each, "test", 4 * rate, rate, 64) for name, each in noises.items()}
    wanted = [("", name, Conditions(rate)) for name in OTHERS]
    wanted += [
        (f"{name} ", f"noise_{snr_db}db", Conditions(rate, sounds))
        for name, sounds in {"generated": None, **sets}.items()
        for snr_db in SNRS_DB
    ]
    found = {"clean": accuracy(model, labels, clips)}
    for prefix, name, conditions in wanted:
        heard = [(i, label, conditions.apply(name, clip, i)) for i, label, clip in clips]
        found[f"{prefix}{name}"] = accuracy(model, labels, heard)
    return found


def _print_table(path: Path) -> None:
    results = [json.loads(line) for line in path.read_text().splitlines()]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        groups[result["name"], result["architecture"]].append(result)
    names = list(results[0]["conditions"])
    heads = [f"{name} {architecture}" for name, architecture in groups]
    print(f"| accuracy, percent | {' | '.join(heads)} |\n|---" + "|---" * len(heads) + "|")
    for name in names:
        cells = []
        for found in groups.values():
            values = [
                100 * each["conditions"][name] for each in found if name in each["conditions"]
            ]
            cells.append(f"{statistics.mean(values):.1f}" if values else "-")
            if len(values) > 1:
                cells[-1] += f" ({min(values):.1f} - {max(values):.1f})"
        print(f"| {name} | {' | '.join(cells)} |")
    for key in ("parameters", "seconds", "epochs"):
        means = [statistics.mean(each[key] for each in found) for found in groups.values()]
        print(f"| {key} | {' | '.join(f'{mean:,.0f}' for mean in means)} |")


if __name__ == "__main__":
    main()
