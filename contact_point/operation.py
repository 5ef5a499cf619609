"""What a running service tells whoever looks after it: ``GET /health`` and ``GET /metrics``, in plain HTTP on a loopback port.

Off unless ``installation.toml`` names a port (``[operation] port = N``), and never bound to an address that others reach. There
is no personal data and no free value in it: numbers, states and words of this program. It does tell matches from no matches,
which no other Party and no network may learn from here (Articles 4(4), 9): the port is as private as the machine.

1. :class:`Watch` counts what the service answers (:meth:`Watch.measured` wraps the application) and what the record says was
   done, by whatever process: an examiner's determination is a command of its own. Both count from the start of the service.
2. :meth:`Watch.health` says what :mod:`contact_point.health` finds; :meth:`Watch.metrics` is in Prometheus' text format 0.0.4.
3. :func:`told` serves both until the end of a block; :func:`notify` tells the service manager.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections import Counter as Counts
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contact_point import due, hardening, health, wire, witness
from contact_point.health import Finding, Level
from contact_point.keys import KeysError
from contact_point.nist.reading import JAIL
from contact_point.settings import SettingsError
from contact_point.store import StoreError
from pcsc.errors import RecordError
from pcsc.records import Direction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
    from datetime import datetime

    from prometheus_client.core import Metric

    from contact_point.admission import Lanes
    from contact_point.service import Installation
    from contact_point.settings import Operation
    from contact_point.store import Transaction

    Message = MutableMapping[str, Any]
    Application = Callable[
        [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
    ]

_log = logging.getLogger("contact_point.operation")

disable_created_metrics()  # type: ignore[no-untyped-call] # when a figure was first counted is the time of an act

ROUTES: Final = {path: path.rsplit("/", 1)[-1] for path in wire.PATHS.values()}
"""What a request is counted as, by its path; anything else is "other"."""

BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds. The same for what matched and what did not: how long a query took is not told apart by that (Article 4(4))."""

DELAYS: Final = (0.1, 0.5, 1.0, 5.0, 60.0, 3600.0, 86_400.0)
"""Seconds from what ended the need for content to the destruction of its key: a day is the most (Articles 8(1), 8(2))."""

ANEW: Final = 5.0
"""Seconds for which what was looked at is told again: whoever asks more often does not wear the disk."""

_AT_ONCE: Final = 8  # requests served at a time; whoever may open a local port could hold every one of them open
_PATIENCE: Final = 5.0  # seconds for one request to come


