"""Destroying: what an exchange no longer permits goes, key first, row after, and the record of it last.

Articles 8(1) and 8(2) say "immediately". So every act ends with :func:`dispose`: the keys are overwritten in place, the rows
deleted, the log of the database emptied, and then the record says that it is done. What may be held follows from the state of
the exchange (:func:`pcsc.duties.permitted`), so doing it twice, or late, comes to the same. Between any two of these steps a
process may die: what is still to be done is a row of what is due (:mod:`contact_point.due`), and the next worker goes on there.

:func:`recover` is for the start of the service; :func:`worker` makes the one that does what is due from then on; :func:`sweep`
and :func:`discharge` look at every exchange anew, whatever is written down.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contact_point import due, export_folder, service
from contact_point.keys import TokenError
from contact_point.store import UNREADABLE, ContentGoneError, Copy, Due, StoreError, UnknownExchangeError
from pcsc import duties, life, retention, traces
from pcsc.duties import Content
from pcsc.exchange import Side, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from contact_point.service import Installation
    from contact_point.store import Held, Transaction
    from contact_point.timekeeping import Guard
    from pcsc.arrangement import Arrangement
    from pcsc.exchange import Exchange

_log = logging.getLogger("contact_point.disposal")

PATIENCE: Final = 0.5
"""Seconds in which an act tries again to empty the log of the database; the worker goes on from there."""


class UnerasedError(StoreError):
    """A file that holds prints, or a copy of the record, could not be shown to be gone."""


# Content: Articles 8(1), 8(2), 8(9), 10(2)


def dispose(here: Installation, control_number: str, now: datetime) -> None:
    """Destroy whatever the exchange no longer permits, and record it: Articles 8(1), 8(2).

    Where the log of the database cannot be emptied just now, or a file resists, the rest is done and the worker tries again.
    """
    with here.store.transaction() as tx:
        _condemn(tx, control_number)
        _destroy(here, tx, control_number, now)
    try:
        _account(here, control_number, now)
    except TokenError as error:  # the entries are written down as due
        _log.error("Art. 11(1): the record is owed what was destroyed of exchange %s: %s", control_number, error)


def _condemn(tx: Transaction, control_number: str) -> None:
    """Condemn what the exchange no longer permits; while nobody can read it, what its last step condemned is all there is."""
    try:
        due.condemn(tx, tx.exchange(control_number))
    except UNREADABLE as error:
        _log.error("Art. 8: exchange %s cannot be read, and what is condemned in it goes: %s", control_number, error)


def _destroy(here: Installation, tx: Transaction, control_number: str, now: datetime) -> bool:
    """Destroy the keys of what is condemned, then its rows; return whether all is gone.

    The record is owed an entry for each kind, and that is written down. Nothing of the exchange is read.
    """
    doomed = [each for each in tx.held(control_number) if each.condemned]
    if not doomed:
        tx.plan(control_number, due.DISPOSE, None)
        return True
    gone = [each for each in doomed if each.kind not in duties.FILES]
    here.store.destroy(gone)
    # A file's key goes after the file: as long as it is there, where it is must be known.
    erased = [each for each in doomed if each.kind in duties.FILES and _erased(tx, each)]
    here.store.destroy(erased)
    gone += erased
    tx.forget(gone)
    for kind in {each.kind for each in gone}:
        tx.plan(control_number, due.DELETION + kind, service.moment(here, now))
    whole = len(gone) == len(doomed)
    tx.plan(control_number, due.DISPOSE, None if whole else due.AT_ONCE)
    return whole


def _account(here: Installation, control_number: str, now: datetime) -> bool:
    """Empty the log of the database, then record what was destroyed; return whether that is done."""
    with here.store.transaction() as tx:
        if not _owed(tx, control_number):
            return True
    if not _emptied(here):
        _log.warning("the log of the database could not be emptied of what exchange %s held", control_number)
        return False
    with here.store.transaction() as tx:
        for kind, at in _owed(tx, control_number).items():  # another worker may have been quicker
            when = at if due.AT_ONCE < at <= service.moment(here, now) else now
            _record_deletion(tx, tx.exchange(control_number), kind, when)
            tx.plan(control_number, due.DELETION + kind, None)
    return True


def _owed(tx: Transaction, control_number: str) -> dict[Content, datetime]:
    """Return the kinds of content of which the record does not say yet that they were destroyed, and when they were."""
    planned = sorted(tx.planned(control_number).items())
    return {Content(what.removeprefix(due.DELETION)): at for what, at in planned if what.startswith(due.DELETION)}


def _record_deletion(tx: Transaction, exchange: Exchange, kind: Content, at: datetime) -> None:
    if (clause := duties.CLAUSES.get((exchange.side, kind))) is None:
        return
    note = f"{kind} destroyed: its key was overwritten in place"
    # An exchange that has moved on since may permit the kind anew; how it was decided then is not known any more.
    decided = kind not in duties.permitted(exchange)
    trace = traces.deletion(duties.standing(exchange), kind, now=at) if decided else None
    service.record_act(tx, exchange, "deletion", article=clause, note=note, trace=trace, now=at)


def _emptied(here: Installation, *, records: bool = False) -> bool:
    """Empty the log of the database of deleted rows; a reader elsewhere can prevent it for a moment, so try again.

    With ``records`` also of what erased records had in clear, wherever the database keeps it.
    """
    end, pause = time.monotonic() + PATIENCE, 0.01
    while not here.store.checkpoint(records=records):
        if time.monotonic() + pause > end:
            return False
        time.sleep(pause)
        pause *= 2
    return True


def _erased(tx: Transaction, held: Held) -> bool:
    """Overwrite the file of a picture or a printout in place and remove it; return whether it is gone."""
    try:
        erase_file(Path(tx.content(held.exchange, held.kind, number=held.number).decode()))
    except ContentGoneError:
        return True  # it went before
    except OSError:
        _log.exception("Art. 8: a %s of exchange %s could not be erased; it is tried again", held.kind, held.exchange)
        return False
    return True


def erase_file(path: Path) -> None:
    """Overwrite a file in place, make that durable and remove it; one that is not there is gone already.

    Raises:
        OSError: the disk refuses.

    """
    if overwrite(path):
        path.unlink()


def overwrite(path: Path, *, sha256: str = "") -> bool:
    """Overwrite a file in place and make that durable; return whether it was there.

    With ``sha256``, in hexadecimal, only the file that has that content.

    Raises:
        UnerasedError: the file at this place has another content.
        OSError: the disk refuses.

    """
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        size = os.fstat(file).st_size
        begun = size and not any(os.pread(file, _SECTOR, 0))  # somebody died while overwriting it
        if sha256 and not begun and _digest(file, size) != sha256:
            raise UnerasedError(
                f"{path.name} is not the copy of the record that was written there: delete the copy, wherever it is, and "
                "take the file away"
            )
        overwrite_content(file)
    finally:
        os.close(file)
    return True


def overwrite_content(file: int) -> None:
    """Overwrite an open file in place, and make that durable.

    Raises:
        OSError: the disk refuses.

    """
    size = os.fstat(file).st_size
    zeros = bytes(min(size, _BLOCK))
    for start in range(0, size, _BLOCK):
        os.pwrite(file, zeros[: size - start], start)
    os.fdatasync(file)


_BLOCK: Final = 1 << 20
_SECTOR: Final = 512


def _digest(file: int, size: int) -> str:
    digest = hashlib.sha256()
    for start in range(0, size, _BLOCK):
        digest.update(os.pread(file, min(_BLOCK, size - start), start))
    return digest.hexdigest()


def discard(here: Installation, held: list[Held]) -> None:
    """Destroy content that has served, without an entry: no article orders its deletion."""
    if not held:
        return
    with here.store.transaction() as tx:
        here.store.destroy(held)
        tx.forget(held)
    if not _emptied(here):
        with here.store.transaction() as tx:
            tx.plan("", due.CHECKPOINT, due.AT_ONCE)


def _checkpoint(here: Installation) -> bool:
    """Empty the log of the database of what was deleted, and forget that it was to be done; not what came meanwhile."""
    with here.store.transaction() as tx:
        before = tx.planned("").get(due.CHECKPOINT)
    if not _emptied(here, records=True):
        return False
    if before is not None:
        with here.store.transaction() as tx:
            tx.done(Due("", due.CHECKPOINT, before))
    return True


def sweep(here: Installation, now: datetime) -> None:
    """Dispose of whatever is held and no longer permitted, exchange by exchange; one that fails does not stop the others."""
    with here.store.transaction() as tx:
        permitted = _permitted(tx)
        late = sorted({each.exchange for each in tx.held() if _is_late(each, permitted)})
    for control_number in late:
        try:
            dispose(here, control_number, now)
        except Exception:  # noqa: BLE001 - whatever it was, the other exchanges' prints go now and this one's next time
            _log.exception(
                "Art. 8: what exchange %s no longer permits is still there; it is tried again", control_number
            )


def _is_late(held: Held, permitted: Mapping[str, frozenset[Content]]) -> bool:
    """Whether something is held that its exchange does not permit, as far as anybody knows."""
    return held.condemned or (held.exchange in permitted and held.kind not in permitted[held.exchange])


def _permitted(tx: Transaction) -> dict[str, frozenset[Content]]:
    """Return what each exchange permits, of those that can be read."""
    try:
        return {exchange.control_number: duties.permitted(exchange) for exchange in tx.whole_exchanges()}
    except TokenError as error:
        _log.error("Art. 8: no exchange can be read, and what is condemned goes: %s", error)
        return {}


def recover(here: Installation, now: datetime) -> None:
    """Finish what an interruption left, keys first: those that no row names, and those of what no exchange permits.

    What else was left half done is written down as due, and the worker's first look does it.
    """
    here.store.recover()
    with here.store.transaction() as tx:
        permitted = _permitted(tx)
        unknown = [each for each in tx.held() if not tx.has_exchange(each.exchange)]
        late = [each for each in tx.held() if _is_late(each, permitted)] + unknown
        here.store.destroy([each for each in late if each.kind not in duties.FILES])
        tx.forget(unknown)
    sweep(here, now)
    here.store.checkpoint()


# Holds: the arrangement's hard stop


def discharge(here: Installation, now: datetime, *, records: bool = True) -> list[str]:
    """Do what is due by the clock alone in every exchange, whatever is written down; return those whose hold ended.

    With ``records`` False no record is deleted: the time is in doubt.
    """
    arrangement = here.settings.arrangement(now)
    with here.store.transaction() as tx:
        late = [exchange for exchange in tx.whole_exchanges() if duties.overstays(exchange, arrangement, now)]
        for exchange in late:
            _lapse(here, tx, exchange, now)
    sweep(here, now)
    if records:
        expire(here, now)
    return [exchange.control_number for exchange in late]


def _lapse(here: Installation, tx: Transaction, exchange: Exchange, now: datetime) -> None:
    """End a hold that reached the arrangement's hard stop."""
    arrangement = here.settings.arrangement(now)
    lapsed = life.lapse(exchange, now)
    tx.step(lapsed, before=exchange.state)
    days = f"{arrangement.follow_up_days} days (arrangement {arrangement.version})"
    note = _LAPSES.get(exchange.state, "nothing followed the match within {}").format(days)
    service.record_act(tx, exchange, "lapse", article=_HOLD[exchange.side], note=note, now=now)


_HELD: Final = (Content.PROBE, Content.CANDIDATE, Content.PICTURE, Content.ANALYSIS, Content.SNAPSHOT)
"""What is held for what is to follow, and for nothing longer."""
_HOLD: Final = {Side.QUERYING: "8(2)", Side.QUERIED: "8(1)"}
_LAPSES: Final = {
    State.SENT: "no answer came within {}",
    State.PROVIDED: "what was provided is not given again after {}",
}


# Records: Article 11(3)


def expire(here: Installation, now: datetime) -> list[str]:
    """Delete the record of every exchange whose term has ended, with all that is still held for it: Article 11(3).

    Whoever calls this vouches for ``now``: the worker, which does the same, asks the guard of the clock first. Return their
    control numbers.
    """
    arrangement = here.settings.arrangement(now)
    with here.store.transaction() as tx:
        ends = {each.control_number: retention.ends_at(each, arrangement) for each in tx.whole_exchanges()}
        over = [number for number, end in ends.items() if end is not None and end <= now]
    gone: list[str] = []
    for number in over:
        with here.store.transaction() as tx:  # the write lock: nothing is added to what is being erased
            end = due.record_ends(tx, tx.exchange(number), arrangement) if tx.has_exchange(number) else None
            if end is None or end > now:
                continue  # something happened to it meanwhile, such as an order to keep it
            slot = _erase(here, tx, number, now)
        _destroy_key(here, slot)
        gone.append(number)
    if gone:
        _checkpoint(here)
        _log.info("Art. 11(3): the record of %d exchanges reached the end of its term and was deleted", len(gone))
    return gone


