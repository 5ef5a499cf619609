"""One run of many damaged files: worker processes, each file within its limits, and what came of it.

The files of a target have numbers, and number and seed give the same file again, so that nobody has to send files about. A
worker is a forked process that takes stretches of numbers. Before each file it winds up two clocks whose ringing ends a
process at once, whatever it is in: 2 seconds of CPU time, and a minute. Memory is limited too. So a worker that is gone has
met its end at the file whose number it last wrote down, which is a finding, and another worker goes on behind it. What
stays with the parent: dealing out, counting, and running the file of a finding again, each time in a process of its own, to
make it small.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import mmap
import os
import random
import resource
import signal
import struct
import sys
import time
import traceback
from collections import Counter, deque
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from select import select
from typing import IO, TYPE_CHECKING, Any, Final

from matcher.jail import Jail
from tests.fuzz import seeds
from tests.fuzz.mutate import Seed, mutated
from tests.fuzz.targets import KILLED, MODULES, TARGETS, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CPU_SECONDS: Final = 2.0
WALL_SECONDS: Final = 60.0
MEMORY: Final = 512 << 20
"""Bytes that a worker may take beyond what it has when it starts; the jail's children have a limit of their own."""

_STRETCH: Final = 250
_ROOT: Final = str(Path(__file__).parents[2])
_NUMBER: Final = struct.Struct("<q")
_NO_FILE: Final = -1
_NO_MORE: Final = "\n"  # said, since the end of a pipe is not seen while a later worker holds it too
_LONGEST_TEXT: Final = 4_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What should not have been: in which target, at which of its files, what, where in the code, and the whole story."""

    target: str
    number: int
    what: str
    where: str
    text: str

    @property
    def same(self) -> tuple[str, str, str]:
        """What two findings have in common that are one."""
        return self.target, self.what, self.where


@dataclass(slots=True)
class Tally:
    """What came of a target's files: outcomes by name, the slowest in CPU milliseconds with its number, and findings.

    ``killed`` has the number of the first file at which a jailed child was killed, for each way of being killed.
    """

    files: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, 0)
    findings: list[Finding] = field(default_factory=list)
    killed: dict[str, int] = field(default_factory=dict)
    cpu_seconds: float = 0.0

    def add(self, other: Tally) -> None:
        """Count another stretch in."""
        self.files += other.files
        self.outcomes += other.outcomes
        self.slowest = max(self.slowest, other.slowest)
        self.findings += other.findings
        self.killed = other.killed | self.killed
        self.cpu_seconds += other.cpu_seconds


@dataclass(frozen=True, slots=True)
class Stretch:
    """Files of a target by their numbers."""

    target: str
    begin: int
    end: int


def file_of(target: Target, seed: int, number: int) -> bytes:
    """Return the file of that number; the same on every machine that has the same seeds to begin with."""
    rng = random.Random(f"{seed}/{target.name}/{number}")  # noqa: S311 - to be repeated, not to be secret
    kind = rng.choice(target.kinds)
    return mutated(kind, sound_files(kind), rng)


@cache
def sound_files(kind: str) -> tuple[Seed, ...]:
    """Return what the files of a format are made from."""
    return tuple(Seed.of(kind, data) for data in seeds.all_of(kind))


def run(files: int, *, seed: int, jobs: int, targets: Mapping[str, Target] = TARGETS) -> dict[str, Tally]:
    """Run so many files over the targets, by their shares; return what came of each target's.

    The files are the same whatever the number of jobs.
    """
    total = sum(target.share for target in targets.values())
    stretches: deque[Stretch] = deque()
    for name, target in targets.items():
        for kind in target.kinds:
            sound_files(kind)  # before the fork, for all workers
        count = -(-files * target.share // total)
        stretches.extend(Stretch(name, begin, min(begin + _STRETCH, count)) for begin in range(0, count, _STRETCH))
    tallies = {name: Tally() for name in targets}
    for name, tally in _worked(stretches, targets, seed, jobs):
        tallies[name].add(tally)
    return tallies


# --- the parent: workers and what they bring ---------------------------------------------------------------------------


def _worked(
    stretches: deque[Stretch], targets: Mapping[str, Target], seed: int, jobs: int
) -> Iterator[tuple[str, Tally]]:
    """Yield what came of each stretch, with so many workers."""
    workers: dict[int, _Worker] = {}
    try:
        while stretches or workers:
            while stretches and len(workers) < jobs:
                worker = _Worker(targets, seed)
                worker.take(stretches.popleft())
                workers[worker.results.fileno()] = worker
            for ready in select(workers, [], [])[0]:
                worker = workers[ready]
                line = worker.results.readline()
                if line:
                    yield worker.stretch.target, _tally(json.loads(line))
                else:
                    del workers[ready]
                    yield from _buried(worker, stretches)
                    continue
                if stretches:
                    worker.take(stretches.popleft())
                else:
                    del workers[ready]
                    worker.end()
    finally:
        for worker in workers.values():
            os.kill(worker.pid, signal.SIGKILL)
            worker.end()


def _buried(worker: _Worker, stretches: deque[Stretch]) -> Iterator[tuple[str, Tally]]:
    """Say what a worker died at, and have the rest of its stretch done by others."""
    status = worker.end()
    number = worker.number
    stretch = worker.stretch
    if number == _NO_FILE or os.WIFEXITED(status):
        raise RuntimeError(f"a worker failed by itself, not by a file, amid {stretch}; it wrote why")
    finding = Finding(stretch.target, number, f"death: {_died_of(status)}", "", "")
    # What came of the files before it is lost with the worker; they are done again.
    stretches.extend(
        part
        for part in (Stretch(stretch.target, stretch.begin, number), Stretch(stretch.target, number + 1, stretch.end))
        if part.begin < part.end
    )
    yield stretch.target, Tally(files=1, outcomes=Counter({"death": 1}), findings=[finding])


def _tally(told: dict[str, Any]) -> Tally:
    findings = [Finding(**each) for each in told["findings"]]
    slowest = (float(told["slowest"][0]), int(told["slowest"][1]))
    return Tally(told["files"], Counter(told["outcomes"]), slowest, findings, told["killed"], told["cpu_seconds"])


def _died_of(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    reasons = {
        -signal.SIGPROF: f"more than {CPU_SECONDS:g} seconds of CPU time",
        -signal.SIGALRM: f"more than {WALL_SECONDS:g} seconds",
    }
    return reasons.get(code, signal.Signals(-code).name if code < 0 else f"exit status {code}")


class _Worker:
    """A forked process, the pipe by which it is told stretches, the one by which it tells what came, and its last number."""

    def __init__(self, targets: Mapping[str, Target], seed: int) -> None:
        self.stretch = Stretch("", 0, 0)
        self._at = mmap.mmap(-1, _NUMBER.size)
        self._at[:] = _NUMBER.pack(_NO_FILE)
        told, tell = os.pipe()
        result, say = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(tell)
            os.close(result)
            _work(os.fdopen(told), os.fdopen(say, "w"), self._at, targets, seed)  # never returns
        os.close(told)
        os.close(say)
        self._orders = os.fdopen(tell, "w")
        self.results = os.fdopen(result)

    @property
    def number(self) -> int:
        """The number of the file that it is at, or was last."""
        number: int = _NUMBER.unpack(self._at[:])[0]
        return number

    def take(self, stretch: Stretch) -> None:
        """Have it do a stretch."""
        self.stretch = stretch
        self._at[:] = _NUMBER.pack(_NO_FILE)
        self._orders.write(json.dumps(asdict(stretch)) + "\n")
        self._orders.flush()

    def end(self) -> int:
        """Wait for its end, which comes when it is told no more; return its status."""
        with contextlib.suppress(BrokenPipeError):  # it is gone already
            self._orders.write(_NO_MORE)
            self._orders.close()
        self.results.close()
        return os.waitpid(self.pid, 0)[1]


# --- the worker --------------------------------------------------------------------------------------------------------


def _work(orders: IO[str], results: IO[str], at: mmap.mmap, targets: Mapping[str, Target], seed: int) -> None:
    """Do stretches until there are no more, then end the process."""
    status = 1
    try:
        confine()
        place = Jail(places=1, warm=2, modules=MODULES)
        for line in iter(orders.readline, _NO_MORE):
            stretch = Stretch(**json.loads(line))
            tally = _done(targets[stretch.target], stretch, at, seed, place)
            told = {**asdict(replace(tally, outcomes=Counter())), "outcomes": dict(tally.outcomes)}
            results.write(json.dumps(told) + "\n")
            results.flush()
        place.close()
        status = 0
    except BaseException:  # noqa: BLE001 - the process ends here, whatever it is
        traceback.print_exc()
    finally:
        os._exit(status)


def confine() -> None:
    """Limit this process's memory, and let it die without a core or a word."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    for clock in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(clock, signal.SIG_DFL)  # which is to end the process


