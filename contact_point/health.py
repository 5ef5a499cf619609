"""Whether a contact point can do what the agreement has it do, and does it in time: looked at, not believed.

Each look is one function that finds one thing well or not, says why, and what to do. ``FAILING`` is what keeps a query from
being answered or a duty from being met; ``WARNING`` is what will, or what waits for the other Party. What is said names no
person, no case and no exchange: it may be read wherever this machine is watched from (Article 9).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from contact_point import due, expiry, hardening, installation, witness
from contact_point.keys import KeySlots, TokenWrapping
from contact_point.logs import EXCHANGE
from contact_point.timekeeping import JUMP, Alarm
from pcsc.duties import Content
from pcsc.errors import NoArrangementError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contact_point.service import Installation
    from contact_point.settings import Folder, Settings

LATE: Final = timedelta(minutes=5)
"""How long after its time something that is due may wait: a service looks every minute, and a print has a day at most."""

STALE: Final = timedelta(hours=1)
"""How long a message may wait to be delivered, and an entry to be witnessed, before somebody is told."""

LEAST_ROOM: Final = 1 << 30
"""Bytes on a disk below which somebody is told. Deletion needs none; what is to be answered does."""


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at one thing found."""

    what: str
    """One of a few words, the same whatever was found."""
    level: Level
    said: str


def worst(found: list[Finding]) -> Level:
    """Return the worst level of what was found."""
    levels = {each.level for each in found}
    return next((level for level in (Level.FAILING, Level.WARNING) if level in levels), Level.OK)


def examine(here: Installation, now: datetime, *, served: bool, failing: int = 0) -> list[Finding]:
    """Look at everything that can be seen from inside an installation.

    ``served`` says whether this is the process that answers, and ``failing`` how much of what is due its worker puts off. Costs
    one write and some dozen rows in the store, and a log-in where a token keeps the wrapping keys.
    """
    looks: dict[str, Callable[[], Iterator[Finding]]] = {
        "store": lambda: _store(here),
        "arrangement": lambda: _arrangement(here.settings, now),
        "clock": lambda: _clock(here, now, served=served),
        "token": lambda: _token(here.settings),
        "keys": lambda: _keys(here.settings, now),
        "due": lambda: _due(here, now, failing),
        "outbox": lambda: _outbox(here, now),
        "record": lambda: _record(here, now),
        "certificates": lambda: _certificates(here.settings.folder, now),
        "disk": lambda: _disk(here.settings),
    }
    if served:
        looks["gallery"] = lambda: _gallery(here)
    return [each for what, look in looks.items() for each in _looked(what, look)]