def _erase(here: Installation, tx: Transaction, number: str, now: datetime) -> int:
    """Erase an exchange with its record; return the slot of its key, whose destruction is written down as due.

    Raises:
        UnerasedError: a picture of its prints, or a printout, is still there; nothing was erased.

    """
    held = tx.held(number)
    if not all(_erased(tx, each) for each in held if each.kind in duties.FILES):
        raise UnerasedError(
            f"a file of exchange {number}, a picture or a printout, is still there: see the message before"
        )
    here.store.destroy(held)
    tx.forget(held)
    slot = tx.erase(number)
    if slot is None:
        raise UnknownExchangeError(f"there is no exchange {number!r} here")
    # Rows first, key after: while there is a row to be read, its key must be there, or nothing at all can be read.
    tx.plan("", f"{due.KEY}{slot}", due.AT_ONCE)
    tx.plan("", due.CHECKPOINT, now)  # a time of its own: who is emptying the log just now did not see this
    return slot


def _destroy_key(here: Installation, slot: int) -> None:
    """Destroy the key of an exchange that is erased, and forget that it was to be done."""
    here.store.destroy_exchange(slot)
    with here.store.transaction() as tx:
        tx.plan("", f"{due.KEY}{slot}", None)


def keep_beyond_term(here: Installation, control_number: str, law: str, *, by: str, now: datetime) -> Exchange:
    """Keep the record of an exchange beyond its term because a law orders it, or, with no law, let it end: Article 11(3).

    Either is an event of the exchange, and in the record: it goes no earlier than its term after the last of them.
    """
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        exchange = replace(before, kept_under=retention.check_hold(law) if law else "", last_event_at=now)
        tx.step(exchange, before=before.state)
        note = f"kept under {law} by {by}" if law else f"no longer kept, by {by}"
        service.record_act(tx, exchange, "legal hold", article="11(3)", note=note, now=now)
    return exchange


