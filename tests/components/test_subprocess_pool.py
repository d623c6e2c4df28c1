import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from planted import decoder, decoder_of_many, no_function
from waiting import wait_for_end

from components.subprocess_pool import Failure, Limits, SubprocessPool
from schemas.errors import AuricleError

_TEXT = {"capture_output": True, "text": True, "check": True}


@pytest.fixture
def pools():
    made = []

    def make(function=decoder, processes=1, many=None, **limits):
        made.append(SubprocessPool(function, processes, Limits(**limits), many))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


@pytest.mark.parametrize("processes", [1, 3])
def test_results_come_in_the_order_of_the_items(pools, processes):
    pool = pools(processes=processes)
    for count in (0, 1, 16, 17, 1000):
        assert list(pool.map(range(count))) == list(range(count))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_crash_costs_its_item_only(pools, processes):
    items = list(range(100))
    for place in (0, 37, 38, 99):
        items[place] = "crash"
    died = Failure("the decoder died of SIGSEGV")
    expected = [died if item == "crash" else item for item in items]
    assert list(pools(processes=processes).map(items)) == expected


def test_endless_loops_and_waits_and_too_much_memory_cost_their_item_only(pools):
    limits = {"cpu_s": 1, "memory_bytes": 1 << 30}
    answers = list(pools(**limits).map([1, "hang", 2, "swell", 3]))
    hung = Failure("took more than 1 s of CPU")
    swelled = Failure("needs more than 1024 MiB of memory")
    assert answers == [1, hung, 2, swelled, 3]
    waited = Failure("took longer than 2 s")
    assert list(pools(chunk_s=2.0).map([3, "sleep", 4])) == [3, waited, 4]


def test_a_child_killed_by_mistake_costs_nothing(pools):
    pool = pools()
    answers = pool.map(range(1000))
    first = list(itertools.islice(answers, 3))
    [child] = _children()
    os.kill(child, signal.SIGKILL)
    assert first + list(answers) == list(range(1000))


def _children():
    listed = subprocess.run(["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())], **_TEXT)
    return [
        int(line.split()[0]) for line in listed.stdout.splitlines() if "subprocess_pool" in line
    ]


def test_a_child_is_replaced_before_its_leaks_add_up(pools, monkeypatch):
    monkeypatch.setattr("components.subprocess_pool._MOST_ITEMS", 50)
    processes = set()
    pool = pools(processes=2)
    for number, answer in enumerate(pool.map(range(300))):
        assert answer == number
        processes.update(_children())
    assert len(processes) >= 4


def test_what_the_function_raises_is_raised(pools):
    with pytest.raises(AuricleError, match="ValueError: planted"):
        list(pools().map(["raise"]))


def test_a_child_that_cannot_start_is_a_fault_that_says_why(pools):
    with pytest.raises(AuricleError, match="ZeroDivisionError"):
        list(pools(no_function()).map([1]))


def test_items_are_taken_little_by_little(pools):
    taken = []
    answers = pools().map(taken.append(n) or n for n in range(10_000))
    assert next(answers) == 0
    assert len(taken) < 200


def test_items_and_results_may_be_large(pools):
    items = [bytes([n]) * 100_000 for n in range(100)]
    assert list(pools().map(items)) == items


def test_arrays_come_as_they_were_and_may_be_changed(pools):
    items = [np.full((100, n), n, np.float32) for n in range(1, 300)]
    for item, answer in zip(items, pools(np.copy).map(items), strict=True):
        np.testing.assert_array_equal(answer, item)
        answer += 1


def test_of_many_items_at_once_each_costs_itself_only(pools):
    items = ["ab" * 1000 * n for n in range(150)]
    items[5], items[70] = "crash", "swell"
    pool = pools(decoder_of_many, many=64, memory_bytes=1 << 30)
    answers = list(pool.map(items))
    failures = {n: answer.detail for n, answer in enumerate(answers) if isinstance(answer, Failure)}
    assert failures == {
        5: "the decoder died of SIGSEGV",
        70: "needs more than 1024 MiB of memory",
    }
    for n, answer in enumerate(answers):
        assert n in failures or bytes(answer) == items[n].encode()


def test_what_was_asked_for_in_vain_is_not_answered_to_the_next(pools):
    pool = pools()
    next(pool.map(range(100)))
    assert list(pool.map("abc")) == ["a", "b", "c"]


def test_children_end_with_their_parent():
    program = (
        "import os, signal, subprocess\n"
        "from planted import decoder\n"
        "from components.subprocess_pool import SubprocessPool\n"
        "answers = SubprocessPool(decoder).map(range(1000))\n"
        "next(answers)\n"
        "subprocess.run(['ps', '-ww', '-o', 'pid=,args=', '--ppid', str(os.getpid())])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    parent = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    [child] = [line for line in parent.stdout.splitlines() if "subprocess_pool" in line]
    wait_for_end(int(child.split()[0]))


def test_a_folder_of_the_same_name_where_one_works_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("components", "pipeline", "schemas"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(filter(None, sys.path)))
    pool: SubprocessPool[int, int] = SubprocessPool(abs)
    try:
        assert list(pool.map([-1, 2])) == [1, 2]
    finally:
        pool.close()
