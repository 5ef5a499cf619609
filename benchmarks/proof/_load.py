"""Load on a contact point that serves: processes of callers, each with kept connections, over real mutual TLS.

Requests are built and signed before a phase begins, each with a control number, a salt and a nonce of its own, so that what a
caller does in the phase is to write bytes and to read an answer's head: far less than answering costs. In a closed loop each
connection sends its next request when the one before was answered; in an open loop requests are due at a steady rate, whatever
becomes of those before, and the time of each counts from when its caller began with it: to wait for a free connection is in
it, to wait for a core is the caller's own lateness and is told apart.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import secrets
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import uvloop

from benchmarks.proof import _serving as serving
from contact_point import main, prints, service, wire
from contact_point.identity import Identity
from contact_point.keys import SigningKey
from contact_point.settings import read
from pcsc.messages import Query, Search

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection

    from contact_point.settings import Settings

_SKEW: Final = timedelta(minutes=2)  # signatures are made so much ahead: a phase may begin long after they were made
_CONNECT: Final = 30.0  # seconds
_LAST: Final = 30.0  # seconds for the answers that are under way when a phase ends


class Heard(NamedTuple):
    """How one request was answered: when it began, seconds to the whole answer, status (0: none), Retry-After.

    ``late`` are the seconds between when it was due and when it began: the caller had no core.
    """

    began: float
    seconds: float
    status: int
    retry_after: str
    late: float


@dataclass(frozen=True, slots=True)
class Phase:
    """What callers do from ``begins`` on (monotonic clock) for some seconds; ``rate`` a second, or 0 for a closed loop."""

    begins: float
    seconds: float
    connections: int
    rate: float = 0.0
    path: str = wire.PATHS[Query]


class Bodies:
    """Queries that find nobody: one body, but for its control number and its salt."""

    def __init__(self, here: Settings) -> None:
        """Make the query as the contact point of ``here`` does."""
        self._number, self._salt = f"{here.party}000000-{'N' * 16}", "5" * 64
        why, now = serving.why(here.party), main.clock()
        message = Query(
            control_number=self._number,
            made_at=now,
            salt=self._salt,
            querying=here.party,
            authority=why.authority,
            identified=True,
            search=Search.LATENT,
            basis=why.basis,
            expectation=why.expectation,
            prints=prints.transaction(
                [serving.probe(serving.STRANGER).sent],
                kind=prints.SEARCH,
                control_number=self._number,
                originator=f"{here.party}/NCP",
                destination=f"{here.party.other}/NCP",
                delete_by=None,
                now=now,
            ),
        )
        self._encoded = wire.encode(message)

    def new(self) -> tuple[str, str]:
        """Return a control number and a salt that were never used."""
        return f"{self._number[:9]}{secrets.token_hex(8).upper()}", service.new_salt()

    def body(self, number: str, salt: str) -> bytes:
        """Return the body of a query."""
        return self._encoded.replace(self._number.encode(), number.encode(), 1).replace(
            self._salt.encode(), salt.encode(), 1
        )


class Requests:
    """Requests to one address, signed ahead; as bytes."""

    def __init__(self, root: Path) -> None:
        """Ask the other contact point as the one in the folder ``root`` does."""
        here = read(root)
        assert here.other is not None
        self.identity = Identity(here.folder, main.clock)
        self.host, _, port = here.other.address.removeprefix("https://").partition(":")
        self.port = int(port)
        self._url = here.other.address + wire.PATHS[Query]
        self._key = SigningKey.load(here.folder.signing_key)
        self._bodies = Bodies(here)
        self._ready: list[tuple[bytes, str, str]] = []

    def prepare(self, count: int) -> None:
        """Sign requests until there are ``count`` that wait."""
        while len(self._ready) < count:
            number, salt = self._bodies.new()
            body = self._bodies.body(number, salt)
            signed = wire.sign_request(
                self._url, body, self._key, nonce=secrets.token_hex(16), now=main.clock() + _SKEW
            )
            fields = {"Host": f"{self.host}:{self.port}", "Content-Length": str(len(body)), **signed.headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            self._ready.append((f" HTTP/1.1\r\n{head}\r\n".encode(), number, salt))

    def next(self, path: str = wire.PATHS[Query]) -> tuple[str, bytes]:
        """Return the number of the next request, and its bytes; one is signed now where none waits."""
        self.prepare(1)
        head, number, salt = self._ready.pop()
        return number, f"POST {path}".encode() + head + self._bodies.body(number, salt)


class _Line:
    """One kept connection; opened again where the contact point closed it."""

    def __init__(self, requests: Requests, context: ssl.SSLContext, path: str) -> None:
        self._requests = requests
        self._path = path
        self._context = context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()  # it was idle for longer than connections are kept
        if self._streams is None:
            opening = asyncio.open_connection(
                self._requests.host, self._requests.port, ssl=self._context, limit=1 << 20
            )
            self._streams = await asyncio.wait_for(opening, _CONNECT)
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def ask(self, began: float, late: float = 0.0) -> Heard:
        """Send the next request and read its answer."""
        status, retry_after = 0, ""
        try:
            reader, writer = await self.open()
            writer.write(self._requests.next(self._path)[1])
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
            await reader.readexactly(int(fields["content-length"]))
            status, retry_after = int(head.split(" ", 2)[1]), fields.get("retry-after", "")
            if fields.get("connection") == "close":
                self.close()
        except (OSError, EOFError, TimeoutError):
            self.close()
        return Heard(began, time.monotonic() - began, status, retry_after, late)


async def _closed(lines: Sequence[_Line], phase: Phase) -> list[Heard]:
    ends = phase.begins + phase.seconds

    async def through(line: _Line) -> list[Heard]:
        heard = []
        while (now := time.monotonic()) < ends:
            heard.append(await line.ask(now))
            if heard[-1].status != 200:  # a place is not asked for again at once
                await asyncio.sleep(0.02)
        return heard

    return list(chain.from_iterable(await asyncio.gather(*map(through, lines))))


async def _open(lines: Sequence[_Line], phase: Phase) -> list[Heard]:
    free = asyncio.LifoQueue[_Line]()
    for line in lines:
        free.put_nowait(line)
    asked: list[asyncio.Task[Heard]] = []

    async def ask(began: float, late: float) -> Heard:
        line = await free.get()
        try:
            return await line.ask(began, late)
        finally:
            free.put_nowait(line)

    for which in range(int(phase.rate * phase.seconds)):
        due = phase.begins + which / phase.rate
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        asked.append(asyncio.create_task(ask(now := time.monotonic(), now - due)))
    done, late = await asyncio.wait(asked, timeout=_LAST)
    for each in late:
        each.cancel()
    return [each.result() for each in done] + [Heard(0.0, _LAST, 0, "", _LAST) for _ in late]


async def _phase(requests: Requests, phase: Phase) -> list[Heard]:
    context = requests.identity.now.client
    lines = [_Line(requests, context, phase.path) for _ in range(phase.connections)]
    try:
        for line in lines:
            with suppress(OSError, TimeoutError):
                await line.open()
        await asyncio.sleep(max(0.0, phase.begins - time.monotonic()))
        return await (_open if phase.rate else _closed)(lines, phase)
    finally:
        for line in lines:
            line.close()


def _call(root: Path, end: Connection, cores: Collection[int]) -> None:
    """Be one process of callers."""
    os.sched_setaffinity(0, cores)
    requests = Requests(root)
    with suppress(EOFError):
        while True:
            said = end.recv()
            if isinstance(said, Phase):
                end.send([tuple(each) for each in uvloop.run(_phase(requests, said))])
            else:
                requests.prepare(said)
                end.send(None)


class Callers:
    """Processes that ask as one contact point. Close it, or use ``with``."""

    def __init__(self, root: Path, processes: int, cores: Collection[int]) -> None:
        """Start them on these cores, for the contact point in the folder ``root``."""
        spawn = multiprocessing.get_context("spawn")
        pipes = [spawn.Pipe() for _ in range(processes)]
        self._ends = [ours for ours, _ in pipes]
        self._processes = [spawn.Process(target=_call, args=(root, theirs, cores)) for _, theirs in pipes]
        for process in self._processes:
            process.start()
        for _, theirs in pipes:
            theirs.close()
        self._said(0)

    def __enter__(self) -> Self:
        """Return the callers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        for end in self._ends:
            end.close()
        for process in self._processes:
            process.join(_CONNECT)
            process.kill()

    def _said(self, what: object) -> list[object]:
        for end in self._ends:
            end.send(what)
        return [end.recv() for end in self._ends]

    def closed(self, seconds: float, connections: int, path: str = wire.PATHS[Query]) -> list[Heard]:
        """Ask in a closed loop over so many connections in all; return how each request was answered."""
        each = -(-connections // len(self._ends))
        self._said(int(seconds * _MOST_CLOSED / len(self._ends)))
        phase = Phase(time.monotonic() + _SOON, seconds, each, path=path)
        return self._heard(phase, self._ends[: -(-connections // each)])

    def open(self, seconds: float, rate: float, connections: int) -> list[Heard]:
        """Ask at a steady rate in all; return how each request was answered."""
        processes = len(self._ends)
        self._said(int(seconds * rate / processes) + 1)
        phase = Phase(time.monotonic() + _SOON, seconds, -(-connections // processes), rate / processes)
        return self._heard(phase, self._ends)

    @staticmethod
    def _heard(phase: Phase, ends: Sequence[Connection]) -> list[Heard]:
        for end in ends:
            end.send(phase)
        return [Heard(*each) for end in ends for each in end.recv()]


_MOST_CLOSED: Final = (
    100  # requests a second for which a closed loop is prepared; beyond, they are signed when they are due
)
_SOON: Final = 1.0  # seconds for connections to be made before a phase begins


# What a service took


class Taken(NamedTuple):
    """CPU seconds of a process, and of all that it started, since their start."""

    own: float
    children: float


def taken(pid: int) -> Taken:
    """Return what a process and its descendants took so far (proc(5), stat)."""
    own, *others = (_ticks(each) for each in _tree(pid))
    tick = os.sysconf("SC_CLK_TCK")
    return Taken(own[0] / tick, sum(map(sum, others), own[1]) / tick)


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has, without its descendants (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _tree(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        with suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def _ticks(pid: int) -> tuple[int, int]:
    """Return the ticks of a process, and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0, 0
    user, system, children_user, children_system = map(int, fields[11:15])
    return user + system, children_user + children_system


def halves() -> tuple[set[int], set[int]]:
    """Return the cores for the service and those for its callers: the same where there is one only."""
    cores = sorted(os.sched_getaffinity(0))
    return set(cores[: max(1, len(cores) // 2)]), set(cores[len(cores) // 2 :])


@contextmanager
def on(cores: Collection[int]) -> Iterator[None]:
    """Let what is started in the block run on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def quantile(seconds: Iterable[float], share: float) -> float:
    """Return the least time that this share of them is at or below."""
    ordered = sorted(seconds)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf
