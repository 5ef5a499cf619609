"""Contact points that are broken on purpose, so that a proof can be shown to find what it looks for.

Only the tests ask for one of these. A process that was broken stays so until its end.
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import event
from sqlalchemy.pool import Pool

from contact_point import disposal
from contact_point.store import Store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from contact_point.service import Installation
    from contact_point.store import Held, Transaction


def be(fault: str) -> None:
    """Break this process in one way; not at all where the name is empty."""
    if fault:
        FAULTS[fault]()


def _no_recovery() -> None:
    """Go on after an interruption as if nothing had been."""

    def recover(here: Installation, now: datetime) -> None:
        pass

    disposal.recover = recover


def _row_first() -> None:
    """Let the row of what is to go be gone for good before its key."""
    destroy, transaction = Store.destroy, Store.transaction
    doomed: dict[Store, list[Held]] = defaultdict(list)

    def destroy_later(self: Store, held: Sequence[Held]) -> None:
        doomed[self] += held

    @contextmanager
    def destroy_after(self: Store, *, waiting: bool = True) -> Iterator[Transaction]:
        with transaction(self, waiting=waiting) as tx:
            yield tx
        destroy(self, doomed.pop(self, []))

    Store.destroy = destroy_later  # type: ignore[method-assign]
    Store.transaction = destroy_after  # type: ignore[method-assign]


def _keys_unsynced() -> None:
    """Write and destroy keys without making it durable."""

    def fdatasync(fd: object) -> None:
        pass

    os.fdatasync = fdatasync


def _database_unsynced() -> None:
    """Commit without making it durable."""

    def unsync(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Pool, "checkout", unsync)


FAULTS: Final[dict[str, Callable[[], None]]] = {
    "no recovery": _no_recovery,
    "row first": _row_first,
    "keys unsynced": _keys_unsynced,
    "database unsynced": _database_unsynced,
}
"""Each way of being broken, by its name."""
