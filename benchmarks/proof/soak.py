"""Nothing grows in a service under load: ``python -m benchmarks.proof soak [--n MINUTES] [--state FILE]``.

One contact point serves in a process of its own, over real TLS. What it can take is measured first: so many queries a second
as :data:`CLIENTS` clients have answered when each begins the next at once. Then they come at :data:`LOAD` of that for ``n``
minutes, evenly, from as many clients; every fourth finds the person who is enrolled, is examined and not followed up, so that
prints are held and destroyed. Every :data:`EVERY` seconds the process is looked at from outside, in /proc and its files:

* ``memory``: resident bytes that are its own (smaps_rollup: Rss less what is shared), ``descriptors``, ``threads``;
* ``waiting``: requests that it has taken in and not answered, by its own metrics; ``behind``: seconds by which the clients
  begin later than their time, which is where a queue would be that the service refuses to hold;
* ``log``: bytes of the database's write-ahead log; ``rows``: exchanges of which it keeps the record, which must grow.

Growth of each is the median of the slopes between all pairs of looks of a piece, after :data:`WARM_UP` (Theil, 1950; Sen,
1968), in units an hour. Where the lower end of its 95 % interval (Sen's, from Kendall's variance) is above :data:`MOST`, it
grows: violation. So is a query that gets no answer.

With ``--state`` what is seen is added to a file, and all that is in it is judged: two hours may be run in pieces. Slopes are
taken within each piece alone, as each is a process of its own; a minute counts once for each piece.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from benchmarks import machine
from benchmarks.proof import Outcome
from benchmarks.proof import _serving as serving
from contact_point import delivery, main, querying
from contact_point.settings import read
from pcsc.messages import Conclusion
from tests.contact_point.parties import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.proof._serving import Watched
    from contact_point.service import Installation
    from contact_point.settings import Settings

FULL: Final = 120
"""Minutes."""

CLIENTS: Final = 4
LOAD: Final = 0.7
EVERY: Final = 5.0
WARM_UP: Final = 120.0
"""Seconds at the start of a piece that are not judged: what is loaded with the first queries of each kind."""

MOST: Final = {
    "memory": 16 * 2**20,
    "descriptors": 4.0,
    "threads": 2.0,
    "waiting": 2.0,
    "behind": 5.0,
    "log": 8 * 2**20,
}
"""What each may grow by in an hour: less than would matter in a week without a restart."""

_MATCHES: Final = 4  # one of so many
_MEASURED: Final = 30.0  # seconds of measuring what it can take
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at a time, in seconds from the start of the load."""

    at: float
    memory: float
    descriptors: float
    threads: float
    waiting: float
    behind: float
    log: float
    rows: float


@dataclass(slots=True)
class Piece:
    """One run of a service from its start to its end."""

    machine: str
    capacity: float
    """Queries a second that it can take."""
    minutes: float
    asked: int
    failed: int
    looks: list[Look] = field(default_factory=list)


def prove(n: int, told: Callable[[str], None], *, state: Path | None = None) -> Outcome:
    """Load a contact point for ``n`` minutes and judge what grew, with what ``state`` has of pieces before."""
    pieces = [] if state is None or not state.exists() else read_pieces(state)
    pieces.append(played(60.0 * n, told))
    if state is not None:
        state.write_text(json.dumps([asdict(each) for each in pieces]), encoding="utf-8")
    return judged(pieces)


def read_pieces(state: Path) -> list[Piece]:
    """Return the pieces that were written to a file."""
    found = json.loads(state.read_text(encoding="utf-8"))
    return [Piece(**{**each, "looks": [Look(**look) for look in each["looks"]]}) for each in found]


