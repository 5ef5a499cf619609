"""What the store asks of a database, whichever it is."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

PATIENCE: Final = 5.0
"""Seconds that a lock, a statement and a connection are each waited for: nothing hangs, what waits longer is refused."""

KEPT: Final = 5
"""Connections that a process keeps open while nobody uses them."""

CONNECTIONS: Final = 15
"""Connections that a process has open at most: whoever wants one more waits, and is refused after :data:`PATIENCE`."""

WAIT: Final = "wait"
"""The execution option of a connection that says how many seconds its transaction may wait for the others to end; None is for
one that only reads, as everything was when it began, and waits for nobody."""

DEADLINE: Final[ContextVar[float | None]] = ContextVar("DEADLINE", default=None)
"""Until when, on the monotonic clock, a transaction that is about to begin has begun: connecting, looking whether a connection
still answers and waiting for the others all come out of one patience."""


class Database(Protocol):
    """One database, with one writer at a time: a transaction begins by taking the lock of all, and ends with it."""

    engine: Engine

    def checkpoint(self) -> bool:
        """Bring deletions to where the rows are; return whether nothing of them is left elsewhere."""

    def purge(self) -> bool:
        """Take what erased records had in clear out of the files of the tables; return whether nothing of it is left there."""

    def warnings(self, connection: Connection, /) -> list[str]:
        """Return what its settings give away or put at risk, a sentence each."""
