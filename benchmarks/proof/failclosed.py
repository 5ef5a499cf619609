"""Record unavailable, nothing answered (Article 11(1)): ``python -m benchmarks.proof failclosed [--n 1000]``.

``n`` queries meet a contact point whose record cannot be written: its disk is full, or full but for the first writes of a
request; writes or syncs of its database fail with EIO or EROFS, or do not return; its key slots cannot be written; another
process holds the write lock; its PostgreSQL is stopped, or stands still. They come over real TLS, many at once, in batches;
each batch has the fault from before its first query to after its last, then the fault goes and the same queries are sent
again.

* ``answered``: queries that were answered while the record could not be written. Violation.
* ``not_503``: that were refused otherwise than by 503 with Retry-After, or not at all. Violation.
* ``refused_max_s``: the longest wait for a refusal. More than the service states for the fault, and a second: violation.
* ``healed_max_s``: from the end of the fault to the first answer to its batch, which is sent again at once, or to its last
  refusal if one comes later. More than 5: violation. ``all_answered_max_s``: to the last answer, as fast as the machine is.
* ``lost``, ``double``: queries that either record lacks, or their answer, or has more than once, or with another answer than
  the print has. Violation, as is a record that does not verify, or two that disagree.

* ``stray_keys``: keys of the contact point that was asked which no row names when it has stopped: of prints that a failed
  transaction was to hold. They go at its next start.

Then the asker's own disk is full: nothing may leave, and an answer that arrives may not be taken in (``asker_asked``).
A fault that cannot be made on this machine is named under ``left_out`` and its share goes to the others.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from annex.parameters import Party
from benchmarks.proof import Outcome
from benchmarks.proof import _serving as serving
from contact_point import admission, delivery, main, querying, wire
from contact_point.settings import Settings
from contact_point.store.database import PATIENCE
from contact_point.transport import ClientError
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.messages import Query
from tests.contact_point import faults
from tests.contact_point.faults import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from benchmarks.proof._serving import Said, Watched
    from contact_point.service import Installation, Transport
    from contact_point.store import Held
    from pcsc.messages import Message

FULL: Final = 1000

HEALS: Final = 5.0
"""Seconds from the end of a fault until the queries that it refused are answered."""

AT_ONCE: Final = PATIENCE
"""Seconds in which a refusal comes unless something hangs: the wait for the write lock, which is the longest."""

MARGIN: Final = 1.0
"""Seconds a refusal may take beyond what is stated for it."""

BATCH: Final = 10  # queries at once
_GIVE_UP: Final = 60.0  # seconds of sending again until what was not answered counts as lost
_MEGABYTES: Final = 256
_A_NONCE: Final = 24_000  # bytes: the nonce of a request can be written, a match with its entries cannot


class Server(Protocol):
    """A PostgreSQL server of our own, as the tests have one."""

    @property
    def pid(self) -> int:
        """The process that all its others are children of."""

    def stop(self) -> None:
        """Stop it."""

    def start(self) -> None:
        """Start it and return when it answers."""

    def fresh(self) -> str:
        """Make an empty database and return its name."""

    def url(self, database: str) -> str:
        """Return how a database is reached, as the store wants it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault befalls: the contact point that is asked, the process that serves it, its server where it has one."""

    settings: Settings
    pid: int
    small: bool
    """Whether its disk is a small one of its own."""
    server: Server | None = None

    @property
    def log(self) -> list[Path]:
        """The file that SQLite appends to: no commit without it."""
        database = self.settings.folder.database
        return [database.with_name(f"{database.name}-wal")]

    @property
    def database(self) -> list[Path]:
        """Every file of the database."""
        database = self.settings.folder.database
        return [database.with_name(f"{database.name}{end}") for end in ("", "-wal", "-shm")]

    @property
    def slots(self) -> list[Path]:
        """Every slot file."""
        return list(self.settings.folder.slots)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a record cannot be written."""

    name: str
    befall: Callable[[Place], AbstractContextManager[None]]
    within: float = AT_ONCE  # seconds, as the service states
    matches: bool = False  # only queries that match: the answer to another one might find room


def _full(at: Place, but: int = 0) -> AbstractContextManager[None]:
    if not at.small:
        raise Unavailable("a disk is filled where it is small, and that could not be made")
    faults.empty_log(at.settings.folder.database)
    return faults.full(at.settings.folder.root.parent, but=but)


@contextlib.contextmanager
def _stopped(at: Place) -> Iterator[None]:
    assert at.server is not None
    at.server.stop()
    try:
        yield
    finally:
        at.server.start()