def _done(target: Target, stretch: Stretch, at: mmap.mmap, seed: int, place: Jail) -> Tally:
    """Do one stretch."""
    tally = Tally()
    for number in range(stretch.begin, stretch.end):
        at[:] = _NUMBER.pack(number)
        data = file_of(target, seed, number)
        before = place.spent() if target.jailed else 0.0
        begun = time.process_time()
        outcome, finding = guarded(target, number, data, place)
        spent = time.process_time() - begun + (place.spent() - before if target.jailed else 0.0)
        tally.files += 1
        tally.outcomes[outcome] += 1
        tally.cpu_seconds += spent
        tally.slowest = max(tally.slowest, (spent * 1000, number))
        if outcome.startswith(KILLED):
            tally.killed.setdefault(outcome, number)
        if finding:
            tally.findings.append(finding)
    return tally


def guarded(target: Target, number: int, data: bytes, place: Jail) -> tuple[str, Finding | None]:
    """Give a file to a target with the clocks wound up; return how it is counted, and what was found."""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        return target.outcome(data, place), None
    except BaseException as error:  # noqa: BLE001 - to find those that nobody thought of, SystemExit among them
        return "finding", _finding(target.name, number, error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _finding(target: str, number: int, error: BaseException) -> Finding:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_ROOT) and ".venv" not in frame.filename]
    last = ours[-1] if ours else frames[-1]
    where = f"{last.filename.removeprefix(_ROOT + '/')}:{last.lineno}"
    text = "".join(traceback.format_exception(error))
    return Finding(target, number, type(error).__name__, where, text[-_LONGEST_TEXT:])


