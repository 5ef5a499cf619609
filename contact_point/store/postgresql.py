"""The store in PostgreSQL, from version 15 on, through psycopg 3.

Each transaction begins with one advisory lock for all, so there is one writer at a time here too, and no anomaly of isolation
can matter; READ COMMITTED, because a snapshot taken before the lock would be of the time before the wait. A lock and a
statement are waited for by the server, and the server by :class:`_Bounded`: one that does not answer is a failure, no wait.

What is bound to a statement goes beside it and never inside, and most of it is ciphertext. What a server's settings would
write of it into logs is turned off for the session where the server allows that, and told by :meth:`PostgreSQL.warnings`
where it does not.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from sqlalchemy import Connection, bindparam, create_engine, event, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from contact_point.store.database import DEADLINE, WAIT
from contact_point.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import URL

LOCK: Final = int.from_bytes(b"pcsc")
"""The number of the advisory lock that every transaction holds."""

LEAST_VERSION: Final = 15
"""The first PostgreSQL that tells whether a role may set a parameter."""

_IDLE: Final = 60.0  # seconds that a process which was stopped in a transaction may keep everybody else from writing
_LONGER: Final = 1.0  # seconds that a statement may take longer than a wait for a lock, and the server than a statement
_LEAST_TO_CONNECT: Final = 2  # seconds; the driver takes no less

_QUIET: Final = {
    # setting: (what the session sets, what its log gives away otherwise)
    "log_statement": ("none", "statements"),
    "log_min_error_statement": ("panic", "statements that failed"),
    "log_min_duration_statement": ("-1", "statements that take long"),
    "log_min_duration_sample": ("-1", "statements that take long"),
    "log_transaction_sample_rate": ("0", "statements"),
    "log_parameter_max_length": ("0", "what was bound to statements that are logged"),
    "log_parameter_max_length_on_error": ("0", "what was bound to statements that failed"),
    "log_error_verbosity": ("terse", "the key that an error is about"),
    "auto_explain.log_min_duration": ("-1", "plans of statements"),
    "pgaudit.log_parameter": ("off", "what was bound to audited statements"),
}
_LOGGING: Final = (
    "log_statement",
    "log_min_duration_statement",
    "log_min_duration_sample",
    "log_transaction_sample_rate",
)
_DURABLE: Final = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}

_SET: Final = """
SELECT set_config(s.name, w.value, false) FROM pg_settings s
JOIN unnest(%(names)s::text[], %(values)s::text[]) AS w(name, value) ON s.name = w.name
WHERE s.context = 'user' OR (s.context = 'superuser' AND has_parameter_privilege(s.name, 'SET'))
"""

_IN_CLEAR: Final = """
SELECT NOT ssl AND inet_server_addr() IS NOT NULL AND inet_server_addr() <> inet_client_addr()
FROM pg_stat_ssl WHERE pid = pg_backend_pid()
"""

_T = TypeVar("_T")


class PostgreSQL:
    """The database at ``url``; a lock, a statement and the server are each waited for ``patience`` seconds.

    Raises:
        StoreError: the URL names another driver or no database, or the server is older than version 15.

    """

    def __init__(self, url: URL, patience: float) -> None:
        if url.drivername not in {"postgresql", "postgresql+psycopg"} or not url.database:
            raise StoreError(
                "the store is a path, or postgresql+psycopg://ROLE@HOST/DATABASE with a database of its own; got "
                f"{url.drivername}:// and {'no' if not url.database else 'a'} database: name one of these two"
            )
        self._patience = patience
        # hide_parameters: an error's text must not carry what was bound (Article 9).
        self.engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,  # what a restart of the server cut off is noticed before anything is done
            pool_timeout=patience,
            connect_args={"connect_timeout": max(_LEAST_TO_CONNECT, round(patience)), "application_name": "pcsc"},
        )
        event.listen(self.engine, "do_connect", self._connect)
        event.listen(self.engine, "begin", self._begin)

    def _connect(self, _dialect: object, _record: object, _arguments: object, named: dict[str, Any]) -> _Bounded:
        """Return a connection with what this session needs; no statement of ours is run before."""
        if (left := _left()) is not None:
            named = named | {"connect_timeout": max(_LEAST_TO_CONNECT, round(left))}
        connection = _Bounded.connect(**named, autocommit=True)
        if connection.info.server_version < LEAST_VERSION * 10_000:
            version = connection.info.server_version // 10_000
            connection.close()
            raise StoreError(f"the store needs PostgreSQL {LEAST_VERSION} or later; this server is version {version}")
        connection.patience = self._patience + 2 * _LONGER
        settings = {name: value for name, (value, _) in _QUIET.items()} | {
            "synchronous_commit": "on",
            "statement_timeout": _milliseconds(self._patience + _LONGER),
            "lock_timeout": _milliseconds(self._patience),
            "idle_in_transaction_session_timeout": _milliseconds(_IDLE),
            "default_transaction_read_only": "off",
        }
        connection.execute(_SET, {"names": list(settings), "values": list(settings.values())})
        connection.autocommit = False
        return connection

    def _begin(self, connection: Connection) -> None:
        wait = connection.get_execution_options().get(WAIT, self._patience)
        if wait is None:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        elif wait:
            limit = f"SET LOCAL lock_timeout = {_milliseconds(wait)}"
            connection.exec_driver_sql(f"{limit}; SELECT pg_advisory_xact_lock({LOCK})")
        elif not connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({LOCK})").scalar():
            raise PoolTimeoutError("another transaction is at work")

    def checkpoint(self) -> bool:
        """Return True: what is deleted here was ciphertext whose key is gone, wherever the server keeps it."""
        return True

    def warnings(self, connection: Connection) -> list[str]:
        """Return what the server's settings write to its log, do not make durable, or send in clear."""
        asked = text("SELECT name, setting FROM pg_settings WHERE name IN :names")
        asked = asked.bindparams(bindparam("names", expanding=True))
        found = {row.name: row.setting for row in connection.execute(asked, {"names": [*_QUIET, *_DURABLE]})}
        clear = connection.exec_driver_sql(_IN_CLEAR).scalar()
        if all(found[name] == _QUIET[name][0] for name in _LOGGING):
            del found["log_parameter_max_length"]  # no statement is logged that anything could be bound to
        said = [
            f"Art. 9: PostgreSQL logs {what} ({name} is {found[name]}, and {value} gives nothing away): change it, or let "
            "the role of this contact point set it (GRANT SET ON PARAMETER)"
            for name, (value, what) in _QUIET.items()
            if found.get(name, value) != value
        ]
        said += [
            f"Art. 11(1): PostgreSQL may lose what it said was durable ({name} is {found[name]}): set it to {value}"
            for name, value in _DURABLE.items()
            if found[name] != value
        ]
        if clear:
            said.append("Art. 9: the connection to PostgreSQL is not encrypted: use sslmode=verify-full")
        return said


def _left() -> float | None:
    """Return how many seconds the server has until the transaction must have begun, or None where one is under way."""
    deadline = DEADLINE.get()
    # The server is given longer than a wait for a lock, so that its own word on that comes first.
    return None if deadline is None else max(0.0, deadline - monotonic()) + _LONGER


def _milliseconds(seconds: float) -> str:
    """Return a limit as the server takes it, to which 0 would be none."""
    return str(max(1, round(seconds * 1000)))


class _Bounded(psycopg.Connection[Any]):
    """A connection that gives up a server which does not answer."""

    patience: float | None = None

    def wait(self, gen: Generator[Any, Any, _T], interval: float = 0.1, timeout: float | None = None) -> _T:
        """Drive an exchange with the server to its end.

        Raises:
            OperationalError: it took longer than the server may take; the connection is closed.

        """
        limits = (self.patience if timeout is None else timeout, _left())
        limit = min((each for each in limits if each is not None), default=None)
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status != psycopg.pq.TransactionStatus.ACTIVE:
                raise  # the server's own word
            self.pgconn.finish()
            raise psycopg.OperationalError(f"PostgreSQL did not answer within {limit:.3g} seconds") from None
