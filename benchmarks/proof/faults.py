"""Faults under load lose nothing that was acknowledged: ``python -m benchmarks.proof faults [--n 20]``.

:data:`CLIENTS` clients of the JP contact point query the US one over real TLS, one query after the other, sent again until it
is answered; every other one finds the person who is enrolled, is examined and not followed up, so that its prints are to be
destroyed on both sides. Meanwhile befall the US contact point, one after the other, with :data:`BETWEEN` seconds in between:

* on SQLite, its own small file system is full for :data:`LASTS` seconds, ``n`` / 4 times;
* on PostgreSQL, its server is restarted ``n`` times: in order, and as if it had crashed, in turn;
* a failover: the PostgreSQL server crashes for good, its standby (pg_basebackup, synchronous replication) is promoted, and the
  address of the database leads to that one.

Then the last queries are finished, the service is stopped, the contact point is opened as at a start, both records are read:

* ``acknowledged``: answers that JP got. ``lost``, ``double``: queries that either record lacks, or their answer, or has more
  than once; a match without its determination. Violation, as is a record that does not verify, or two that disagree.
* ``prints_left``: keys and rows of what no exchange permits any more, keys that no row names, and prints whose destruction is
  in no entry. Violation.
* ``unavailable_max_s``: the longest time from the end of a fault (there is room again, the server answers again) to the last
  refusal of a request of the load. More than :data:`HEALS`: violation. ``answered_after_max_s``: to the first answer.

``refused`` are the requests that got 503 or no answer at all: those are sent again. A 4xx or 500 is a violation.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from benchmarks.proof import Outcome, _stored
from benchmarks.proof import _serving as serving
from contact_point import delivery, disposal, main, querying, wire
from contact_point.store import StoreError
from pcsc.duties import Content
from pcsc.exchange import State
from pcsc.messages import Conclusion
from pcsc.records import Direction
from tests.contact_point import faults
from tests.contact_point.faults import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.proof._serving import Said, Watched
    from contact_point.service import Installation

FULL: Final = 20
"""Restarts of PostgreSQL."""

CLIENTS: Final = 4
HEALS: Final = 5.0
"""Seconds from the end of a fault until nothing is refused any more."""

LASTS: Final = 3.0
"""Seconds for which a disk stays full."""

BETWEEN: Final = 4.0
"""Seconds of load between two faults."""

_MEGABYTES: Final = 64
_PAUSE: Final = 0.1  # seconds before a message is sent again
_GIVE_UP: Final = 120.0  # seconds after the last fault until what is not answered counts as lost
_FULL_FOR: Final = 4  # restarts to one full disk
_ANSWERS: Final = {State.NO_MATCH: "no match", State.NO_REQUEST: "match"}

Fault = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Befallen:
    """A fault that was there between two readings of the monotonic clock."""

    name: str
    began: float
    ended: float


@dataclass(slots=True)
class Tally:
    """What was counted of one kind of fault; times in seconds, the longest of each."""

    times: int = 0
    refused: int = 0
    lasted: float = 0.0
    unavailable: float = 0.0
    answered: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.times} times, for {self.lasted:.1f} s at most, {self.refused} requests refused, the last "
            f"{self.unavailable:.1f} s after, first answered {self.answered:.1f} s after"
        )


def prove(n: int, told: Callable[[str], None]) -> Outcome:
    """Let faults befall a contact point under load: ``n`` restarts of its server, and the rest in proportion."""
    return proved(n, told)


def proved(
    n: int,
    told: Callable[[str], None],
    *,
    command: Sequence[str] = serving.SERVE,
    kinds: Sequence[str] = ("disk", "restart", "failover"),
    between: float = BETWEEN,
) -> Outcome:
    """Do as :func:`prove` does, with the US contact point served by another command, or only some kinds of fault."""
    account = Account(told)
    with serving.unlogged():
        if "disk" in kinds:
            _left_out(account, "disk", lambda: _disk(account, -(-n // _FULL_FOR), command, between))
        if {"restart", "failover"} & set(kinds):
            restarts = n if "restart" in kinds else 0
            over = "failover" in kinds
            _left_out(account, "PostgreSQL", lambda: _server(account, restarts, command, between, failover=over))
    return account.outcome()


def _left_out(account: Account, name: str, session: Callable[[], None]) -> None:
    try:
        session()
    except Unavailable as reason:
        account.left_out[name] = str(reason)


def _disk(account: Account, times: int, command: Sequence[str], between: float) -> None:
    """Fill the disk of a contact point whose database is a file on it, and make room again."""

    @contextlib.contextmanager
    def full(disk: Path) -> Iterator[None]:
        with faults.full(disk):
            time.sleep(LASTS)
            yield

    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, ExitStack() as stack:
        disk = stack.enter_context(faults.small_disk(Path(folder) / "disk", _MEGABYTES))
        folders = {Party.JP: Path(folder) / "JP", Party.US: disk / "contact-point"}
        each = ("disk full", lambda: full(disk))
        _session(account, folders, {}, [each] * times, command, between)


def _server(account: Account, restarts: int, command: Sequence[str], between: float, *, failover: bool) -> None:
    """Restart the server of a contact point's database, and let another take its place."""
    try:
        from tests.contact_point.databases import Pair  # noqa: PLC0415 - it needs the driver, which is not installed everywhere
    except ImportError as error:
        raise Unavailable(f"PostgreSQL is reached with psycopg: {error}") from None
    if (pair := Pair.made()) is None:
        raise Unavailable("PostgreSQL is not installed: initdb, postgres and pg_basebackup are not found")

    @contextlib.contextmanager
    def restart(*, crash: bool) -> Iterator[None]:
        pair.stop(crash=crash)
        pair.start()
        yield

    @contextlib.contextmanager
    def take_over() -> Iterator[None]:
        pair.take_over()
        yield

    names = ("restarted", "crashed")
    befall: list[tuple[str, Fault]] = [
        (f"PostgreSQL {names[turn % 2]}", lambda crash=bool(turn % 2): restart(crash=crash))  # type: ignore[misc]
        for turn in range(restarts)
    ]
    if failover:
        befall.append(("PostgreSQL failed over", take_over))
    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, contextlib.closing(pair):
        folders = {party: Path(folder) / party for party in Party}
        _session(account, folders, {Party.US: pair.url()}, befall, command, between)


