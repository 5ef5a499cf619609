"""Every query is answered once, whatever is lost on the way: ``python -m benchmarks.proof exactlyonce [--n 10000]``.

``n`` latent queries of the JP contact point go to the US one over real TLS, from 32 clients at once. Of the answers 30 % are
thrown away when they have arrived, and the client sends the same bytes again; of the requests 10 % are sent twice at once, each
signed by itself; and for every hundredth query the serving process is killed with SIGKILL while it works, and started again.
Every fourth query finds the person who is enrolled. Then both records are read:

* ``answers``: queries whose answer the JP contact point took in. Fewer than ``n``: violation.
* ``record_pairs``: queries of which each record has the query once and the expected answer once. Fewer than ``n``: violation.
* ``lost``, ``double``: queries that a record lacks, or their answer, or has more than once, or that nobody made. Violation.
* ``differing``: queries that were answered with other bytes when they came again. Violation, as is a record that does not
  verify, or two that disagree.

``requests``, ``replies``, ``dropped``, ``duplicated``, ``kills`` and ``cut_off`` (requests that waited when the process was
killed) say what befell them. Checkpoints are exchanged after every query as always; those are neither lost nor doubled,
and what the kill does to them is not told.
``server_cpu_seconds`` is what the processes that served took, their starts included.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import signal
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Self

from annex.parameters import Party
from benchmarks.proof import Outcome
from benchmarks.proof import _serving as serving
from contact_point import delivery, main, querying, wire
from contact_point.transport import UnreachableError
from pcsc.duties import Content
from pcsc.exchange import State
from pcsc.messages import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from contact_point.service import Installation, Transport
    from contact_point.settings import Settings
    from pcsc.messages import Message

FULL: Final = 10_000

CLIENTS: Final = 32
DROPPED: Final = 0.3
DUPLICATED: Final = 0.1
KILL_EVERY: Final = 100  # queries

_SEED: Final = 20_190_105
_MATCHES: Final = 4  # one of so many
_GIVE_UP: Final = 900.0  # seconds of sending one query again until it counts as lost
_PAUSE: Final = 0.02  # seconds before it is sent again, at most; twice as many each time
_LONGEST_PAUSE: Final = 5.0
_LATEST_KILL: Final = 0.05  # seconds for which a request has waited when the server is killed, at most


def prove(n: int, told: Callable[[str], None]) -> Outcome:
    """Make ``n`` queries while answers are lost, requests come twice and the server is killed, and read both records."""
    return proved(n, told)


def proved(
    n: int,
    told: Callable[[str], None],
    *,
    command: Sequence[str] = serving.SERVE,
    clients: int = CLIENTS,
    kill_every: int = KILL_EVERY,
) -> Outcome:
    """Do as :func:`prove` does, with the US contact point served by another command, or with other numbers."""
    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, ExitStack() as stack:
        folders = {party: Path(folder) / party for party in Party}
        serving.set_up(folders)
        found = serving.enrol(folders[Party.US])
        jp, way = stack.enter_context(serving.asking(folders[Party.JP]))
        stack.enter_context(serving.unlogged())
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with ThreadPoolExecutor(clients) as copies, _Served(found, Path(folder) / "US.log", command) as server:
            lossy = _Lossy(way, copies)
            played = _Played(jp, lossy, server, kill_every)
            played.play(n, clients, told)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        us = stack.enter_context(main.opened(folders[Party.US]))
        outcome = played.outcome(us)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Outcome(
            {"queries": n, "clients": clients, **outcome.counts, "server_cpu_seconds": round(seconds, 1)}, outcome[1]
        )


class _Served:
    """A contact point in a process that is killed and started again."""

    def __init__(self, here: Settings, log: Path, command: Sequence[str]) -> None:
        self._served = partial(serving.served, here, log, command)
        self._stack = ExitStack()
        self._pid = 0

    def __enter__(self) -> Self:
        self._pid = self._stack.enter_context(self._served())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kill(self) -> None:
        """Kill it, wherever it is in its work, and start it again."""
        os.kill(self._pid, signal.SIGKILL)
        self._stack.close()
        self._pid = self._stack.enter_context(self._served())


class _Lossy:
    """A way on which answers are lost and requests come twice. Thread-safe."""

    def __init__(self, way: Transport, copies: ThreadPoolExecutor) -> None:
        self._way = way
        self._copies = copies
        self._chance = Random(_SEED)  # noqa: S311 - what befalls a request must come out again
        self._lock = threading.Lock()
        self.counted: Counter[str] = Counter()
        self.waiting = 0
        self.heard: dict[str, set[str]] = defaultdict(set)
        """Digests of the answers that came, by control number, whether they were then lost or not."""

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        """Send a message; a query perhaps twice at once, and its answers perhaps for nothing."""
        if not isinstance(message, Query):
            return self._way.post(message, body, now)
        if not self._befalls(DUPLICATED, "duplicated"):
            return self._once(message, body)
        both = [self._copies.submit(self._once, message, body) for _ in range(2)]
        wait(both)
        return next((each for each in both if each.exception() is None), both[0]).result()

    def _once(self, message: Message, body: bytes) -> tuple[Message, bytes]:
        self._count("requests", waiting=1)
        try:
            answer, text = self._way.post(message, body, main.clock())
        finally:
            self._count("ended", waiting=-1)
        self._count("replies")
        with self._lock:
            self.heard[message.control_number].add(hashlib.sha256(text).hexdigest())
        if self._befalls(DROPPED, "dropped"):
            raise UnreachableError("the answer was lost on its way")
        return answer, text

    def _befalls(self, share: float, what: str) -> bool:
        with self._lock:
            befalls = self._chance.random() < share
            self.counted[what] += befalls
        return befalls

    def _count(self, what: str, *, waiting: int = 0) -> None:
        with self._lock:
            self.counted[what] += 1
            self.waiting += waiting


class _Played:
    """The queries as their clients played them, and what came of them."""

    def __init__(self, jp: Installation, lossy: _Lossy, server: _Served, kill_every: int) -> None:
        self._jp = jp
        self._lossy = lossy
        self._server = server
        self._kill_every = kill_every
        self._chance = Random(_SEED + 1)  # noqa: S311 - as above
        self._lock = threading.Lock()
        self._expected: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._violations: list[str] = []

    def play(self, n: int, clients: int, told: Callable[[str], None]) -> None:
        """Make ``n`` queries, and kill the server now and then."""
        every, began = min(n, self._kill_every), time.monotonic()

        def query(which: int) -> None:
            if which % every == every // 2:
                killing.submit(self._kill)
            self._query(matches=which % _MATCHES == 0)
            if which % KILL_EVERY == 0:
                told(f"{which} of {n} queries")

        with ThreadPoolExecutor(1) as killing, ThreadPoolExecutor(clients) as pool:
            list(pool.map(query, range(n)))
        self._counts["tenths_of_seconds"] = round(10 * (time.monotonic() - began))

    def _kill(self) -> None:
        while not self._lossy.waiting:
            time.sleep(0.001)
        time.sleep(self._chance.uniform(0, _LATEST_KILL))
        self._counts["kills"] += 1
        self._counts["cut_off"] += self._lossy.waiting
        self._server.kill()

    def _query(self, *, matches: bool) -> None:
        """Make one query, and send it again until its answer is taken in."""
        way, until = serving.Numbered(self._lossy), time.monotonic() + _GIVE_UP
        here, probe = replace(self._jp, other=way), serving.probe(serving.ENROLLED if matches else serving.STRANGER)
        while not way.number and time.monotonic() < until:
            with contextlib.suppress(*delivery.TROUBLE):
                querying.open_query(here, [probe], serving.why(Party.JP), main.clock())
        with self._lock:
            self._expected[way.number] = "match" if matches else "no match"
        pause = _PAUSE
        while self._send_again(here, way.number) and time.monotonic() < until:
            time.sleep(self._chance.uniform(0, pause))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _send_again(self, here: Installation, number: str) -> bool:
        """Send a query again if it waits for its answer, and return whether it did."""
        with contextlib.suppress(*delivery.TROUBLE):
            with here.store.reading() as tx:
                if all(each.kind is not Content.MESSAGE for each in tx.held(number)):
                    return False
                body = tx.content(number, Content.MESSAGE, number=number)
            delivery.deliver(here, number, wire.decode(body, Query), body, main.clock())
        return True

    def outcome(self, us: Installation) -> Outcome:
        """Return what was counted, with every violation."""
        with self._jp.store.transaction() as tx:
            states = {number: tx.exchange(number).state for number in self._expected}
        answered = {State.MATCH: "match", State.NO_MATCH: "no match"}
        for number, expected in self._expected.items():
            self._counts["answers"] += answered.get(states[number]) == expected
            if answered.get(states[number]) != expected:
                self._violations.append(
                    f"query {number}: expected a {expected} to be taken in; it is at '{states[number]}'"
                )
            if len(self._lossy.heard[number]) > 1:
                self._counts["differing"] += 1
                self._violations.append(
                    f"query {number} was answered with {len(self._lossy.heard[number])} different answers"
                )
        self._hold_the_records(us)
        self._violations += serving.faults_of_the_records(self._jp, us)
        per_second = 10 * len(self._expected) / max(1, self._counts["tenths_of_seconds"])
        named = ("answers", "record_pairs", "lost", "double", "differing")
        befell = ("requests", "replies", "dropped", "duplicated")
        counts: dict[str, int | float | str] = {name: self._counts[name] for name in named}
        counts |= {name: self._lossy.counted[name] for name in befell}
        counts |= {name: self._counts[name] for name in ("kills", "cut_off")}
        return Outcome(counts | {"per_second": round(per_second, 1)}, self._violations)

    def _hold_the_records(self, us: Installation) -> None:
        """Hold both records to the queries that were made."""
        both = {here.settings.party: serving.messages_in_the_record(here) for here in (self._jp, us)}
        for number, answer in self._expected.items():
            says = {party: found.pop(number, Counter()) for party, found in both.items()}
            wrong = {party: dict(each) for party, each in says.items() if each != {"query": 1, answer: 1}}
            self._counts["record_pairs"] += not wrong
            for party, got in wrong.items():
                self._counts["double" if max(got.values(), default=0) > 1 else "lost"] += 1
                told = got or "neither"
                self._violations.append(
                    f"query {number}: expected it and a {answer} once in the record of {party}; got {told}"
                )
        for party, found in both.items():
            self._counts["double"] += len(found)
            self._violations += [f"{party}: nobody made the query {number} that is in its record" for number in found]
