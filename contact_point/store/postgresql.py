"""The store in PostgreSQL, from version 15 on, through psycopg 3.

Each transaction begins with one advisory lock for all, so there is one writer at a time here too, and no anomaly of isolation
can matter; READ COMMITTED, because a snapshot taken before the lock would be of the time before the wait. A lock and a
statement are waited for by the server, and the server by :class:`_Bounded`: one that does not answer is a failure, no wait.

What is deleted stays in the server's files: VACUUM gives its place free and leaves the bytes, in tables and in indexes. Of
content they are ciphertext whose key is gone. A record had its control number, its days and its states in clear besides, so
the tables that name exchanges are written anew after its term (:meth:`PostgreSQL.purge`), and no statistics are kept of their
texts, as ANALYZE would copy them. The server's log (WAL), its archive and base backups are the operator's to end.

What is bound to a statement goes beside it and never inside, and most of it is ciphertext. What a server's settings would
write of it into logs is turned off for the session where the server allows that, and told by :meth:`PostgreSQL.warnings`
where it does not.
"""

from __future__ import annotations

import logging
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import psycopg
from sqlalchemy import Connection, bindparam, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from contact_point.store.database import CONNECTIONS, DEADLINE, KEPT, WAIT
from contact_point.store.errors import StoreError
from contact_point.store.tables import OF_EXCHANGES

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import URL

_log = logging.getLogger("contact_point.store")

LOCK: Final = int.from_bytes(b"pcsc")
"""The number of the advisory lock that every transaction holds."""

LEAST_VERSION: Final = 15
"""The first PostgreSQL that tells whether a role may set a parameter."""

_IDLE: Final = 60.0  # seconds that a process which was stopped in a transaction may keep everybody else from writing
_LONGER: Final = 1.0  # seconds that a statement may take longer than a wait for a lock, and the server than a statement
_LEAST_TO_CONNECT: Final = 2  # seconds; the driver takes no less

_FOR_OTHERS: Final = 1.0  # seconds that writing a table anew waits for whoever uses it, and keeps all others waiting
_REWRITING: Final = 600.0  # seconds that writing one table anew may take
_SHARE: Final = 1000  # writing tables anew takes no more than one part in so many of the time,
_LONGEST: Final = 6 * 3600.0  # but no record waits longer for it than so many seconds: it has a day (Article 11(3))

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

_READ: Final = """
SELECT EXISTS (SELECT FROM pg_stat_activity
WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
  AND backend_type IS DISTINCT FROM 'autovacuum worker')
"""

_OLDER: Final = """
SELECT relname FROM pg_class WHERE oid = ANY(%(tables)s::regclass[]) AND age(relfrozenxid) > age(%(now)s::xid)
"""

_LOG_FILES: Final = """
SELECT name, setting FROM pg_settings WHERE name IN ('min_wal_size', 'wal_keep_size', 'wal_segment_size', 'archive_timeout')
"""
_HALF_A_DAY: Final = 12 * 3600  # seconds: a record has a day, of which its tables may take half

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
        self._next_purge = 0.0  # on the monotonic clock
        # hide_parameters: an error's text must not carry what was bound (Article 9).
        self.engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,  # what a restart of the server cut off is noticed before anything is done
            pool_size=KEPT,
            max_overflow=CONNECTIONS - KEPT,
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
        """Return True: deleted content was ciphertext whose key is gone, wherever the server keeps it."""
        return True

    def purge(self) -> bool:
        """Write the tables that name exchanges anew, one after the other; return whether nothing erased before is in them.

        Costs 8 s of the server for each GB, and room for a second copy of the largest table; a table is locked meanwhile, and
        whoever wants it longer than the store's patience is refused. So it takes at most a thousandth of the time, and is not
        begun again before; at the latest after six hours. A transaction or backup that began before, and still reads,
        prevents it; False then, as where it is too early, and the next one does it.
        """
        if monotonic() < self._next_purge:
            return False
        cost = 0.0  # what was not begun is tried with the next look
        try:
            with closing(self.engine.raw_connection()) as pooled:
                own = cast("_Bounded", pooled.driver_connection)
                pooled.detach()  # its limits are not those of the others
                if _is_read(own):
                    left = ["somebody reads them since before"]
                else:
                    begun = monotonic()
                    try:
                        left = _rewritten(own)
                    finally:
                        cost = monotonic() - begun
        except (DBAPIError, psycopg.Error, PoolTimeoutError) as error:
            left = [str(error).partition("\n")[0]]
        self._next_purge = monotonic() + min(_SHARE * cost, _LONGEST)
        if left:
            _log.warning("Art. 11(3): the tables could not be written anew, it is tried again: %s", ", ".join(left))
        return not left

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
        if (lasting := _log_lasts(connection)) is not None:
            said.append(
                f"Art. 11(3): PostgreSQL keeps what was deleted in its log (WAL) {lasting}: set archive_timeout, with an "
                "archive or without, so that it is half a day at most, such as to 1h"
            )
        if clear:
            said.append("Art. 9: the connection to PostgreSQL is not encrypted: use sslmode=verify-full")
        return said


def _left() -> float | None:
    """Return how many seconds the server has until the transaction must have begun, or None where one is under way."""
    deadline = DEADLINE.get()
    # The server is given longer than a wait for a lock, so that its own word on that comes first.
    return None if deadline is None else max(0.0, deadline - monotonic()) + _LONGER


def _log_lasts(connection: Connection) -> str | None:
    """Return how long the server's log keeps what was written to it once, or None where that is half a day at most.

    Files that have served are used again, their bytes as they were until then: as many as it keeps, the one that is written and
    the one that waits for its checkpoint.
    """
    setting = {row.name: int(row.setting) for row in connection.exec_driver_sql(_LOG_FILES)}
    files = max(setting["min_wal_size"], setting["wal_keep_size"]) * 2**20 // setting["wal_segment_size"] + 2
    seconds = files * setting["archive_timeout"]
    if not seconds:
        return f"until {files} files of it are full (archive_timeout is 0)"
    return f"for {seconds / 3600:.0f} hours (archive_timeout)" if seconds > _HALF_A_DAY else None


def _is_read(connection: _Bounded) -> bool:
    """Whether another session sees rows as they were: what was deleted since would be written anew with the others."""
    connection.autocommit = True
    ((read,),) = connection.execute(_READ)
    return bool(read)


def _rewritten(connection: _Bounded) -> list[str]:
    """Write every table that names exchanges anew; return those that may still have rows of a transaction before this one.

    A table tells it: everything older than its ``relfrozenxid`` is either frozen in it or gone.
    """
    tables = [table.name for table in OF_EXCHANGES]
    connection.patience = _REWRITING + _LONGER
    limits = {"lock_timeout": _milliseconds(_FOR_OTHERS), "statement_timeout": _milliseconds(_REWRITING)}
    connection.execute(_SET, {"names": list(limits), "values": list(limits.values())})
    with connection.transaction():
        connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})".encode())  # who began before has ended
        ((now,),) = connection.execute("SELECT pg_current_xact_id()::xid::text")
    for name in tables:
        connection.execute(f"VACUUM (FULL) {name}".encode())
    older = connection.execute(_OLDER, {"tables": tables, "now": now})
    return [f"{name} may have rows from before: somebody reads them, or it is another role's" for (name,) in older]


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
