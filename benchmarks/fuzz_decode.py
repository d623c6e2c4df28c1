"""Mutated files of every accepted codec through the decoder chain, as ingest runs it.

    python benchmarks/fuzz_decode.py [--files 1000000] [--processes 2] [--seed 1]

Every mutant is decoded in a child process of `components.subprocess_pool`, and must end as a clip
or as a reject. Prints a table by codec, and fails where one takes over 2 s, where memory grows
beyond twice the longest clip, or where the counts do not add up. A decoder that dies costs its
mutant, which is then counted under `died`. The same seed makes the same files.
"""

import argparse
import sys
import time
from collections import Counter

from mutants import KINDS, RATE, Mutants

from components.audio.limits import MAX_DURATION_S
from components.subprocess_pool import Failure, Limits, SubprocessPool

MOST_SECONDS = 2.0
MOST_BYTES = int(2 * MAX_DURATION_S * RATE * 4)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    mutants = Mutants(arguments.seed)
    limits = Limits(cpu_s=round(MOST_SECONDS), chunk_s=60.0)
    pool = SubprocessPool(mutants, arguments.processes, limits)
    started = time.monotonic()
    counts = {kind: Counter[str]() for kind in KINDS}
    slowest, least, most = dict.fromkeys(KINDS, 0.0), sys.maxsize, 0
    for number, answer in enumerate(pool.map(range(arguments.files))):
        kind = KINDS[number % len(KINDS)]
        if isinstance(answer, Failure):
            counts[kind]["died"] += 1
            print(f"mutant {number}, {kind}: {answer.detail}", file=sys.stderr)
            continue
        counts[kind][answer.reason or "good"] += 1
        slowest[kind] = max(slowest[kind], answer.seconds)
        least, most = min(least, answer.peak_bytes), max(most, answer.peak_bytes)
    pool.close()
    _print_table(counts, slowest)
    offered = sum(sum(counter.values()) for counter in counts.values())
    took = time.monotonic() - started
    print(f"\n{offered} of {arguments.files} files in {took:.0f} s; seed {arguments.seed};")
    print(f"memory grew by {(most - least) / 1e6:.1f} MB (allowed {MOST_BYTES / 1e6:.1f});")
    print(f"slowest {max(slowest.values()):.3f} s (allowed {MOST_SECONDS:g})")
    good = offered == arguments.files and max(slowest.values()) <= MOST_SECONDS
    sys.exit(not (good and most - least <= MOST_BYTES))


def _print_table(counts: dict[str, Counter[str]], slowest: dict[str, float]) -> None:
    columns = ["good", *sorted({reason for c in counts.values() for reason in c} - {"good"})]
    print(f"| | offered | {' | '.join(columns)} | slowest, ms |")
    print("|---" * (len(columns) + 3) + "|")
    for kind, counter in counts.items():
        cells = [str(counter[column]) for column in columns]
        cells = [kind, str(sum(counter.values())), *cells, f"{slowest[kind] * 1e3:.0f}"]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