class Watch:
    """What is counted and looked at in one running service. Thread-safe."""

    def __init__(self, here: Installation, failing: Callable[[], int] = lambda: 0) -> None:
        """Begin to count; ``failing`` says how much of what is due the worker puts off."""
        self._here = here
        self._failing = failing
        self._reading = threading.Lock()
        self._looking = threading.Lock()
        self._found: tuple[float, list[Finding]] | None = None
        self._lanes: Lanes | None = None
        self._figures = figures = CollectorRegistry()
        told = "Requests of the other contact point, by how they ended."
        self._requests = Histogram(
            "pcsc_request_seconds", told, ("route", "outcome"), buckets=BUCKETS, registry=figures
        )
        told = "Requests that are being answered."
        self._under_way = Gauge("pcsc_requests_under_way", told, registry=figures)
        told = "Messages that were recorded since the start."
        self._recorded = Counter("pcsc_messages", told, ("event", "direction"), registry=figures)
        told = "From what ended the need for content to the destruction of its key, since the start."
        self._deletions = Histogram("pcsc_deletion_delay_seconds", told, ("clause",), buckets=DELAYS, registry=figures)
        ProcessCollector(registry=figures)
        with here.store.reading() as tx:
            self._next = tx.next_entry()

    def measured(self, application: Application, lanes: Lanes | None = None) -> Application:
        """Return the application, every request of which is counted by route, class of outcome and time.

        ``lanes`` are where its messages wait.
        """
        self._lanes = lanes

        def begun(route: str) -> Callable[[str], None]:
            since = time.monotonic()
            self._under_way.inc()

            def ended(outcome: str) -> None:
                self._under_way.dec()
                self._requests.labels(route, outcome).observe(time.monotonic() - since)

            return ended

        return observed(application, begun)

    # Health

    def health(self, now: datetime) -> list[Finding]:
        """Return what a look finds; the same as before within :data:`ANEW`."""
        with self._looking:
            if self._found is None or time.monotonic() - self._found[0] >= ANEW:
                found = health.examine(self._here, now, served=True, failing=self._failing())
                self._found = time.monotonic(), found
            return self._found[1]

    # Metrics

    def metrics(self, now: datetime) -> str:
        """Return every figure in the Prometheus text format."""
        looked = CollectorRegistry()
        looked.register(_Looked(list(self._gauges(now))))
        return (generate_latest(looked) + generate_latest(self._figures)).decode()

    def _gauges(self, now: datetime) -> Iterator[Metric]:
        found = self.health(now)
        well = {each.what: all(other.level is Level.OK for other in found if other.what == each.what) for each in found}
        told = "1 where a look finds all well, 0 where it warns or fails."
        yield _gauge("pcsc_health", told, ("what",), {(what,): float(value) for what, value in well.items()})
        with contextlib.suppress(RecordError, StoreError, KeysError):  # the store or a token is away: health says so
            yield from self._stored(now)
        waiting = 0 if self._lanes is None else self._lanes.waiting()
        yield _gauge("pcsc_requests_queued", "Requests that wait for a place.", (), {(): waiting})
        told = "Processes in which what others sent is read."
        yield _gauge("pcsc_jail_children", told, (), {(): JAIL.children()})

    def _stored(self, now: datetime) -> Iterator[Metric]:
        """Yield what the store tells, all of it at one moment."""
        with self._here.store.reading() as tx:
            self._count(tx)
            exchanges, kinds, late = tx.counted(), tx.kinds_held(), tx.due_before(now - health.LATE)
            standing = witness.standing(self._here, tx)
        waiting, age = health.outbox(self._here, now)
        told = "Exchanges of which there is a record, by side and state."
        counts: dict[tuple[str, ...], int] = {
            (side.value, state.value): count for (side, state), count in exchanges.items()
        }
        yield _gauge("pcsc_exchanges", told, ("side", "state"), counts)
        told = "Pieces of content that are held, each under a key of its own."
        yield _gauge("pcsc_content", told, ("kind",), {(kind.value,): count for kind, count in kinds.items()})
        told = "What is due for more than five minutes."
        yield _gauge("pcsc_due_late", told, ("what",), Counts((_word(each.what),) for each in late))
        yield _gauge("pcsc_due_failing", "What is due, failed, and is tried again.", (), {(): self._failing()})
        yield _gauge("pcsc_outbox_messages", "Messages that wait to be delivered.", (), {(): waiting})
        yield _gauge("pcsc_outbox_age_seconds", "For how long, at most.", (), {(): age.total_seconds()})
        yield _gauge("pcsc_record_unwitnessed", "Entries that are not witnessed yet.", (), {(): standing.behind})
        yield _gauge("pcsc_record_forks", "Contradicting checkpoints that are kept.", (), {(): standing.forks})

    def _count(self, tx: Transaction) -> None:
        """Count what was recorded since the last time, by whatever process; costs that, and nothing before."""
        with self._reading:
            for entry in tx.entries(since=self._next):
                self._next = entry.number + 1
                if entry.direction is not Direction.ACT:
                    self._recorded.labels(entry.event, entry.direction.value).inc()
                elif entry.event == "deletion":
                    before = [
                        each.at
                        for each in tx.entries(entry.exchange)
                        if each.event != "deletion" and each.at <= entry.at
                    ]
                    delay = entry.at - max(before, default=entry.at)
                    self._deletions.labels(entry.article).observe(delay.total_seconds())