def played(
    seconds: float,
    told: Callable[[str], None],
    *,
    command: Sequence[str] = serving.SERVE,
    measured: float = _MEASURED,
    every: float = EVERY,
) -> Piece:
    """Load a contact point, served by a command, for so many seconds, and look at it."""
    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, ExitStack() as stack:
        folders = {party: Path(folder) / party for party in Party}
        serving.set_up(folders)
        serving.enrol(folders[Party.US])
        found = _telling(folders[Party.US])
        pid = stack.enter_context(serving.served(found, Path(folder) / "US.log", command))
        us = stack.enter_context(main.opened(folders[Party.US]))
        asking = [stack.enter_context(serving.asking(folders[Party.JP])) for _ in range(CLIENTS)]
        load = _Load(asking)
        capacity = load.at_once(measured)
        told(f"{capacity:.2f} queries a second with {CLIENTS} clients; now {LOAD:.0%} of that")
        looker = _Looker(pid, us, found, load)
        piece = Piece(machine.describe(), capacity, seconds / 60, 0, 0, looker.looks)
        with ThreadPoolExecutor(1) as looking:
            done = threading.Event()
            watching = looking.submit(looker.look_until, done, every, told)
            try:
                piece.asked, piece.failed = load.evenly(seconds, LOAD * capacity)
            finally:
                done.set()
            watching.result()
    return piece


def _telling(root: Path) -> Settings:
    """Let an installation tell of itself on a loopback port."""
    path = read(root).folder.installation
    path.write_text(f"{path.read_text(encoding='utf-8')}\n[operation]\nport = {free_port()}\n", encoding="utf-8")
    return read(root)


class _Load:
    """Clients that query, each in a thread of its own."""

    def __init__(self, asking: Sequence[tuple[Installation, Watched]]) -> None:
        self._asking = asking
        self.behind = 0.0

    def at_once(self, seconds: float) -> float:
        """Query for so long, each client as soon as it was answered; return the queries a second."""
        begun = time.monotonic()
        made = self._all(lambda _which, _number: time.monotonic() < begun + seconds)
        return sum(each for each, _ in made) / (time.monotonic() - begun)

    def evenly(self, seconds: float, rate: float) -> tuple[int, int]:
        """Query for so long at so many queries a second; return how many were made, and how many not answered."""
        begun, clients = time.monotonic(), len(self._asking)

        def turn(which: int, number: int) -> bool:
            at = begun + (number + which / clients) * clients / rate
            self.behind = max(0.0, time.monotonic() - at)
            time.sleep(max(0.0, at - time.monotonic()))
            return time.monotonic() < begun + seconds

        made = self._all(turn)
        return sum(each for each, _ in made), sum(failed for _, failed in made)

    def _all(self, turn: Callable[[int, int], bool]) -> list[tuple[int, int]]:
        def through(which: int) -> tuple[int, int]:
            number = failed = 0
            while turn(which, number):
                failed += not _query(self._asking[which][0], matches=(number + which) % _MATCHES == 0)
                number += 1
            for _, way in self._asking:
                way.said.clear()  # what is noted of each would be growth of ours
            return number, failed

        with ThreadPoolExecutor(len(self._asking)) as pool:
            return list(pool.map(through, range(len(self._asking))))


def _query(here: Installation, *, matches: bool) -> bool:
    """Make one query and finish with its prints; return whether it was answered."""
    clock, probe = main.clock, serving.probe(serving.ENROLLED if matches else serving.STRANGER)
    try:
        number = querying.open_query(here, [probe], serving.why(Party.JP), clock()).control_number
        if matches:
            querying.examine(here, number, Conclusion.IDENTIFICATION, "examiner", clock())
            querying.determine(here, number, will_request=False, now=clock())
    except delivery.TROUBLE:
        return False
    return True