def _session(
    account: Account,
    folders: dict[Party, Path],
    databases: dict[Party, str],
    befall: Sequence[tuple[str, Fault]],
    command: Sequence[str],
    between: float,
) -> None:
    """Load a contact point while faults befall it, then read both records."""
    with ExitStack() as stack:
        serving.set_up(folders, databases)
        found = serving.enrol(folders[Party.US])
        jp, way = stack.enter_context(serving.asking(folders[Party.JP]))
        load = _Load(jp, way)
        with serving.served(found, folders[Party.JP].parent / "US.log", command):
            befallen = load.through(befall, between, account.told)
        with main.opened(folders[Party.US]) as us:
            disposal.recover(us, main.clock())
            disposal.worker(us, us.guard, name="start").work(main.clock, main.boottime)
            account.count(load, befallen)
            account.read(jp, us, load)


class _Load:
    """Clients that query one after the other, whatever befalls whom they ask."""

    def __init__(self, jp: Installation, way: Watched) -> None:
        self._jp = jp
        self._way = way
        self._ending = threading.Event()
        self._until = float("inf")
        self.expected: dict[str, str] = {}

    @property
    def said(self) -> list[Said]:
        """How every request was answered that is a query or a determination."""
        return [each for each in self._way.said if each.kind in {"query", "determination"}]

    def through(
        self, befall: Sequence[tuple[str, Fault]], between: float, told: Callable[[str], None]
    ) -> list[Befallen]:
        """Query until every fault was there and has gone, and what was begun is finished."""
        befallen = []
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._client, which) for which in range(CLIENTS)]
            try:
                while not any(each.status == 200 for each in self.said) and not any(each.done() for each in clients):
                    time.sleep(_PAUSE)  # what the first query loads is no part of what is measured
                for name, fault in befall:
                    time.sleep(between)
                    began = time.monotonic()
                    with fault():
                        pass
                    befallen.append(Befallen(name, began, time.monotonic()))
                    told(f"{name}: {befallen[-1].ended - began:.1f} s; {len(self.expected)} queries so far")
                time.sleep(max(between, HEALS))
            finally:
                self._until = time.monotonic() + _GIVE_UP
                self._ending.set()
            for each in clients:
                each.result()
        return befallen

    def _client(self, which: int) -> None:
        number = which
        while not self._ending.is_set():
            self._live(matches=number % 2 == 0)
            number += 1

    def _live(self, *, matches: bool) -> None:
        """Live one exchange to where its prints are gone."""
        way = serving.Numbered(self._way)
        here, clock = replace(self._jp, other=way), main.clock
        probe = serving.probe(serving.ENROLLED if matches else serving.STRANGER)
        with contextlib.suppress(*delivery.TROUBLE, StoreError):
            querying.open_query(here, [probe], serving.why(Party.JP), clock())
        if not way.number:
            return  # it was not asked
        self.expected[way.number] = "match" if matches else "no match"
        if not self._finished(here, way.number) or not matches:
            return
        with contextlib.suppress(*delivery.TROUBLE, StoreError):
            querying.examine(here, way.number, Conclusion.IDENTIFICATION, "examiner", clock())
            querying.determine(here, way.number, will_request=False, now=clock())
        self._finished(here, way.number)

    def _finished(self, here: Installation, number: str) -> bool:
        """Send again what waits of an exchange until it arrived; return whether it did."""
        while time.monotonic() < self._until:
            with here.store.reading() as tx:
                waiting = [each for each in tx.held(number) if each.kind is Content.MESSAGE]
                bodies = [tx.content(number, each.kind, number=each.number) for each in waiting]
            if not bodies:
                return True
            time.sleep(_PAUSE)
            for body in bodies:
                with contextlib.suppress(*delivery.TROUBLE, StoreError):
                    delivery.deliver(here, number, wire.decode(body, *wire.PATHS), body, main.clock())
        return False


