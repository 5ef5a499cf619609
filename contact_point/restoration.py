"""Restoring: another contact point, which has the record of one that was lost (docs/decisions/0029, 0032).

The lost tail cannot be made again, and a record that went on from an older copy under the same name would be a fork (Article
11, docs/decisions/0026). So what is restored has new keys and another URI, and is designated anew (Article 3(2)). In order:

1. The whole backup is read and checked, and nothing is written: seal, signature of the lost contact point, term, the record
   against what was signed of it.
2. An installation is made beside the place where it is to be, and filled in one transaction that ends after the last line.
3. It is moved to its place. Killed before that, there is nothing at the place, and the next restoration of the same backup goes
   on; after it, all of it is there.

What was held is gone with the machine (Articles 8(1), 8(2)): each exchange that was open ends, and its record says why. No
count or nonce goes back: the day of the restoration counts as used up, and for ten minutes nobody is answered.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from hashlib import file_digest
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from pydantic import TypeAdapter

from contact_point import backup, due, installation, main, notes, service, settings, wire
from contact_point.backup import bytes_of
from contact_point.installation import Plan
from contact_point.keys import SignatureError, VerifyingKey
from contact_point.settings import Designation, FormerKey, SettingsError, remember
from contact_point.store import Applied, Clock, Impression, Received, Subject
from contact_point.writing import put
from pcsc import checkpoints, duties, life, records
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.exchange import Exchange, Side, State
from pcsc.records import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contact_point.service import Installation
    from contact_point.store import Transaction

MARKER: Final = "restored-from.json"
"""Says from which backup an installation was restored."""

LOSS: Final = "loss"
"""The event of an exchange that ended because what was held for it was lost."""

_EXCHANGE: Final = TypeAdapter(Exchange)
_PLACE: Final = TypeAdapter(Recorded)
_TOGETHER: Final = 100  # persons whose keys are made durable together
_CLAUSE: Final = {Side.QUERYING: "8(2)", Side.QUERIED: "8(1)"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `pcsc restore` is told."""

    file: Path
    root: Path
    key: EllipticCurvePrivateKey
    card: Designation
    """Of the contact point that was lost, as it was notified: what it signed is verified with it."""
    plan: Callable[[Found], Plan]
    """Makes the plan of the installation from what the backup says of the lost one."""
    enrolled: frozenset[str] = frozenset()
    """Who is still to be in our own gallery, of those in the backup: whoever was removed since stays removed."""


