"""Where an installation is put together and served. The one clock is read here.

A command opens an installation with what it needs: the store always, the gallery where it searches, the connection to the
other contact point where it sends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from contact_point import delivery, disposal, due, expiry, installation, operation, settings, telemetry, tls, witness
from contact_point.hardening import give_back, harden
from contact_point.holdings import Holdings
from contact_point.identity import Identity
from contact_point.keys import KeySlots, SigningKey
from contact_point.keys.erasure import check_erasure
from contact_point.keys.tokens import TokenWrapping
from contact_point.nist.reading import JAIL
from contact_point.prints import PrintReader
from contact_point.service import Installation
from contact_point.settings import SettingsError
from contact_point.store import Store
from contact_point.timekeeping import Guard
from contact_point.transport import Client
from matcher import warm
from pcsc.errors import NoArrangementError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import uvicorn
    from opentelemetry.trace import Tracer

    from contact_point.due import Worker
    from contact_point.operation import Application, Watch
    from contact_point.settings import Settings
    from contact_point.store import Transaction
    from pcsc.exchange import Exchange

_log = logging.getLogger("contact_point")

ALIVE: Final = 15
"""Seconds between two signs of life of the loop that answers."""

TICK: Final = 60.0
"""Seconds between two looks at what is due by the clock alone."""


def clock() -> datetime:
    """Return the time, in UTC: the only place where it is read."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one clock


@contextmanager
def opened(root: Path, *, gallery: bool = False) -> Iterator[Installation]:
    """Open the installation in ``root``; with ``gallery``, load its prints so that queries can be answered.

    Raises:
        SettingsError, KeysError: the folder is not a whole installation, or its keys lie where destroying one may not erase it.

    """
    found = settings.read(root)
    folder = found.folder
    check_erasure(folder.slots, token=found.keys.token is not None)  # Art. 8, 9: before any print is held
    with ExitStack() as stack:
        wrapping = installation.wrapping(root, found.keys)
        slots = [KeySlots.open(path, wrapping=wrapping) for path in folder.slots]
        guard = Guard()
        store = Store(found.server or folder.database, *slots, plan=lambda tx, each: _plan(found, guard, tx, each))
        stack.callback(store.close)
        identity = None if found.other is None else Identity(folder, clock)
        yield Installation(
            settings=found,
            store=store,
            reader=PrintReader(threads=found.threads),
            clock=clock,
            guard=guard,
            holdings=Holdings(store, found.party, threads=found.threads) if gallery else None,
            other=None
            if identity is None
            else stack.enter_context(Client(identity, SigningKey.load(folder.signing_key))),
            identity=identity,
        )


def _plan(found: Settings, guard: Guard, tx: Transaction, exchange: Exchange) -> None:
    """Write down what is due in an exchange that took a step; where no arrangement is in force, the worker does it later."""
    with contextlib.suppress(NoArrangementError):
        due.plan(tx, exchange, found.arrangement(clock()), doubted=guard.doubts(tx, clock()))


def server(here: Installation, watch: Watch | None = None, tracer: Tracer | None = None) -> uvicorn.Server:
    """Return the server that answers the other contact point; run it with ``run()``. A ``watch`` counts what it answers.

    With a ``tracer`` each request makes a span of it. Told to stop, it accepts nobody any more, finishes what is at work, hands
    the rest back (503) and ends, within :data:`contact_point.reception.STOPPED` seconds.

    Raises:
        SettingsError: a designation is not in effect (Article 3(2)), or others reach the socket of a proxy.

    """
    import uvicorn  # noqa: PLC0415 - the other commands start without the server

    from contact_point import peer, reception  # noqa: PLC0415

    found = here.settings
    identity = here.identity
    if identity is None:
        raise SettingsError(found.lacking)
    where: dict[str, Any] = {
        "host": found.host,
        "port": found.port,
        "http": tls.protocol(reception.Patient),
        "ssl_context_factory": lambda _config, _default: identity.server,
    }
    if found.proxy is not None:
        _check_private(found.proxy.socket.parent)
        behind = tls.protocol_behind_proxy(reception.Patient, found.proxy.uid)
        where = {"uds": str(found.proxy.socket), "http": behind}
    lanes = peer.lanes()
    application: Application = peer.build(here, SigningKey.load(found.folder.signing_key), identity, clock, lanes)
    if tracer is not None:
        application = telemetry.traced(application, tracer)
    return reception.Server(
        uvicorn.Config(
            application if watch is None else watch.measured(application, lanes),
            **where,
            ws="none",
            loop=f"{reception.__name__}:Loop",
            proxy_headers=False,
            log_config=None,
            server_header=False,
            access_log=False,
            timeout_keep_alive=reception.KEPT,
            timeout_graceful_shutdown=reception.STOPPED,
            callback_notify=_answering,
            timeout_notify=ALIVE,
        ),
        lanes,
    )