class Account:
    """What was counted, and every violation in words."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self.told = told
        self.counted: Counter[str] = Counter()
        self.befallen: dict[str, Tally] = {}
        self.violations: list[str] = []
        self.left_out: dict[str, str] = {}

    def count(self, load: _Load, befallen: Sequence[Befallen]) -> None:
        """Count how requests were answered, and how soon after each fault."""
        said = load.said
        self.counted["queries"] += len(load.expected)
        self.counted["acknowledged"] += sum(each.status == 200 and each.kind == "query" for each in said)
        self.counted["refused"] += sum(each.status in {0, 503} for each in said)
        for each in said:
            if each.status not in {0, 200, 503}:
                self.violations.append(f"{each.kind} {each.number}: expected 200 or 503; got {each.status}")
        ends = [each.began for each in befallen[1:]] + [float("inf")]
        for fault, until in zip(befallen, ends, strict=True):
            tally = self.befallen.setdefault(fault.name, Tally())
            met = [(each.status, each.begun + each.seconds) for each in said if each.begun < until]
            after = [(status, at - fault.ended) for status, at in met if at > fault.ended]
            refused = max((at for status, at in after if status != 200), default=0.0)
            tally.times += 1
            tally.refused += sum(status != 200 and at > fault.began for status, at in met)
            tally.lasted = max(tally.lasted, fault.ended - fault.began)
            tally.unavailable = max(tally.unavailable, refused)
            tally.answered = max(tally.answered, min((at for status, at in after if status == 200), default=_GIVE_UP))
            if refused > HEALS:
                self.violations.append(
                    f"{fault.name}: a request was refused {refused:.1f} s after it had ended; expected {HEALS:g}"
                )

    def read(self, jp: Installation, us: Installation, load: _Load) -> None:
        """Hold both records and what is left to the queries that were made."""
        both = {here.settings.party: serving.messages_in_the_record(here) for here in (jp, us)}
        for number, answer in load.expected.items():
            says = {"query": 1, answer: 1} | ({"determination": 1, "receipt": 1} if answer == "match" else {})
            for party, found in both.items():
                got = found.pop(number, Counter())
                if missing := [each for each in says if each != "receipt" and got[each] < 1]:
                    self.counted["lost"] += 1
                    self.violations.append(f"query {number}: the record of {party} lacks {', '.join(missing)}")
                if twice := [each for each, times in got.items() if times > 1]:
                    self.counted["double"] += 1
                    self.violations.append(f"query {number}: the record of {party} has {', '.join(twice)} twice")
        for party, found in both.items():
            self.counted["double"] += len(found)
            self.violations += [f"{party}: nobody made the query {number} that is in its record" for number in found]
        self.violations += serving.faults_of_the_records(jp, us)
        for here in (jp, us):
            self._prints(here, load)

    def _prints(self, here: Installation, load: _Load) -> None:
        """See that every print was destroyed, and that the record says so."""
        at, party = _stored.standing(here), here.settings.party
        left = [f"the key of a {each.kind} of exchange {each.exchange}" for each in _stored.doomed(at)]
        left += [f"{at.strays} keys that no row names"] if at.strays else []
        left += [f"'{what}' is still due" for what in at.planned if what.startswith(("dispose", "deletion"))]
        told = {each.exchange for each in at.entries if each.direction is Direction.ACT and each.event == "deletion"}
        left += [
            f"exchange {number}: no entry says that its print was destroyed" for number in set(load.expected) - told
        ]
        self.counted["prints_left"] += len(left)
        self.violations += [f"{party}: {each}" for each in left]

    def outcome(self) -> Outcome:
        """Return all of it."""
        named = ("queries", "acknowledged", "refused", "lost", "double", "prints_left")
        counts: dict[str, int | float | str] = {name: self.counted[name] for name in named}
        tallies = self.befallen.values()
        counts |= {
            "unavailable_max_s": round(max((each.unavailable for each in tallies), default=0.0), 2),
            "answered_after_max_s": round(max((each.answered for each in tallies), default=0.0), 2),
        }
        counts |= {name: str(tally) for name, tally in self.befallen.items()}
        if self.left_out:
            counts["left_out"] = "; ".join(f"{name}: {reason}" for name, reason in self.left_out.items())
        return Outcome(counts, self.violations)