@dataclass(slots=True)
class Found:
    """What a backup was found to hold."""

    header: backup.Header
    sha256: str
    name: str = ""
    host: str = ""
    port: int = 0
    threads: int = 1
    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[tuple[str, int, str]] = field(default_factory=list)
    seen: datetime | None = None
    exchanges: int = 0
    entries: int = 0
    persons: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and what was lost with the machine."""

    uri: str
    exchanges: int
    entries: int
    persons: int
    ended: int
    """Exchanges that were open, and ended."""
    left_out: int
    """Persons of the backup who are not enrolled any more, or of whom nobody said so."""
    answers_from: datetime
    queries_from: datetime


def restore(wanted: Wanted, now: datetime) -> Restored:
    """Make another contact point that has the record of the one that was lost; all of it, or nothing.

    Raises:
        SettingsError: the place is taken, or the URI is that of the lost contact point.
        RecordError: the backup is beyond its term, or its record is not what was signed of it.
        SealError, SignatureError: it is for another recovery key, was changed, or is of another contact point.

    """
    root, making = wanted.root, _beside(wanted.root)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise SettingsError(f"{root} is not empty: a contact point is restored into an empty folder; choose another")
    found = check(wanted, now)
    plan = wanted.plan(found)
    if plan.uri == found.header.uri:
        raise SettingsError(
            f"Art. 11: {plan.uri} is the contact point that was lost. Its record went on after the backup, and one that goes "
            "on from the backup is another: name another URI with --uri, and have it designated anew (Art. 3(2))"
        )
    _begin(wanted, found, plan, making, now)
    with main.opened(making) as here:
        restored = _fill(here, wanted, found, now)
    making.rename(root)  # from here on all of it is there
    _sync(root.absolute().parent)
    return restored


def _beside(root: Path) -> Path:
    return root.with_name(f"{root.name}.restoring")


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


# Checking: nothing is written


def check(wanted: Wanted, now: datetime) -> Found:
    """Read all of a backup and return what it holds; nothing is written.

    Raises:
        RecordError, SettingsError, SealError, SignatureError: as :func:`restore`.

    """
    by = VerifyingKey.from_pem(wanted.card.signing_key_pem.encode())
    with wanted.file.open("rb") as file:
        header = backup.header(file)
        _check_term(header, wanted, now)
        file.seek(0)
        digest = _digest(wanted.file)
        found = Found(header, digest)
        lines = backup.opened(file, wanted.key, by)
        for line in takewhile(lambda line: line[0] != "places", lines):
            _note(found, line)
        _check_clock(found, now)
        kept = _signed(found, wanted.card)
        records.verify(_places(lines, found), checkpoints=kept)
    return found


def _check_term(header: backup.Header, wanted: Wanted, now: datetime) -> None:
    if (header.uri, header.party) != (wanted.card.uri, wanted.card.party):
        raise SettingsError(
            f"the backup is of {header.uri}, and the card is that of {wanted.card.uri}: name the card of the contact point "
            "that was lost, as it was notified"
        )
    if now >= header.holds_until:
        raise RecordError(
            f"the backup was to be destroyed by {header.holds_until:%Y-%m-%d %H:%M} UTC: the first term in it has ended, or "
            "its days (Art. 11(3)). It is not restored: destroy it, and compare with the other Party's record instead"
        )


def _check_clock(found: Found, now: datetime) -> None:
    """Refuse to go on by a clock that is behind: terms would begin anew that have ended (Article 11(3))."""
    believed = max(found.header.made_at, found.seen or found.header.made_at)
    if now < believed - wire.MAX_AGE:
        raise RecordError(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, and the backup knows of {believed:%Y-%m-%d %H:%M} UTC: set the clock, "
            "since the terms of records depend on it (Art. 11(3))"
        )


def _note(found: Found, line: list[Any]) -> None:
    """Take in what comes before the record."""
    match line:
        case ["contact point", name, host, port, threads]:
            found.name, found.host, found.port, found.threads = name, host, port, threads
        case ["file", name, content]:
            if Path(name).parent not in {Path(), Path("arrangements")}:
                raise RecordError(f"a backup does not hold a file {name!r}: it was not written by this program")
            found.files[name] = bytes_of(content)
        case ["clock", seen]:
            found.seen = datetime.fromisoformat(seen)
        case ["note", origin, size, note]:
            found.notes.append((origin, size, note))
        case ["exchange", exchange, _]:
            _EXCHANGE.validate_python(exchange)
            found.exchanges += 1


def _signed(found: Found, card: Designation) -> list[checkpoints.Checkpoint]:
    """Return the last checkpoint of each tree that the lost contact point signed, with its key of that time."""
    text = found.files.get("former-keys.json", b"[]")
    former = [each for each in settings.parse_former(text) if each.uri == card.uri]
    keys = [VerifyingKey.from_pem(pem.encode()) for pem in (card.signing_key_pem, *(each.pem for each in former))]
    last = {origin: note for origin, _, note in found.notes if origin.startswith(f"{card.uri}/record/")}
    return [checkpoints.parse(_verified(note, card.uri, keys)) for note in last.values()]


def _verified(note: str, uri: str, keys: list[VerifyingKey]) -> str:
    for key in keys:
        try:
            return notes.verify(note, uri, key)
        except SignatureError:
            continue
    raise RecordError(
        "a checkpoint in the backup is not signed by the contact point whose record it is of; do not use it"
    )


def _places(lines: Iterator[list[Any]], found: Found) -> Iterator[Recorded]:
    """Yield the places of a backup, and take in who is in the gallery."""
    for line in lines:
        if line[0] == "place":
            yield _PLACE.validate_python(line[1])
        elif line[0] == "person":
            found.persons |= {line[1]}
        elif line[0] == "end":
            found.entries = line[1]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


# Making


def _begin(wanted: Wanted, found: Found, plan: Plan, making: Path, now: datetime) -> None:
    """Make the installation that is to be filled, or find the one that an interruption left."""
    marker = making / MARKER
    if marker.is_file():
        said = json.loads(marker.read_bytes())
        if (said["sha256"], said["uri"]) != (found.sha256, plan.uri):
            raise SettingsError(
                f"{making} was left by an interrupted restoration of another backup, or under another URI: finish that one, or "
                "remove the folder, and its database where that lies on a server"
            )
        return
    if making.exists():
        shutil.rmtree(making)  # it was never opened, so its keys have sealed nothing
    with tempfile.TemporaryDirectory(prefix="pcsc-restore-") as folder:
        version = wanted.card.arrangement.version  # the other contact point holds this one (Art. 4(7))
        document = Path(folder) / "arrangement.toml"
        document.write_bytes(found.files[f"arrangements/{version}.toml"])
        made = installation.create(making, replace(plan, arrangement=document), now)
    for name, content in sorted(found.files.items()):
        if name != f"arrangements/{version}.{made.party}.sig":  # which we sign anew, with the key that we have now
            put(making / name, content, mode=0o600)
    remember(made.folder, FormerKey(found.header.uri, wanted.card.signing_key_pem, now, found.header.party))
    said = {"sha256": found.sha256, "uri": plan.uri, "lost": found.header.uri, "made_at": f"{found.header.made_at}"}
    put(marker, json.dumps(said, indent=2).encode() + b"\n")


def _fill(here: Installation, wanted: Wanted, found: Found, now: datetime) -> Restored:
    """Take in the backup in one transaction, unless an interrupted restoration had come so far."""
    here.store.recover()  # keys of a transaction that did not end
    with here.store.transaction() as tx:
        if due.QUOTA not in tx.planned(""):
            _take_in(here, tx, wanted, found, now)
    with here.store.transaction() as tx:
        planned, events = tx.planned(""), Counter(each.event for each in tx.entries())
        return Restored(
            uri=here.settings.uri,
            exchanges=len(tx.control_numbers()),
            entries=found.entries,
            persons=len(tx.names()),
            ended=events[LOSS],
            left_out=len(found.persons - tx.names()),
            answers_from=planned[due.NONCES],
            queries_from=planned[due.QUOTA],
        )


def _take_in(here: Installation, tx: Transaction, wanted: Wanted, found: Found, now: datetime) -> None:
    """Take in every line of a backup, the ends of what was open, and what is refused for a while."""
    by = VerifyingKey.from_pem(wanted.card.signing_key_pem.encode())
    taking = _Taking(here, tx, found, wanted.enrolled, now)
    with wanted.file.open("rb") as file:
        for line in backup.opened(file, wanted.key, by):
            taking.take(line)
    taking.end()
    header = found.header
    where, until = str(wanted.file.resolve()), header.holds_until
    tx.keep_copy(where, made_at=header.made_at, sha256=found.sha256, holds_until=until)
    tx.plan("", due.COPIES, min(each.holds_until for each in tx.copies()))
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
    tx.plan("", due.QUOTA, midnight)
    tx.plan("", due.NONCES, now + 2 * wire.MAX_AGE)


class _Taking:
    """What takes in the lines of a backup, in their order, in one transaction."""

    def __init__(
        self, here: Installation, tx: Transaction, found: Found, enrolled: frozenset[str], now: datetime
    ) -> None:
        self._here = here
        self._tx = tx
        self._found = found
        self._enrolled = enrolled
        self._now = now
        self._ended: list[tuple[Exchange, Exchange]] = []
        self._persons: list[Subject] = []

    def take(self, line: list[Any]) -> None:
        """Take in a line; those of files were taken before."""
        kind, *said = line
        if (taker := getattr(self, f"_take_{kind}", None)) is not None:
            taker(*said)

    def _take_clock(self, seen: str) -> None:
        self._tx.keep_clock(Clock(datetime.fromisoformat(seen)))

    def _take_note(self, origin: str, size: int, note: str) -> None:
        self._tx.keep_note(origin, size, note)

    def _take_copy(self, said: dict[str, Any]) -> None:
        made_at, until = (datetime.fromisoformat(said[each]) for each in ("made_at", "holds_until"))
        self._tx.keep_copy(said["path"], made_at=made_at, sha256=said["sha256"], holds_until=until)

    def _take_nonce(self, nonce: str, until: str) -> None:
        self._tx.use_nonce(nonce, until=datetime.fromisoformat(until), now=self._now)

    def _take_exchange(self, said: dict[str, Any], subject: str | None) -> None:
        before = _EXCHANGE.validate_python(said)
        exchange = life.lose(before, self._now)
        self._tx.open(exchange, subject=subject)
        if exchange == before:
            return
        self._ended.append((before, exchange))
        if exchange.state is State.REQUESTED and exchange.request is not None:
            # Art. 5(2): the request is still owed an answer; of what was available when it came nothing is known.
            nothing = service.items_text(())
            self._tx.hold(exchange.control_number, Content.SNAPSHOT, nothing, number=exchange.request)

    def _take_content(self, exchange: str, kind: str, number: str, content: str) -> None:
        self._tx.hold(exchange, Content(kind), bytes_of(content), number=number)

    def _take_received(self, message: str, exchange: str, commitment: str, answer: str | None) -> None:
        self._tx.receive(message, Received(exchange, commitment, Content(answer) if answer else None))

    def _take_feed(self, number: int, at: str, by: str, sha256: str, counts: str) -> None:
        # Its revision was of a gallery that is lost: what is restored begins with the first one.
        self._tx.enter_feed(Applied(number, datetime.fromisoformat(at), by, sha256, 0, counts))

    def _take_place(self, said: dict[str, Any], trace: str) -> None:
        place = _PLACE.validate_python(said)
        told = records.said_by(place)
        self._tx.take(place, None if told is None else told["exchange"], trace)

    def _take_person(self, name: str, particulars: str, prints: list[tuple[str, str | None]]) -> None:
        if name not in self._enrolled:
            return
        impressions = tuple(Impression(bytes_of(one), None if two is None else bytes_of(two)) for one, two in prints)
        self._persons.append(Subject(name, particulars, impressions))
        if len(self._persons) == _TOGETHER:
            self._enrol()

    def _enrol(self) -> None:
        self._tx.enrol(self._persons)
        self._persons = []

    def end(self) -> None:
        """Enrol who is left, and record the end of every exchange that was open."""
        self._enrol()
        header = self._found.header
        for before, exchange in self._ended:
            lost = sorted(duties.permitted(before) - duties.lasting(before.side))
            note = (
                f"{', '.join(lost)}: lost with {header.uri}, restored from its backup of {header.made_at:%Y-%m-%dT%H:%M:%SZ}; "
                f"'{before.state}' became '{exchange.state}'"
            )
            clause = _CLAUSE[exchange.side]
            service.record_act(self._tx, exchange, LOSS, article=clause, note=note, now=self._now)