# Copies of the record: exports and backups


def enter_copy(
    tx: Transaction,
    path: Path,
    exchanges: Iterable[Exchange],
    arrangement: Arrangement,
    *,
    sha256: str,
    now: datetime,
    at_most: timedelta = timedelta.max,
) -> Copy:
    """Enter a copy of the record of these exchanges, so that it ends with the first of their terms too: Article 11(3).

    ``at_most`` is for how long it is kept even where no term ends earlier. It may be entered before the file is there: an
    interruption then leaves an entry without a file.
    """
    until = retention.copy_until(exchanges, arrangement, now)
    until = min(until, now + min(at_most, until - now))
    number = tx.keep_copy(str(path.resolve()), made_at=now, sha256=sha256, holds_until=until)
    tx.plan("", due.COPIES, min(tx.planned("").get(due.COPIES, until), until))
    return Copy(number, str(path.resolve()), now, sha256, until, None)


def end_copies(here: Installation, now: datetime) -> list[Path]:
    """Destroy every copy of the record that ends, and return where they were.

    One that is not where it was written was carried away: it stays on the list until somebody says that it is no more.

    Raises:
        UnerasedError: one of them could not be erased; the others were.

    """
    with here.store.transaction() as tx:
        ended = [each for each in tx.copies() if each.destroyed_at is None and each.holds_until <= now]
    overwritten = {each.id: _overwritten(each) for each in ended}
    gone = [each for each in ended if overwritten[each.id]]
    resisting = [each for each in ended if overwritten[each.id] is None]
    with here.store.transaction() as tx:
        there = {each.id for each in tx.copies() if each.destroyed_at is None}  # another worker may have been quicker
        for each in gone:
            if each.id in there:
                tx.copy_destroyed(each.id, now)
        carried = {each.id for each in ended} - {each.id for each in gone + resisting}
        ends = [each.holds_until for each in tx.copies() if each.destroyed_at is None and each.id not in carried]
        tx.plan("", due.COPIES, min(ends, default=None))
    # Last of all: a file that is there no more, and is not noted as destroyed, is somewhere else.
    for each in gone:
        _remove(Path(each.path))
    if resisting:
        raise UnerasedError(
            f"Art. 11(3): {len(resisting)} of {len(ended)} copies of the record whose term has ended are still there: see the "
            "messages before"
        )
    return [Path(each.path) for each in gone]


def _overwritten(copy: Copy) -> bool | None:
    """Overwrite a copy of the record; return whether it was there, or None where it resists."""
    path = Path(copy.path)
    try:
        there = _overwrite_export(path, copy.sha256) if path.is_dir() else overwrite(path, sha256=copy.sha256)
    except (OSError, UnerasedError) as error:
        _log.error("Art. 11(3): a copy of the record could not be erased: %s", error)
        return None
    if not there:
        _log.warning("Art. 11(3): copy %d of the record was carried away and its term has ended: destroy it", copy.id)
    return there