# --- what was found, made small ------------------------------------------------------------------------------------------


def again(target: Target, data: bytes) -> Finding | None:
    """Give a file to a target once more, in a process of its own; return what is found."""
    result, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(result)
        _say_again(target, data, say)  # never returns
    os.close(say)
    with os.fdopen(result, "rb") as told:
        answer = told.read()
    status = os.waitpid(pid, 0)[1]
    if status:
        return Finding(target.name, 0, f"death: {_died_of(status)}", "", "")
    content = json.loads(answer)
    return Finding(**content) if content else None


def _say_again(target: Target, data: bytes, say: int) -> None:
    status = 1
    try:
        confine()
        place = Jail(places=1, warm=1, modules=MODULES)
        _, finding = guarded(target, 0, data, place)
        place.close()
        os.write(say, json.dumps(asdict(finding) if finding else None).encode())
        status = 0
    finally:
        os._exit(status)


def smallest(target: Target, data: bytes, finding: Finding, *, tries: int = 300) -> bytes:
    """Return the file with as much left out as can be for the same finding: halves, quarters and so on to single bytes."""
    if finding.what.startswith("death"):
        tries //= 10  # each of them may take seconds
    size = len(data) // 2
    while size and tries > 0:
        at = 0
        while at < len(data) and tries > 0:
            shorter = data[:at] + data[at + size :]
            tries -= 1
            found = again(target, shorter)
            if found is not None and found.same == finding.same:
                data = shorter
            else:
                at += size
        size //= 2
    return data
