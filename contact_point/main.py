"""Where an installation is put together and served. The one clock is read here.

A command opens an installation with what it needs: the store always, the gallery where it searches, the connection to the
other contact point where it sends.
"""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from contact_point import delivery, disposal, settings, tls
from contact_point.client import Client
from contact_point.holdings import Holdings
from contact_point.keys import KeySlots, SigningKey, erasure_warning
from contact_point.nist.reading import JAIL
from contact_point.prints import PrintReader
from contact_point.service import Installation
from contact_point.settings import Designation, SettingsError
from contact_point.store import Store
from contact_point.tls import Pin
from matcher import warm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import uvicorn

    from contact_point.settings import Settings

_log = logging.getLogger("contact_point")

TICK: Final = 60.0
"""Seconds between two looks at what is due by the clock alone."""


def clock() -> datetime:
    """Return the time, in UTC: the only place where it is read."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one clock


@contextmanager
def opened(root: Path, *, gallery: bool = False) -> Iterator[Installation]:
    """Open the installation in ``root``; with ``gallery``, load its prints so that queries can be answered.

    Raises:
        SettingsError, KeysError: the folder is not a whole installation.

    """
    found = settings.read(root)
    folder = found.folder
    with ExitStack() as stack:
        store = Store(folder.database, KeySlots.open(folder.exchange_slots), KeySlots.open(folder.gallery_slots))
        stack.callback(store.close)
        yield Installation(
            settings=found,
            store=store,
            reader=PrintReader(threads=found.threads),
            holdings=Holdings(store, found.party, threads=found.threads) if gallery else None,
            other=None if found.other is None else stack.enter_context(_client(found, found.other)),
        )


def _client(found: Settings, other: Designation) -> Client:
    """Return the connection to the other contact point, which is made at the first message."""
    context = tls.client_context(
        certificate=found.folder.certificate,
        key=found.folder.certificate_key,
        peer_authority=found.folder.other_authority,
        pin=Pin(other.uri, frozenset(other.tls_keys)),
    )
    return Client(other, SigningKey.load(found.folder.signing_key), context)


def server(here: Installation) -> uvicorn.Server:
    """Return the server that answers the other contact point; run it with ``run()``.

    Raises:
        SettingsError: no contact point of the other Party is designated.

    """
    import uvicorn  # noqa: PLC0415 - the other commands start without the server
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415

    from contact_point import peer  # noqa: PLC0415

    found = here.settings
    if found.other is None:
        raise SettingsError(
            "Art. 3(2): no contact point of the other Party is designated, so nobody could be answered: enter its card "
            "with `pcsc designate CARD --note NOTE`"
        )
    context = tls.server_context(
        certificate=found.folder.certificate,
        key=found.folder.certificate_key,
        peer_authority=found.folder.other_authority,
    )
    return uvicorn.Server(
        uvicorn.Config(
            peer.build(here, SigningKey.load(found.folder.signing_key), found.other, clock),
            host=found.host,
            port=found.port,
            http=tls.protocol(HttpToolsProtocol),
            ws="none",
            loop="uvloop",
            ssl_context_factory=lambda _config, _default: context,
            log_config=None,
            server_header=False,
            access_log=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=30,
        )
    )


def serve(root: Path) -> None:
    """Answer the other contact point until told to stop.

    Raises:
        SettingsError: there is no installation, or no contact point of the other Party is designated.

    """
    with opened(root, gallery=True) as here:
        found = here.settings
        answering = server(here)
        for slots in (found.folder.exchange_slots, found.folder.gallery_slots):
            if (warning := erasure_warning(slots)) is not None:
                _log.warning("%s", warning)
        ready = warm.warm()  # before anybody waits for an answer
        for remark in ready.remarks:
            _log.warning("%s", remark)
        _log.info("%s", ready)
        # Started now rather than at the first query, and said aloud: without a system call filter it holds less.
        _log.info("what others send is read in a jail: %s", JAIL.confinement)
        disposal.recover(here, clock())
        _log.info("%s holds %d persons and will answer at %s", found.name, len(here.holdings or ()), found.address)
        with _ticking(here):
            try:
                answering.run()
            except SystemExit:  # the server's own way to say that it could not start, after logging why
                raise SettingsError(
                    f"the service could not start at {found.address}: the lines above say why"
                ) from None


@contextmanager
def _ticking(here: Installation) -> Iterator[None]:
    """Do what is due by the clock alone, and send again what did not arrive, every minute until the end of the block."""
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(TICK):
            try:
                disposal.discharge(here, clock())
                for outcome in delivery.resume(here, clock):
                    if isinstance(outcome, Exception):
                        _log.warning("a message waits: %s", outcome)
            except Exception:  # noqa: BLE001 - the next minute tries again, whatever it was
                _log.exception("what was due could not be done; it is tried again in %d seconds", TICK)

    thread = threading.Thread(target=tick, name="duties", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