def _frozen(at: Place) -> AbstractContextManager[None]:
    assert at.server is not None
    return faults.frozen(at.server.pid)


ON_SQLITE: Final = (
    Fault("ENOSPC", _full),
    Fault("ENOSPC at the answer", lambda at: _full(at, _A_NONCE), matches=True),
    Fault("EIO on write", lambda at: faults.failing(at.pid, at.log, faults.WRITES, "EIO")),
    # A request syncs its nonce first: in each thread that succeeds once.
    Fault("EIO on sync at the answer", lambda at: faults.failing(at.pid, at.log, faults.SYNCS, "EIO", after=1)),
    Fault("EIO in the slots", lambda at: faults.failing(at.pid, at.slots, (*faults.WRITES, *faults.SYNCS), "EIO")),
    Fault("EROFS", lambda at: faults.failing(at.pid, at.database, (*faults.WRITES, "openat"), "EROFS")),
    Fault("lock held", lambda at: faults.write_lock(at.settings.folder.database)),
    Fault("hanging write", lambda at: faults.hanging(at.pid, at.log, faults.WRITES), admission.ANSWER_WITHIN),
    Fault(
        "hanging sync at the answer",
        lambda at: faults.hanging(at.pid, at.log, faults.SYNCS, after=1),
        admission.ANSWER_WITHIN,
    ),
)

ON_POSTGRESQL: Final = (
    Fault("PostgreSQL stopped", _stopped),
    # A second longer than one's turn is waited for, and then a new connection, which fails after two seconds at the earliest.
    Fault("PostgreSQL standing still", _frozen, PATIENCE + 3.0),
)


@dataclass(slots=True)
class Tally:
    """What was counted of one fault; times in seconds."""

    asked: int = 0
    answered: int = 0
    not_503: int = 0
    refused: float = 0.0
    healed: float = 0.0
    ended: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.asked} asked, {self.answered} answered, {self.not_503} not told 503, refused within "
            f"{self.refused:.1f} s, healed within {self.healed:.1f} s, all answered within {self.ended:.1f} s"
        )


def prove(n: int, told: Callable[[str], None]) -> Outcome:
    """Let ``n`` queries meet records that cannot be written, and see that none is answered, lost or answered twice."""
    return proved(n, told)


def proved(
    n: int,
    told: Callable[[str], None],
    *,
    command: Sequence[str] = serving.SERVE,
    on_sqlite: Sequence[Fault] = ON_SQLITE,
    on_postgresql: Sequence[Fault] = ON_POSTGRESQL,
) -> Outcome:
    """Do as :func:`prove` does, with a service started by another command, and only these faults."""
    account = Account(told)
    if on_postgresql:
        try:
            server = _server()
        except Unavailable as reason:
            account.left_out["PostgreSQL"] = str(reason)
        else:
            share = n * len(on_postgresql) // (len(on_sqlite) + len(on_postgresql))
            _session(account, share, on_postgresql, command, server)
    _session(account, n - account.asked, on_sqlite, command)
    return account.outcome()


def _server() -> Server:
    """Return a PostgreSQL server of our own.

    Raises:
        Unavailable: its programs are not installed.

    """
    try:
        from tests.contact_point import databases  # noqa: PLC0415 - it needs the driver, which is not installed everywhere
    except ImportError as error:
        raise Unavailable(f"PostgreSQL is reached with psycopg: {error}") from None
    if (server := databases.server()) is None:
        raise Unavailable("PostgreSQL is not installed: initdb and postgres are not found")
    return server


