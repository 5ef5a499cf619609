"""Searches run beside each other and beside everything else, on no more threads than their gallery was given."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import numpy as np
import pytest

from matcher import Gallery, Policy, _compiled
from matcher.synthesis import Finger, population

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from matcher.gallery import Candidate
    from matcher.template import Template

SEED: Final = 2014
PERSONS: Final = 12
ANY: Final = Policy(false_positive_identification_rate=1e9, limit=1000)
PEOPLE: Final = list(population(SEED, PERSONS))
ROOT: Final = Path(_compiled.__file__).parent.parent
DEADLINE: Final = 300.0
"""Seconds after which something hangs."""


def gallery(threads: int = 1) -> Gallery:
    made = Gallery(threads=threads)
    made.add_many((f"subject {k}", prints) for k, prints in enumerate(PEOPLE))
    return made


def probes() -> list[list[Template]]:
    """Eight searches of every kind."""
    again = [[Finger(SEED, person, position).template(1) for position in range(1, 11)] for person in range(3)]
    return [
        *again,
        again[0][:1],
        again[1][2:9:3],
        [replace(again[2][4], position=0)],
        [replace(each, position=0) for each in again[0][3:5]],
        again[1][9:],
    ]


def searches(made: Gallery) -> list[Callable[[], list[Candidate]]]:
    return [partial(made.search, probe, mask=None, policy=ANY) for probe in probes()]


def at_work() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("gallery")]


# --- the same answers


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_searches_at_the_same_time_give_what_they_give_one_after_the_other(threads: int) -> None:
    expected = [search() for search in searches(gallery())]
    assert all(expected)
    together = searches(gallery(threads))
    start = threading.Barrier(len(together))

    def begun(search: Callable[[], list[Candidate]]) -> list[Candidate]:
        start.wait(DEADLINE)
        return search()

    with ThreadPoolExecutor(len(together)) as callers:
        for _ in range(3):
            assert list(callers.map(begun, together)) == expected


def test_searches_in_the_threads_of_a_web_server_give_the_same() -> None:
    expected = [search() for search in searches(gallery())]
    found: dict[int, list[Candidate]] = {}

    async def one(number: int, search: Callable[[], list[Candidate]]) -> None:
        found[number] = await anyio.to_thread.run_sync(search)

    async def every() -> None:
        async with anyio.create_task_group() as group:
            for number, search in enumerate(searches(gallery(2))):
                group.start_soon(one, number, search)

    anyio.run(every)
    assert [found[number] for number in range(len(expected))] == expected


# --- the interpreter's lock


def _until_told(told: NDArray[np.int64], turns: NDArray[np.int64], most: int) -> bool:
    for _ in range(most):
        turns[0] += 1  # for all the compiler knows this may write to the other, so that is read in each turn
        if told[0] != 0:
            return True
    return False


@pytest.mark.parametrize("decorator", [_compiled.kernel, _compiled.bare_kernel])
def test_python_runs_in_another_thread_while_a_kernel_runs(decorator: Callable[..., Any]) -> None:
    until_told = decorator(_until_told)  # not of the package, so not kept
    assert until_told not in _compiled.every
    told, turns = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    assert not until_told(told, turns, 1)
    turns[0] = 0

    def tell() -> None:
        while turns[0] == 0:
            time.sleep(0)
        told[0] = 1

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    assert until_told(told, turns, 1 << 36)  # half a minute, if nobody can tell
    teller.join(DEADLINE)
    assert not teller.is_alive()


def test_every_kernel_releases_the_lock_and_starts_no_thread() -> None:
    assert _compiled.every
    for each in _compiled.every:
        assert each.targetoptions["nogil"], each
        assert not {"parallel", "fastmath", "forceobj"} & set(each.targetoptions), each


# --- how many threads there are


def test_all_searches_share_the_threads_of_their_gallery_and_no_others_are_started() -> None:
    before = set(threading.enumerate())
    made = gallery(3)
    together = searches(made)
    assert len(at_work()) <= 3
    with ThreadPoolExecutor(len(together)) as callers:
        list(callers.map(lambda search: search(), together * 3))
        workers = set(threading.enumerate()) - before - callers._threads
    assert workers == set(at_work())
    assert 1 <= len(workers) <= 3


def test_a_gallery_of_one_thread_searches_in_the_thread_of_its_caller() -> None:
    before = set(threading.enumerate())
    made = gallery(1)
    assert all(search() for search in searches(made))
    assert set(threading.enumerate()) <= before


def test_the_threads_end_with_their_gallery() -> None:
    made = gallery(2)
    searches(made)[0]()
    workers = at_work()
    assert workers
    del made
    gc.collect()
    for each in workers:
        each.join(DEADLINE)
        assert not each.is_alive()


def run(code: str, *arguments: str) -> Any:
    """Return what a process of its own prints, as JSON, when it has defined the above."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


BEGIN: Final = """
import contextlib, json, os, signal, sys, threading, warnings
from pathlib import Path
import numpy as np
warnings.simplefilter("error")
native = lambda: len(list(Path("/proc/self/task").iterdir())) if Path("/proc/self/task").exists() else 0
first = native()
import numba
from matcher import Gallery, Policy, compare
from matcher.synthesis import Finger, population
signal.alarm(120)  # the end of a process that hangs
ANY = Policy(false_positive_identification_rate=1e9, limit=1000)
probe = [Finger(7, 3, position).template(1) for position in (1, 2)]
made = Gallery(threads=int(sys.argv[1]))
made.add_many((str(n), prints) for n, prints in enumerate(population(7, 12)))
search = lambda: [c.subject for c in made.search(probe, mask=None, policy=ANY)][0]
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_neither_numba_nor_a_library_of_arrays_starts_threads_for_a_search(threads: int) -> None:
    code = """
found = search()
compare(*probe)
try: layer = numba.threading_layer()
except ValueError: layer = None
print(json.dumps([found, layer, native() - first]))
"""
    found, layer, more = run(code, str(threads))
    assert (found, layer) == ("3", None)
    assert more <= (0 if threads == 1 else threads)


def test_a_process_ends_though_its_gallery_has_threads_and_a_search_is_under_way() -> None:
    code = """
def again():
    with contextlib.suppress(RuntimeError):  # no thread is given work once the interpreter ends
        while True: search()
print(json.dumps(search()), flush=True)
threading.Thread(target=again, daemon=True).start()
"""
    assert run(code, "3") == "3"


# --- forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_gallery_made_before_a_fork_serves_on_both_sides(threads: int) -> None:
    code = """
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside other threads
before = search()
inner, outer = os.pipe()
child = os.fork()
if not child:
    signal.alarm(60)
    made.add("one more", probe)
    os.write(outer, json.dumps([search(), search(), len(made.subjects), threading.active_count()]).encode())
    os._exit(0)
os.close(outer)
there = json.loads(os.read(inner, 1000) or "null")
print(json.dumps([before, there, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), search(), len(made.subjects)]))
"""
    before, there, status, after, subjects = run(code, str(threads))
    assert (before, status, after, subjects) == ("3", 0, "3", 12)
    assert there[:3] == ["one more", "one more", 13]
    assert there[3] <= 1 + (threads if threads > 1 else 0)