class _Looker:
    """Looks at the process that serves."""

    def __init__(self, pid: int, us: Installation, found: Settings, load: _Load) -> None:
        self._proc = Path(f"/proc/{pid}")
        self._us = us
        self._metrics = f"http://{found.operation.host}:{found.operation.port}/metrics"
        self._log = found.folder.database.with_name(f"{found.folder.database.name}-wal")
        self._load = load
        self.looks: list[Look] = []

    def look_until(self, done: threading.Event, every: float, told: Callable[[str], None]) -> None:
        """Look every so many seconds."""
        begun = time.monotonic()
        while not done.wait(max(0.0, begun + every * len(self.looks) - time.monotonic())):
            self.looks.append(look := self._look(time.monotonic() - begun))
            if len(self.looks) % 12 == 1:
                told(
                    f"{look.at / 60:.0f} min: {look.memory / _MIB:.0f} MiB, {look.descriptors:.0f} descriptors, "
                    f"{look.threads:.0f} threads, {look.waiting:.0f} waiting, {look.behind:.1f} s behind, {look.rows:.0f} rows"
                )

    def _look(self, at: float) -> Look:
        memory = _figures(self._proc / "smaps_rollup", "Private_Clean:", "Private_Dirty:") * 1024
        log = self._log.stat().st_size if self._log.exists() else 0
        with self._us.store.reading() as tx:
            rows = sum(tx.counted().values())
        descriptors, threads = len(os.listdir(self._proc / "fd")), _figures(self._proc / "status", "Threads:")  # noqa: PTH208 - names alone
        return Look(at, memory, descriptors, threads, self._waiting(), self._load.behind, log, rows)

    def _waiting(self) -> float:
        with urllib.request.urlopen(self._metrics, timeout=60) as answer:  # noqa: S310 - our own loopback port
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith("pcsc_requests_under_way "))


def _figures(path: Path, *names: str) -> float:
    """Return the sum of the figures that these lines of a file in /proc give."""
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(names))


# What grew


def judged(pieces: Sequence[Piece], *, warm_up: float = WARM_UP, most: dict[str, float] | None = None) -> Outcome:
    """Judge what was seen in all pieces; growth that is told is an hour's."""
    most = MOST if most is None else most
    minutes, asked, failed = (sum(getattr(each, name) for each in pieces) for name in ("minutes", "asked", "failed"))
    counts: dict[str, int | float | str] = {
        "pieces": len(pieces),
        "minutes": round(minutes, 1),
        "capacity_per_second": ", ".join(f"{each.capacity:.2f}" for each in pieces),
        "queries": asked,
        "not_answered": failed,
        "rows": round(max((look.rows for each in pieces for look in each.looks), default=0)),
    }
    violations = [f"{failed} of {asked} queries were not answered"] if failed else []
    judging = [[look for look in each.looks if look.at >= warm_up] for each in pieces]
    for name, bound in most.items():
        series = [[(look.at / 3600, getattr(look, name)) for look in looks] for looks in judging]
        slope, least = growth(series)
        values = [value for some in series for _, value in some] or [0.0]
        unit, size = (" MiB", _MIB) if bound >= _MIB else ("", 1)
        counts[name] = (
            f"median {statistics.median(values) / size:.1f}{unit}, most {max(values) / size:.1f}, growth {slope / size:+.2f} "
            f"an hour, at least {least / size:+.2f}; bound {bound / size:g}"
        )
        if least > bound:
            violations.append(f"{name} grows by {slope / size:.2f}{unit} an hour; expected {bound / size:g} at most")
    return Outcome(counts, violations)


def growth(series: Sequence[Sequence[tuple[float, float]]]) -> tuple[float, float]:
    """Return the median slope between the points of each series, and the lower end of its 95 % interval.

    By Theil and Sen; the interval by Kendall's variance without ties, which is wide where there are many. No points, no growth.
    """
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for some in series for a, b in combinations(some, 2))
    if not slopes:
        return 0.0, 0.0
    variance = sum(n * (n - 1) * (2 * n + 5) / 18 for n in map(len, series))
    rank = max(0, int((len(slopes) - 1.96 * variance**0.5) / 2))
    return statistics.median(slopes), slopes[rank]
