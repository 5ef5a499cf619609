"""Ten times as many queries as can be answered: ``python -m benchmarks.proof overload [--n 60]``.

The US contact point serves as `pcsc serve` does, on one half of the cores; its callers, on the other half, ask as the JP one
over real TLS: queries that find nobody, each with a number, salt, nonce and signature of its own, made before they are due.

1. ``unloaded``: one connection, one query after the other.
2. ``capacity``: the most that are answered a second in a closed loop, of some numbers of connections. Both are measured again
   after the load, and the mean counts: a machine that others use is not the same all the time.
3. For ``n`` seconds ten times the capacity is due, at a steady rate, whatever becomes of those before.

Violations: fewer than 80 % of the capacity are answered; the 99th percentile of those answered is over three times the unloaded
one; that of those sent away over 100 ms; anything but 200 and 503 with a Retry-After of a second or more; the serving process
grew by more than 64 MB.

``goodput_by_cpu`` holds answers to answers of the closed loop for the same CPU time of the service: what the load would leave
of the capacity were nobody else on the machine. ``cpu_share`` is what of a core the service got in each phase, and
``callers_late_p99_s`` how late the callers themselves were, for want of a core: that is in no other time.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from benchmarks.proof import Outcome
from benchmarks.proof import _load as load
from benchmarks.proof import _serving as serving
from benchmarks.proof._load import Heard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.proof._load import Callers

FULL: Final = 60  # seconds

TIMES: Final = 10
GOODPUT: Final = 0.8
SLOWER: Final = 3.0
REFUSED_WITHIN: Final = 0.1  # seconds
GROWTH: Final = 64_000_000  # bytes

_CONNECTIONS: Final = 64
_CLOSED: Final = (2, 3, 4)
_SHARE: Final = 4  # of the seconds of the load: how long each of the others is measured


def prove(n: int, told: Callable[[str], None]) -> Outcome:
    """Ask for ``n`` seconds for ten times as much as can be answered."""
    return proved(n, told)


def proved(n: int, told: Callable[[str], None], *, command: Sequence[str] = serving.SERVE) -> Outcome:
    """Do as :func:`prove` does, with the US contact point served by another command."""
    ours, theirs = load.halves()
    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, ExitStack() as stack:
        folders = {party: Path(folder) / party for party in Party}
        serving.set_up(folders)
        found = serving.enrol(folders[Party.US])
        with load.on(ours):
            pid = stack.enter_context(serving.served(found, Path(folder) / "US.log", command))
        callers = stack.enter_context(load.Callers(folders[Party.JP], len(theirs), theirs))
        return _Loaded(pid, callers, n, told).outcome()


@dataclass(frozen=True, slots=True)
class _Measured:
    """What came of one phase; ``cpu`` is what the service took in it."""

    heard: list[Heard]
    seconds: float
    cpu: float

    @property
    def answered(self) -> list[Heard]:
        return [each for each in self.heard if each.status == 200]

    @property
    def refused(self) -> list[Heard]:
        return [each for each in self.heard if each.status == 503]

    @property
    def rate(self) -> float:
        return len(self.answered) / self.seconds

    @property
    def by_cpu(self) -> float:
        return len(self.answered) / max(self.cpu, 1e-9)


class _Loaded:
    """One service, measured without load, under it, and after it."""

    def __init__(self, pid: int, callers: Callers, n: int, told: Callable[[str], None]) -> None:
        self._pid = pid
        self._callers = callers
        self._n = n
        self._told = told

    def _closed(self, connections: int) -> _Measured:
        seconds = max(1.0, self._n / _SHARE)
        return self._measured(seconds, lambda: self._callers.closed(seconds, connections))

    def _measured(self, seconds: float, ask: Callable[[], list[Heard]]) -> _Measured:
        before = sum(load.taken(self._pid))
        heard = ask()
        found = _Measured(heard, seconds, sum(load.taken(self._pid)) - before)
        self._told(f"{len(found.answered)} answered and {len(found.refused)} sent away in {seconds:g} s")
        return found

    def outcome(self) -> Outcome:
        """Measure, and hold it to what is promised."""
        self._closed(2)  # what the first ones load is no part of what is measured
        alone = [self._closed(1)]
        tried = {connections: self._closed(connections) for connections in _CLOSED}
        best = max(tried, key=lambda each: tried[each].rate)
        offered = TIMES * tried[best].rate
        with _memory(self._pid) as grown:
            loaded = self._measured(self._n, lambda: self._callers.open(self._n, offered, _CONNECTIONS))
        full = [tried[best], self._closed(best)]
        alone.append(self._closed(1))
        return self._held(alone, full, loaded, max(grown), offered)

    def _held(
        self, alone: Sequence[_Measured], full: Sequence[_Measured], loaded: _Measured, grown: int, offered: float
    ) -> Outcome:
        capacity = sum(each.rate for each in full) / len(full)
        by_cpu = sum(len(each.answered) for each in full) / max(1e-9, sum(each.cpu for each in full))
        unloaded = sum(_p99(each.answered) for each in alone) / len(alone)
        p99, away = _p99(loaded.answered), _p99(loaded.refused)
        others = [each for each in loaded.heard if each.status not in {200, 503}]
        timeless = [
            each for each in loaded.refused if not (each.retry_after.isdecimal() and int(each.retry_after) >= 1)
        ]
        goodput = loaded.rate / max(capacity, 1e-9)
        violations = [
            said
            for wrong, said in (
                (goodput < GOODPUT, f"{goodput:.0%} of the capacity were answered; expected {GOODPUT:.0%}"),
                (
                    p99 > SLOWER * unloaded,
                    f"the answers took {p99:.3f} s (p99), {p99 / unloaded:.1f} times the unloaded",
                ),
                (away > REFUSED_WITHIN, f"refusals took {away:.3f} s (p99); expected {REFUSED_WITHIN} s"),
                (bool(others), f"{len(others)} came out otherwise: {sorted({each.status for each in others})}"),
                (bool(timeless), f"{len(timeless)} were sent away without a time"),
                (grown > GROWTH, f"the service grew by {grown / 1e6:.0f} MB; expected {GROWTH / 1e6:g} MB"),
            )
            if wrong
        ]
        counts: dict[str, int | float | str] = {
            "capacity_per_second": round(capacity, 1),
            "offered_per_second": round(offered, 1),
            "answered": len(loaded.answered),
            "sent_away": len(loaded.refused),
            "others": len(others),
            "without_a_time": len(timeless),
            "goodput": round(goodput, 2),
            "goodput_by_cpu": round(loaded.by_cpu / max(by_cpu, 1e-9), 2),
            "unloaded_p99_s": round(unloaded, 3),
            "answered_p99_s": round(p99, 3),
            "slower": round(p99 / unloaded, 2),
            "sent_away_p50_s": round(load.quantile((each.seconds for each in loaded.refused), 0.5), 3),
            "sent_away_p99_s": round(away, 3),
            "callers_late_p99_s": round(load.quantile((each.late for each in loaded.heard), 0.99), 3),
            "grown_mb": round(grown / 1e6, 1),
            "cpu_share": ", ".join(f"{each.cpu / each.seconds:.2f}" for each in (*alone, *full, loaded)),
            "load_average": f"{os.getloadavg()[0]:.1f}",
        }
        return Outcome(counts, violations)


def _p99(heard: Sequence[Heard]) -> float:
    return load.quantile((each.seconds for each in heard), 0.99)


@contextmanager
def _memory(pid: int) -> Iterator[list[int]]:
    """Note by how much a process has grown since the block began, several times a second."""
    began, grown, stop = load.resident(pid), [0], threading.Event()

    def note() -> None:
        while not stop.wait(0.25):
            grown.append(load.resident(pid) - began)

    noting = threading.Thread(target=note)
    noting.start()
    try:
        yield grown
        time.sleep(0.5)
    finally:
        stop.set()
        noting.join()