def _overwrite_export(folder: Path, sha256: str) -> bool:
    """Overwrite every file of an export in place; return whether all its parts were there.

    What names the parts goes last, so that who dies on the way leaves what is found again, or nothing but zeros.

    Raises:
        UnerasedError: the folder holds another export.
        OSError: the disk refuses, or the export is being written.

    """
    with export_folder.locked(folder):
        files, found = export_folder.files(folder), export_folder.parts_of(folder)
        begun = bool(files) and not any(map(_begins, files))
        if found is not None and found[0] != sha256:
            raise UnerasedError(
                f"{folder.name} does not hold the export of the record that was written there: delete the export, wherever it "
                "is, and take the folder away"
            )
        if found is None and not begun:
            return False
        for path in files:
            overwrite(path)
        return begun or (found is not None and {*found[1]} <= {path.name for path in files})


def _begins(path: Path) -> bool:
    """Whether a file begins with anything but zeros."""
    with path.open("rb") as file:
        return any(file.read(_SECTOR))


def _remove(path: Path) -> None:
    """Remove a copy that was overwritten; of a folder, the files of the export, and the folder if nothing else is in it."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for each in export_folder.files(path):
        each.unlink(missing_ok=True)
    if not any(path.iterdir()):
        path.rmdir()


# What is due


def worker(here: Installation, guard: Guard, *, name: str) -> due.Worker:
    """Return a worker that does what is due in an installation."""
    return due.Worker(name, here.store, here.settings.arrangement, acts(here), guard)


def acts(here: Installation) -> dict[str, due.Act]:
    """Return what is done about each thing that is due, by the first word of what it is."""
    return {
        "dispose": partial(_act_dispose, here),
        "lapse": partial(_act_lapse, here),
        "expire": partial(_act_expire, here),
        "deletion": lambda _tx, row, now: partial(_finish, here, row.exchange, now),
        "key": lambda _tx, row, _now: partial(_destroy_key, here, int(row.what.removeprefix(due.KEY))),
        "removed": lambda _tx, row, _now: partial(
            service.destroy_removed, here, [int(row.what.removeprefix(due.REMOVED))]
        ),
        "retry": lambda tx, row, _now: tx.done(row),
        **dict.fromkeys(due.BY_THE_CLOCK, lambda tx, row, _now: tx.done(row)),
        "checkpoint": lambda _tx, _row, _now: partial(_act_checkpoint, here),
        "copies": lambda _tx, _row, now: partial(_act_copies, here, now),
    }


def _act_dispose(here: Installation, tx: Transaction, row: Due, now: datetime) -> Callable[[], None] | None:
    tx.done(row)
    if not tx.has_exchange(row.exchange):
        return None
    _condemn(tx, row.exchange)
    whole = _destroy(here, tx, row.exchange, now)
    return partial(_finish, here, row.exchange, now, whole=whole)


def _finish(here: Installation, number: str, now: datetime, *, whole: bool = True) -> None:
    """Record what was destroyed; ``whole`` is False where a picture resisted, which is tried again later."""
    done = _account(here, number, now)
    if not whole:
        raise UnerasedError(
            f"a file of exchange {number}, a picture or a printout, is still there: see the message before"
        )
    if not done:
        raise due.Busy


def _act_lapse(here: Installation, tx: Transaction, row: Due, now: datetime) -> Callable[[], None] | None:
    if not tx.has_exchange(row.exchange):
        tx.done(row)
        return None
    try:
        exchange = tx.exchange(row.exchange)
    except UNREADABLE as error:  # a hold ends at its stop, whether anybody can read of what or not
        tx.condemn(row.exchange, _HELD)
        _destroy(here, tx, row.exchange, now)
        return partial(_tell, error)
    tx.done(row)
    arrangement = here.settings.arrangement(now)
    if due.is_held_too_long(exchange, arrangement, row, now):
        _lapse(here, tx, exchange, now)
    else:
        due.plan(tx, exchange, arrangement)
    return None


def _tell(error: Exception) -> None:
    """Let the worker tell of what prevented a step, and try it again."""
    raise error


def _act_expire(here: Installation, tx: Transaction, row: Due, now: datetime) -> None:
    tx.done(row)
    if not tx.has_exchange(row.exchange):
        return
    exchange, arrangement = tx.exchange(row.exchange), here.settings.arrangement(now)
    if due.is_over(tx, exchange, arrangement, row, now):
        _erase(here, tx, row.exchange, now)


def _act_checkpoint(here: Installation) -> None:
    if not _checkpoint(here):
        raise due.Busy


def _act_copies(here: Installation, now: datetime) -> None:
    end_copies(here, now)