def observed(application: Application, begun: Callable[[str], Callable[[str], None]]) -> Application:
    """Return the application; of each request ``begun`` is told the resource, and what it returns the outcome.

    Both are words of this program: :data:`ROUTES`, and answered, refused, unavailable or lost.
    """

    async def observing(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        ended = begun(ROUTES.get(scope["path"], "other"))
        try:
            await application(scope, receive, sent)
        finally:
            ended(_outcome(status))

    return observing


def _outcome(status: int) -> str:
    """Return the class of an outcome; "lost" where the request ended without an answer."""
    classes = {2: "answered", 4: "refused", 5: "unavailable"}
    return classes.get(status // 100, "lost")


def _word(what: str) -> str:
    """Return which kind of thing is due: what follows the first word of some names a message or a slot."""
    return what if what in {due.LAPSE_BELIEVED, due.EXPIRE_BELIEVED} else what.partition(" ")[0]


class _Looked(Collector):
    """Figures that were looked at once."""

    def __init__(self, gauges: list[Metric]) -> None:
        self._gauges = gauges

    def collect(self) -> list[Metric]:
        """Return them."""
        return self._gauges


def _gauge(name: str, told: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]) -> Metric:
    gauge = GaugeMetricFamily(name, told, labels=labels)
    for each, value in sorted(values.items()):
        gauge.add_metric(each, value)
    return gauge


# The loopback port


class _Server(ThreadingMixIn, HTTPServer):
    """Serves a few requests at a time, each by a thread that ends with the process."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, at: Operation, watch: Watch, clock: Callable[[], datetime]) -> None:
        address = ip_address(at.host)
        if not address.is_loopback:  # settings refuse it before; a socket is bound by this line alone
            raise SettingsError(
                f"health and metrics are told on a loopback address alone (Art. 4(4), 9); got {address}"
            )
        self.address_family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        self.watch = watch
        self.clock = clock
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__((str(address), at.port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve in a thread of its own, or not at all where too many ask."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one request, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Log what went wrong, in place of writing it to standard error."""
        _log.exception("a request for health or metrics failed")


class _Handler(BaseHTTPRequestHandler):
    """Answers GET /health and GET /metrics."""

    server: _Server
    timeout = _PATIENCE
    server_version = "pcsc"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer; what is asked by another name than this machine's own was sent here by somebody's page."""
        now = self.server.clock()
        if not _is_local(self.headers.get("Host", "")):
            self._answer(403, "text/plain", "ask by a loopback address\n")
        elif self.path == "/health":
            found = self.server.watch.health(now)
            level = health.worst(found)
            told = {"status": level, "at": now.isoformat(), "found": [asdict(each) for each in found]}
            self._answer(503 if level is Level.FAILING else 200, "application/json", json.dumps(told) + "\n")
        elif self.path == "/metrics":
            self._answer(200, "text/plain; version=0.0.4", self.server.watch.metrics(now))
        else:
            self._answer(404, "text/plain", "there are /health and /metrics\n")

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the library calls it by
        """Log nothing: who asks is this machine, and asks every few seconds."""


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    try:
        return name == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


@contextmanager
def told(at: Operation, watch: Watch, clock: Callable[[], datetime]) -> Iterator[str]:
    """Serve health and metrics until the end of the block; yield their address.

    Raises:
        SettingsError: the address is none of this machine's own, or is taken.

    """
    try:
        server = _Server(at, watch, clock)
    except OSError as error:
        raise SettingsError(
            f"[operation]: health and metrics cannot be told at {at.host} port {at.port}: {hardening.said(error)}; free the "
            "port, or name another one"
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="operation", daemon=True)
    thread.start()
    try:
        host, port, *_ = server.server_address
        yield f"http://{f'[{host!s}]' if ':' in str(host) else host!s}:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def notify(state: str) -> None:
    """Tell the system's service manager, where one wants to know (sd_notify(3)); nobody is told of what it says elsewhere."""
    if not (address := os.environ.get("NOTIFY_SOCKET", "")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as said, contextlib.suppress(OSError):
        said.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
