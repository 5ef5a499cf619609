"""The database of each contact point of a rehearsal: a file in its folder, or one on a PostgreSQL server.

Files are copied with their folder. On a server each act begins from a copy of the database that the act before left; a copy
is made from a template, by the server. The server is never killed here, so it need not write to the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from tests.contact_point.databases import Server

_PARTIES: Final = ("JP", "US")


class Databases(Protocol):
    """What a rehearsal needs of the databases of its two contact points."""

    urls: dict[str, str]
    """By Party; empty for files."""

    def save(self, name: str) -> None:
        """Keep both as they are now, under a name."""

    def restore(self, name: str) -> None:
        """Make both what they were under a name."""


class Files:
    """Files in the folders: there is nothing to do but to copy the folders."""

    def __init__(self) -> None:
        self.urls: dict[str, str] = {}

    def save(self, name: str) -> None:
        """Do nothing."""

    def restore(self, name: str) -> None:
        """Do nothing."""


class OnServer:
    """Two databases on a server of PostgreSQL."""

    def __init__(self, server: Server) -> None:
        """Make two empty ones."""
        self._server = server
        self._now = {party: server.fresh() for party in _PARTIES}
        self._kept: dict[tuple[str, str], str] = {}
        self.urls = {party: server.url(name) for party, name in self._now.items()}

    def save(self, name: str) -> None:
        """Keep both as they are now, under a name."""
        for party, now in self._now.items():
            self._kept[party, name] = f"{now}_{len(self._kept)}"
            self._copy(now, self._kept[party, name])

    def restore(self, name: str) -> None:
        """Make both what they were under a name."""
        for party, now in self._now.items():
            self._server.drop(now)
            self._copy(self._kept[party, name], now)

    def _copy(self, of: str, to: str) -> None:
        self._server.run(f"CREATE DATABASE {to} TEMPLATE {of} OWNER pcsc")


def on_server(*, durable: bool = False) -> OnServer | None:
    """Return databases on the one server of this process; None where PostgreSQL is not installed.

    Unless it is to be ``durable``, the server, which is not killed, waits for no disk from then on.
    """
    try:
        from tests.contact_point import databases  # noqa: PLC0415 - psycopg and the server are installed where they are wanted
    except ImportError:
        return None
    if (server := databases.server()) is None:
        return None
    if not durable:
        server.run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    return OnServer(server)