def _session(
    account: Account, n: int, kinds: Sequence[Fault], command: Sequence[str], server: Server | None = None
) -> None:
    """Set up two contact points and ask one of them ``n`` queries, with its database in a file or on ``server``."""
    if not (n and kinds):
        return
    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, ExitStack() as stack:
        disks = {party: Path(folder) / f"disk-{party}" for party in Party}
        try:
            for disk in disks.values():
                stack.enter_context(faults.small_disk(disk, _MEGABYTES))
        except Unavailable as reason:
            account.left_out["a small disk"] = str(reason)
            for disk in disks.values():
                disk.mkdir(exist_ok=True)
        small = "a small disk" not in account.left_out
        folders = {party: disk / "contact-point" for party, disk in disks.items()}
        serving.set_up(folders, {} if server is None else {Party.US: server.url(server.fresh())})
        settings = serving.enrol(folders[Party.US])
        with serving.asking(folders[Party.JP]) as (jp, way):
            asker = _Asker(account, jp, way)
            with serving.served(settings, Path(folder) / "US.log", command) as pid:
                asker.ask_through(n, kinds, Place(settings, pid, small, server))
                if small:
                    asker.ask_with_a_full_disk(max(1, n // 100))
            with main.opened(folders[Party.US]) as us:
                asker.hold_the_records(us)


class Account:
    """What was counted, and every violation in words."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self.told = told
        self.tallies: dict[str, Tally] = {}
        self.asker_asked = self.lost = self.double = self.stray_keys = 0
        self.violations: list[str] = []
        self.left_out: dict[str, str] = {}

    @property
    def asked(self) -> int:
        """The queries that met a fault."""
        return sum(each.asked for each in self.tallies.values())

    def outcome(self) -> Outcome:
        """Return all of it."""
        tallies = self.tallies.values()
        counts: dict[str, int | float | str] = {
            "asked": self.asked,
            "answered": sum(each.answered for each in tallies),
            "not_503": sum(each.not_503 for each in tallies),
            "refused_max_s": round(max((each.refused for each in tallies), default=0.0), 2),
            "healed_max_s": round(max((each.healed for each in tallies), default=0.0), 2),
            "all_answered_max_s": round(max((each.ended for each in tallies), default=0.0), 2),
            "lost": self.lost,
            "double": self.double,
            "stray_keys": self.stray_keys,
            "asker_asked": self.asker_asked,
        }
        counts |= {name: str(tally) for name, tally in self.tallies.items()}
        if self.left_out:
            counts["left_out"] = "; ".join(f"{name}: {reason}" for name, reason in self.left_out.items())
        return Outcome(counts, self.violations)


class _Noted:
    """A way that notes under a query's number what it is to be answered with."""

    def __init__(self, way: Transport, answer: str, answers: dict[str, str]) -> None:
        self._way, self._answer, self._answers = way, answer, answers

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        """Send a message."""
        if isinstance(message, Query):
            self._answers[message.control_number] = self._answer
        return self._way.post(message, body, now)


class _ThenFull:
    """A way back on which the asker's own disk fills up: the answer arrives, and cannot be recorded."""

    def __init__(self, way: Transport, here: Settings, stack: ExitStack) -> None:
        self._way, self._here, self._stack = way, here, stack

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        """Send a message."""
        answer = self._way.post(message, body, now)
        faults.empty_log(self._here.folder.database)
        self._stack.enter_context(faults.full(self._here.folder.root.parent))
        return answer


class _Asker:
    """Whoever queries, and keeps count."""

    def __init__(self, account: Account, here: Installation, way: Watched) -> None:
        self._account = account
        self._here = here
        self._way = way
        self._answers: dict[str, str] = {}  # by number: the event that each query is to be answered with

    def _violation(self, what: str) -> None:
        self._account.violations.append(what)

    def ask_through(self, n: int, kinds: Sequence[Fault], place: Place) -> None:
        """Meet every fault in turn, batch by batch, until ``n`` queries were made."""
        tallies = {each.name: Tally() for each in kinds}
        self._account.tallies |= tallies
        possible, batch = list(kinds), min(BATCH, -(-n // len(kinds)))
        with ThreadPoolExecutor(BATCH) as pool:
            self._ask(pool, batch)  # what the first queries load is no part of what is measured
            while possible and (rest := n - sum(each.asked for each in tallies.values())) > 0:
                fault = min(possible, key=lambda each: tallies[each.name].asked)
                try:
                    self._meet(fault, min(batch, rest), place, pool)
                except Unavailable as reason:
                    self._account.left_out[fault.name] = str(reason)
                    possible.remove(fault)

    def _meet(self, fault: Fault, n: int, place: Place, pool: ThreadPoolExecutor) -> None:
        """Ask ``n`` queries while a fault lasts, and again when it has gone."""
        before, tally = len(self._way.said), self._account.tallies[fault.name]
        with fault.befall(place):
            self._ask(pool, n, matches=fault.matches)
        gone = time.monotonic()
        tally.asked += n
        self._count(fault, n, [each for each in self._way.said[before:] if each.kind == "query"])
        healed, ended = self._send_again(gone)
        tally.healed, tally.ended = max(tally.healed, healed), max(tally.ended, ended)
        if healed > HEALS:
            self._violation(f"{fault.name}: healed {healed:.1f} s after it had gone; expected {HEALS:g} s")
        self._account.told(f"{fault.name}: {tally}")

    def _ask(self, pool: ThreadPoolExecutor, n: int, *, matches: bool = False) -> None:
        """Make queries, all at once; those that are refused wait to be sent again."""
        list(pool.map(self._query, [matches or number % 2 == 1 for number in range(n)]))

    def _query(self, matches: bool, way: Transport | None = None) -> None:
        probe = serving.probe(serving.ENROLLED if matches else serving.STRANGER)
        noted = _Noted(way or self._way, "match" if matches else "no match", self._answers)
        with contextlib.suppress(ClientError):
            querying.open_query(replace(self._here, other=noted), [probe], serving.why(Party.JP), main.clock())

    def _count(self, fault: Fault, n: int, during: Sequence[Said]) -> None:
        """Count how ``n`` queries were answered while the fault lasted, and name every violation."""
        tally = self._account.tallies[fault.name]
        tally.refused = max([tally.refused, *(each.seconds for each in during)])
        if len(during) != n:
            self._violation(f"{fault.name}: {n} queries were to be sent, and {len(during)} were")
        for each in during:
            if each.status == 200:
                tally.answered += 1
                self._violation(f"{fault.name}: query {each.number} was answered and could not be recorded")
            elif each.status != 503 or not each.retry_after.isdecimal():
                tally.not_503 += 1
                got = f"{each.status or 'no answer'} after {each.seconds:.1f} s"
                self._violation(f"{fault.name}: expected 503 with Retry-After; got {got}")
            if each.seconds > fault.within + MARGIN:
                self._violation(
                    f"{fault.name}: query {each.number} was refused after {each.seconds:.1f} s; expected {fault.within:g} s, "
                    f"and {MARGIN:g} s for the way"
                )

    def _send_again(self, gone: float) -> tuple[float, float]:
        """Send again what waits until all of it is answered; return the seconds from ``gone`` to healing and to the end.

        It has healed with its first answer, and with its last refusal where that came later.
        """
        before = len(self._way.said)
        with ThreadPoolExecutor(BATCH) as pool:
            while (waiting := self._waiting()) and time.monotonic() - gone < _GIVE_UP:
                list(pool.map(self._deliver, waiting))
        sent = [each for each in self._way.said[before:] if each.kind == "query"]
        answered = [each.begun + each.seconds - gone for each in sent if each.status == 200]
        refused = [each.begun + each.seconds - gone for each in sent if each.status != 200]
        return max([min(answered, default=0.0), *refused]), max([0.0, *answered, *refused])

    def _waiting(self) -> list[Held]:
        with self._here.store.transaction() as tx:
            return [each for each in tx.held() if each.kind is Content.MESSAGE]

    def _deliver(self, held: Held) -> None:
        with self._here.store.transaction() as tx:
            body = tx.content(held.exchange, held.kind, number=held.number)
        with contextlib.suppress(ClientError):
            delivery.deliver(self._here, held.exchange, wire.decode(body, *wire.PATHS), body, main.clock())

    def ask_with_a_full_disk(self, n: int) -> None:
        """Query while our own disk is full, and have it fill up while the answer is on its way."""
        folder = self._here.settings.folder
        for matches in (number % 2 == 1 for number in range(n)):
            self._account.asker_asked += 1
            before = len(self._way.said)
            faults.empty_log(folder.database)
            with faults.full(folder.root.parent):
                self._is_refused("a query was made and could not be recorded", matches, self._way)
            if len(self._way.said) != before:
                self._violation("the asker's disk was full, and a query left all the same")
            with ExitStack() as stack:
                way = _ThenFull(self._way, self._here.settings, stack)
                self._is_refused("an answer was taken in and could not be recorded", matches, way)
            self._send_again(time.monotonic())

    def _is_refused(self, otherwise: str, matches: bool, way: Transport) -> None:
        try:
            self._query(matches, way)
        except RecordError:
            return
        self._violation(f"the asker's disk was full: {otherwise}")

    def hold_the_records(self, us: Installation) -> None:
        """Hold both records to the queries that were made, and to each other."""
        for here in (self._here, us):
            found = serving.messages_in_the_record(here)
            for number, answer in self._answers.items():
                says = found.get(number, Counter())
                if says == {"query": 1, answer: 1}:
                    continue
                if max(says.values(), default=0) > 1:
                    self._account.double += 1
                else:
                    self._account.lost += 1
                party, got = here.settings.party, dict(says) or "neither"
                self._violation(f"query {number}: expected it and a {answer} in the record of {party}; got {got}")
        self._account.violations += serving.faults_of_the_records(self._here, us)
        self._account.stray_keys += us.store.recover()
