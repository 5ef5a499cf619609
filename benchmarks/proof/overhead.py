"""What a query costs beside search and decoding: ``python -m benchmarks.proof overhead [--n 500]``.

The US contact point serves as `pcsc serve` does, on one half of the cores; a caller on the other half asks ``n`` latent queries
that find nobody, over real TLS, two at a time. Of the CPU time that the service and its processes took, these are no overhead:

* ``decode``: the processes of the jail, and what reads the prints of a query in the service itself;
* ``search``: what searches the gallery.

The rest is ``overhead_ms`` a query: TLS, HTTP, signatures of both sides, the message, the law, the record, the answer. A
violation is more than 15 ms. What the querying side takes is not in it.

``trivial`` is a path of the same server, in the same process, that reads the same request over the same mutual TLS and answers
200 and a kilobyte: so much could be answered if there were nothing to do. Rounds of both alternate. ``queries_to_trivial`` is
the ratio of what was answered a second, ``cpu_to_trivial`` that of the CPU times of one.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from benchmarks.proof import Outcome
from benchmarks.proof import _load as load
from benchmarks.proof import _serving as serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.proof._load import Callers

FULL: Final = 500

MOST: Final = 15.0  # milliseconds

_TRIVIAL: Final = "/trivial"
_AT_ONCE: Final = 2
_TRIVIAL_AT_ONCE: Final = 8
_ROUND: Final = 5.0  # seconds

SERVE: Final = """
import mmap, struct, sys, time
from pathlib import Path
from contact_point import holdings, main, peer, prints

with Path(sys.argv[1], "took").open("r+b") as file:
    told = mmap.mmap(file.fileno(), 16)
took = [0.0, 0.0]  # each by the query's own thread; two at once may lose a millionth of a second of one another

def timed(kind, which, name):
    act = getattr(kind, name)
    def run(*given, **named):
        begun = time.thread_time()
        try:
            return act(*given, **named)
        finally:
            took[which] += time.thread_time() - begun
            told[:] = struct.pack("dd", *took)
    setattr(kind, name, run)

timed(prints.PrintReader, 0, "of_transaction")
timed(holdings.Holdings, 1, "search")
build = peer.build

def built(*given):
    application = build(*given)
    async def trivial(scope, receive, send):
        if scope["type"] != "http" or scope["path"] != "/trivial":
            await application(scope, receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1024")]})
        await send({"type": "http.response.body", "body": b"x" * 1024})
    return trivial

peer.build = built
# a fault
main.serve(Path(sys.argv[1]))
"""
"""The program, and beside it what takes the time of the two parts; there is room for a fault."""


def prove(n: int, told: Callable[[str], None]) -> Outcome:
    """Make ``n`` queries, and as many rounds of the trivial path, and take the CPU time of each part."""
    return proved(n, told)


def proved(n: int, told: Callable[[str], None], *, fault: str = "") -> Outcome:
    """Do as :func:`prove` does, with a fault in the service."""
    ours, theirs = load.halves()
    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, ExitStack() as stack:
        folders = {party: Path(folder) / party for party in Party}
        serving.set_up(folders)
        found = serving.enrol(folders[Party.US])
        notes = folders[Party.US] / "took"
        notes.write_bytes(bytes(16))
        with load.on(ours):
            command = ("-c", SERVE.replace("# a fault", fault))
            pid = stack.enter_context(serving.served(found, Path(folder) / "US.log", command))
        callers = stack.enter_context(load.Callers(folders[Party.JP], 1, theirs))
        with notes.open("r+b") as file, mmap.mmap(file.fileno(), 16) as took:
            return _measured(n, told, pid, callers, took)


def _measured(n: int, told: Callable[[str], None], pid: int, callers: Callers, took: mmap.mmap) -> Outcome:
    _asked(callers, 1.0, pid, took)  # what the first ones load is no part of what is measured
    queries: list[Sequence[float]] = []
    trivial: list[Sequence[float]] = []
    while sum(each[0] for each in queries) < n:
        queries.append(_asked(callers, _ROUND if n > _FEW else 1.0, pid, took))
        trivial.append(_trivial(callers, pid))
        told(f"{sum(each[0] for each in queries):g} of {n} queries")
    count, own, children, reading, search, seconds, refused = map(sum, zip(*queries, strict=True))
    many, cost, trivial_seconds = map(sum, zip(*trivial, strict=True))
    overhead = 1e3 * (own - reading - search) / count
    violations = (
        [] if overhead <= MOST else [f"a query costs {overhead:.1f} ms beside search and decoding; expected {MOST:g}"]
    )
    if refused:
        violations.append(f"{refused:g} queries of {_AT_ONCE} at a time were not answered")
    counts: dict[str, int | float | str] = {
        "queries": int(count),
        "cpu_ms": round(1e3 * (own + children) / count, 1),
        "decode_ms": round(1e3 * (children + reading) / count, 1),
        "search_ms": round(1e3 * search / count, 1),
        "overhead_ms": round(overhead, 1),
        "queries_per_second": round(count / seconds, 1),
        "trivial_per_second": round(many / trivial_seconds, 1),
        "queries_to_trivial": round(count / seconds / (many / trivial_seconds), 3),
        "trivial_ms": round(1e3 * cost / many, 2),
        "cpu_to_trivial": round((own + children) / count / (cost / many), 1),
        "load_average": f"{os.getloadavg()[0]:.1f}",
    }
    return Outcome(counts, violations)


_FEW: Final = 50


def _asked(callers: Callers, seconds: float, pid: int, took: mmap.mmap) -> Sequence[float]:
    """Ask queries; return how many, CPU seconds of the service, of its processes, of reading and search, time, refusals."""
    before, parts = load.taken(pid), struct.unpack("dd", took[:])
    heard = callers.closed(seconds, _AT_ONCE)
    after, now = load.taken(pid), struct.unpack("dd", took[:])
    count = sum(each.status == 200 for each in heard)
    spent = (after.own - before.own, after.children - before.children, now[0] - parts[0], now[1] - parts[1])
    return (count, *spent, seconds, len(heard) - count)


def _trivial(callers: Callers, pid: int) -> Sequence[float]:
    """Ask for the trivial path; return how often, the CPU seconds of the service, and the time."""
    before, seconds = sum(load.taken(pid)), 2.0
    heard = callers.closed(seconds, _TRIVIAL_AT_ONCE, _TRIVIAL)
    return sum(each.status == 200 for each in heard), sum(load.taken(pid)) - before, seconds