def _check_private(folder: Path) -> None:
    """Refuse a folder in which anybody could put a socket of the same name, or reach ours."""
    found = folder.stat() if folder.is_dir() else None
    if found is None or found.st_uid != os.geteuid() or found.st_mode & 0o027:
        raise SettingsError(
            f"Art. 9: the socket of the proxy lies in a folder of our own that its group may enter and nobody else; {folder} "
            "is none: make it with `install -d -m 0710 -g GROUP_OF_THE_PROXY FOLDER`"
        )


async def _answering() -> None:
    """Say that the service has begun to answer, and that its loop still turns: WatchdogSec is to be longer than that takes."""
    operation.notify("READY=1\nWATCHDOG=1")


def serve(root: Path) -> None:
    """Answer the other contact point until told to stop.

    Raises:
        SettingsError: there is no installation, or a designation is not in effect (Article 3(2)).

    """
    with opened(root) as here:  # first of all: what is to go goes, also where the service cannot start
        disposal.recover(here, clock())
        disposal.worker(here, here.guard, name="start").work(clock, boottime)
    with telemetry.tracing(settings.read(root).telemetry) as tracer, opened(root, gallery=True) as here:
        found = here.settings
        worker = disposal.worker(here, here.guard, name="duties")
        watch = operation.Watch(here, lambda: worker.failing) if found.operation.port else None
        answering = server(here, watch, tracer)
        remarks = _remarks(here)
        ready = warm.warm()  # before anybody waits for an answer
        for remark in (*harden(), *remarks, *here.store.warnings(), *ready.remarks):
            _log.warning("%s", remark)
        _log.info("%s", ready)
        # Started now rather than at the first query, and said aloud: without a system call filter it holds less.
        _log.info("what others send is read in a jail: %s", JAIL.confinement)
        _log.info("%s holds %d persons and will answer at %s", found.name, len(here.holdings or ()), found.address)
        with _telling(here, watch), _ticking(here, worker):
            try:
                answering.run()
            except SystemExit:  # the server's own way to say that it could not start, after logging why
                raise SettingsError(
                    f"the service could not start at {found.address}: the lines above say why"
                ) from None


def _remarks(here: Installation) -> list[str]:
    """Return what the operator should know of where the keys lie, and of whom is trusted."""
    found = here.settings
    wrapping = installation.wrapping(found.folder.root, found.keys)
    token = wrapping.check() if isinstance(wrapping, TokenWrapping) else []
    trust = [] if here.identity is None else here.identity.remarks()
    trust += [each.told(clock()) for each in expiry.expiries(found.folder) if each.soon(clock())]
    return [*check_erasure(found.folder.slots, token=found.keys.token is not None), *token, *trust]


@contextmanager
def _telling(here: Installation, watch: Watch | None) -> Iterator[None]:
    """Tell of health and figures on the loopback port until the end of the block, where one is named."""
    if watch is None:
        yield
        return
    with operation.told(here.settings.operation, watch, clock) as address:
        _log.info("health and metrics are told at %s, and to nobody else", address)
        yield


@contextmanager
def _ticking(here: Installation, worker: Worker) -> Iterator[None]:
    """Do what is due, renew the wrapping keys, and send again what did not arrive, every minute until the end of the block.

    SIGHUP makes it happen at once.
    """
    stop, wake = threading.Event(), threading.Event()
    acts = (
        lambda: worker.work(clock, boottime),
        lambda: _rotate(here),
        lambda: _resume(here),
        lambda: _catch_up(here),
        lambda: _look(here),
        give_back,
    )

    def tick() -> None:
        while True:
            for act in acts:
                try:
                    act()
                except Exception:  # noqa: BLE001 - the others go on, and the next minute tries again, whatever it was
                    _log.exception("what was due could not be done; it is tried again in %d seconds", TICK)
            wake.wait(TICK)
            wake.clear()
            if stop.is_set():
                return

    thread = threading.Thread(target=tick, name="duties", daemon=True)
    thread.start()
    before = signal.signal(signal.SIGHUP, lambda *_: wake.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
        stop.set()
        wake.set()
        thread.join()


def _rotate(here: Installation) -> None:
    """Replace the wrapping keys that are old enough: from then on no older copy of a slot file opens anything (Art. 8, 9)."""
    found = here.settings
    wrapping, after = installation.wrapping(found.folder.root, found.keys), timedelta(hours=found.keys.rotate_hours)
    for path in found.folder.slots:
        if KeySlots.open(path, wrapping=wrapping).rotate_if_due(clock(), after):
            _log.info("the wrapping key of %s was replaced", path.name)


def _resume(here: Installation) -> None:
    """Send again what did not arrive."""
    for outcome in delivery.resume(here, clock):
        if isinstance(outcome, Exception):
            _log.warning("a message waits: %s", outcome)


def _look(here: Installation) -> None:
    """Take up new certificates, designations and lists, or tell why not, also where nobody called."""
    if here.identity is not None:
        _ = here.identity.now


def _catch_up(here: Installation) -> None:
    """Let the other contact point witness what was recorded since the last message."""
    try:
        witness.catch_up(here, clock())
    except delivery.TROUBLE as error:
        _log.warning("Art. 11: the record waits to be witnessed: %s", error)


def boottime() -> float:
    """Return seconds that nobody sets and that go on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