def _looked(what: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return what a look finds; where it cannot even look, that is what it finds."""
    try:
        return list(look())
    except Exception as error:  # noqa: BLE001 - whatever it was, the others are looked at, and this one is told
        return [Finding(what, Level.FAILING, EXCHANGE.sub("an exchange", hardening.said(error)))]


def _store(here: Installation) -> Iterator[Finding]:
    """Write what is there already: a database that can only be read answers nobody (Article 11(1))."""
    with here.store.transaction() as tx:
        if (kept := tx.clock()) is not None:
            tx.keep_clock(kept)
    yield Finding("store", Level.OK, "the database takes what is written")


def _arrangement(found: Settings, now: datetime) -> Iterator[Finding]:
    if found.other is None:
        yield Finding("arrangement", Level.FAILING, found.lacking)
        return
    try:
        yield Finding("arrangement", Level.OK, f"arrangement {found.arrangement(now).version} is in force")
    except NoArrangementError as error:
        yield Finding("arrangement", Level.FAILING, str(error))


def _clock(here: Installation, now: datetime, *, served: bool) -> Iterator[Finding]:
    with here.store.reading() as tx:
        kept = tx.clock()
    if kept is None:
        yield Finding("clock", Level.WARNING, "nothing has looked at the clock yet: `pcsc serve` does so every minute")
    elif kept.alarmed:
        said = f"no record is deleted (Art. 11(3)), the time is in doubt: {Alarm.of(kept.reason).words}"
        yield Finding("clock", Level.FAILING, said)
    elif abs(now - kept.seen) > JUMP:
        level = Level.FAILING if served else Level.WARNING
        yield Finding(
            "clock", level, f"nobody looked at what is due since {kept.seen:%Y-%m-%d %H:%M} UTC: is it served?"
        )
    else:
        yield Finding("clock", Level.OK, "the time is believed")


def _token(found: Settings) -> Iterator[Finding]:
    wrapping = installation.wrapping(found.folder.root, found.keys)
    if isinstance(wrapping, TokenWrapping):
        remarks = wrapping.check()
        said = "; ".join(remarks) or "the token answers"
        yield Finding("token", Level.WARNING if remarks else Level.OK, said)
    else:
        yield Finding("token", Level.OK, "wrapping keys lie in files, and no token is asked")


def wrapped(found: Settings) -> dict[str, datetime | None]:
    """Return when the wrapping key of each file of keys was made: no copy of the file from before opens anything (8, 9)."""
    wrapping = installation.wrapping(found.folder.root, found.keys)
    return {path.name: KeySlots.open(path, wrapping=wrapping).rotated_at() for path in found.folder.slots}


def is_overdue(made: datetime | None, found: Settings, now: datetime) -> bool:
    """Whether a wrapping key that was made then should have been replaced an hour ago."""
    return made is None or now - made > timedelta(hours=found.keys.rotate_hours + 1)


def _keys(found: Settings, now: datetime) -> Iterator[Finding]:
    late = [name for name, made in wrapped(found).items() if is_overdue(made, found, now)]
    if late:
        said = f"the wrapping keys of {', '.join(late)} are older than {found.keys.rotate_hours} hours: what was copied of "
        yield Finding(
            "keys", Level.FAILING, said + "these files still opens (Art. 8, 9); a running service replaces them"
        )
    else:
        yield Finding("keys", Level.OK, f"every wrapping key is younger than {found.keys.rotate_hours + 1} hours")


def _due(here: Installation, now: datetime, failing: int) -> Iterator[Finding]:
    with here.store.reading() as tx:
        late = [each for each in tx.due_before(now - LATE) if each.at > due.AT_ONCE]
    if late or failing:
        oldest = f", the oldest since {late[0].at:%Y-%m-%d %H:%M} UTC" if late else ""
        said = f"{len(late)} things are late{oldest}, and {failing} failed and are tried again (Art. 8, 11(3)): see the log"
        yield Finding("due", Level.FAILING, said)
    else:
        yield Finding("due", Level.OK, "nothing that is due is late")


def _outbox(here: Installation, now: datetime) -> Iterator[Finding]:
    waiting, age = outbox(here, now)
    if waiting and age > STALE:
        said = f"{waiting} messages wait, the oldest for {_hours(age)}: is the other contact point there? `pcsc reach`"
        yield Finding("outbox", Level.WARNING, said)
    else:
        yield Finding("outbox", Level.OK, f"{waiting} messages wait to be delivered")


def outbox(here: Installation, now: datetime) -> tuple[int, timedelta]:
    """Return how many messages of ours wait, and for how long at most.

    Counted from the last event of their exchange: the message was made with it, or before.
    """
    with here.store.reading() as tx:
        waiting = tx.held(kind=Content.MESSAGE)
        since = [tx.exchange(number).last_event_at for number in {each.exchange for each in waiting}]
    return len(waiting), max((now - each for each in since), default=timedelta())


def _record(here: Installation, now: datetime) -> Iterator[Finding]:
    if here.settings.other is None:
        return
    with here.store.reading() as tx:
        behind, last, forks = witness.standing(here, tx)
    if forks:
        said = f"{forks} checkpoints of the other Party's record contradict what was witnessed of it (Art. 11): talk to them"
        yield Finding("record", Level.WARNING, said)
    if behind and (last is None or now - last > STALE):
        since = "ever" if last is None else f"since {last:%Y-%m-%d %H:%M} UTC"
        said = f"{behind} entries of the record were not witnessed by the other contact point {since} (Art. 11)"
        yield Finding("record", Level.WARNING, said)
    elif not forks:
        yield Finding("record", Level.OK, f"{behind} entries of the record wait to be witnessed")


def _certificates(folder: Folder, now: datetime) -> Iterator[Finding]:
    """Tell of what ends within thirty days, or has."""
    every = expiry.expiries(folder)
    for each in every:
        if each.soon(now):
            yield Finding("certificates", Level.FAILING if each.ended(now) else Level.WARNING, each.told(now))
    if not any(each.soon(now) for each in every):
        yield Finding("certificates", Level.OK, "nothing that proves who is who ends within thirty days")


def _disk(found: Settings) -> Iterator[Finding]:
    folders = {found.folder.root, found.folder.exchange_slots.parent}
    rooms = {folder: shutil.disk_usage(folder).free for folder in sorted(folders)}
    short = {folder: room for folder, room in rooms.items() if room < LEAST_ROOM}
    for folder, room in short.items():
        said = f"{room >> 20} MB are left for {folder}: make room; nothing is answered on a full disk (Art. 11(1))"
        yield Finding("disk", Level.WARNING, said)
    if not short:
        yield Finding("disk", Level.OK, f"{min(rooms.values()) >> 20} MB are left")


def _gallery(here: Installation) -> Iterator[Finding]:
    if here.holdings is None:
        yield Finding("gallery", Level.FAILING, "the gallery is not loaded, so no query can be answered (Art. 4)")
    else:
        yield Finding("gallery", Level.OK, "the gallery is loaded")


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.0f} hours"
