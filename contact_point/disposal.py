"""Destroying: what an exchange no longer permits goes, key first, row after.

Articles 8(1) and 8(2) say "immediately". So every act ends with :func:`dispose`; and :func:`sweep`, at the start of the
service and every minute, finishes whatever an interruption left. Nothing is scheduled: what may be held follows from the state
of the exchange (:func:`pcsc.duties.permitted`), so doing it twice, or late, comes to the same.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contact_point import service
from contact_point.store import ContentGoneError
from pcsc import duties, life, retention, traces
from pcsc.duties import Content
from pcsc.exchange import Side, State

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.service import Installation
    from contact_point.store import Held
    from pcsc.exchange import Exchange

_log = logging.getLogger("contact_point.disposal")


def dispose(here: Installation, control_number: str, now: datetime) -> None:
    """Destroy whatever the exchange no longer permits, and record it: Articles 8(1), 8(2)."""
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        permitted = duties.permitted(exchange)
        doomed = [each for each in tx.held(control_number) if each.kind not in permitted]
    if not doomed:
        return
    pictures = [each for each in doomed if each.kind is Content.PICTURE]
    here.store.destroy([each for each in doomed if each.kind is not Content.PICTURE])
    # A picture's key goes after its file: as long as the file is there, where it is must be known.
    unerased = {each.slot for each in pictures if not _erased(here, each)}
    gone = [each for each in doomed if each.slot not in unerased]
    here.store.destroy(gone)
    with here.store.transaction() as tx:
        rows = {each.slot for each in tx.held(control_number)}  # another process may have been quicker
        tx.forget(gone)
        for kind in sorted({each.kind for each in gone if each.slot in rows}):
            if (clause := duties.CLAUSES.get((exchange.side, kind))) is not None:
                note = f"{kind} destroyed: its key was overwritten in place"
                trace = traces.deletion(duties.standing(exchange), kind, now=now)
                service.record_act(tx, exchange, "deletion", article=clause, note=note, trace=trace, now=now)
    here.store.checkpoint()


def _erased(here: Installation, picture: Held) -> bool:
    """Overwrite a picture's file in place and remove it; return whether it is gone."""
    try:
        with here.store.transaction() as tx:
            path = Path(tx.content(picture.exchange, picture.kind, number=picture.number).decode())
        file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (ContentGoneError, FileNotFoundError):
        return True  # it went before
    except OSError:
        _log.exception("Art. 8(2): a picture of exchange %s could not be erased; it is tried again", picture.exchange)
        return False
    try:
        os.pwrite(file, bytes(os.fstat(file).st_size), 0)
        os.fdatasync(file)
        path.unlink()
    except OSError:
        _log.exception("Art. 8(2): a picture of exchange %s could not be erased; it is tried again", picture.exchange)
        return False
    finally:
        os.close(file)
    return True


def discard(here: Installation, held: list[Held]) -> None:
    """Destroy content that has served, without an entry: no article orders its deletion."""
    here.store.destroy(held)
    with here.store.transaction() as tx:
        tx.forget(held)
    here.store.checkpoint()


def sweep(here: Installation, now: datetime) -> None:
    """Dispose of whatever is held and no longer permitted, exchange by exchange; one that fails does not stop the others."""
    with here.store.transaction() as tx:
        permitted = {exchange.control_number: duties.permitted(exchange) for exchange in tx.exchanges()}
        late = sorted({each.exchange for each in tx.held() if each.kind not in permitted[each.exchange]})
    for control_number in late:
        try:
            dispose(here, control_number, now)
        except Exception:  # noqa: BLE001 - whatever it was, the other exchanges' prints go now and this one's next time
            _log.exception(
                "Art. 8: what exchange %s no longer permits is still there; it is tried again", control_number
            )


def recover(here: Installation, now: datetime) -> None:
    """Finish what an interruption left: keys that no row names, and content that no exchange permits."""
    here.store.recover()
    sweep(here, now)


def discharge(here: Installation, now: datetime) -> list[str]:
    """Do what is due by the clock alone: end holds that reached the arrangement's hard stop; return their exchanges."""
    arrangement = here.settings.arrangement(now)
    with here.store.transaction() as tx:
        late = [exchange for exchange in tx.exchanges() if duties.overstays(exchange, arrangement, now)]
        for exchange in late:
            tx.step(life.lapse(exchange, now), before=exchange.state)
            days = f"{arrangement.follow_up_days} days (arrangement {arrangement.version})"
            note = _LAPSES.get(exchange.state, "nothing followed the match within {}").format(days)
            service.record_act(tx, exchange, "lapse", article=_HOLD[exchange.side], note=note, now=now)
    sweep(here, now)
    expire(here, now)
    return [exchange.control_number for exchange in late]


def expire(here: Installation, now: datetime) -> list[str]:
    """Delete the record of every exchange whose term has ended, with all that is still held for it: Article 11(3).

    Called with every look at what is due, so "immediately" is within a minute of the end. Return their control numbers.
    """
    arrangement = here.settings.arrangement(now)
    with here.store.transaction() as tx:
        ends = {each.control_number: retention.ends_at(each, arrangement) for each in tx.exchanges()}
        over = [number for number, end in ends.items() if end is not None and end <= now]
    gone: list[str] = []
    for number in over:
        with here.store.transaction() as tx:  # the write lock: nothing is added to what is being erased
            end = retention.ends_at(tx.exchange(number), arrangement) if tx.has_exchange(number) else None
            if end is None or end > now:
                continue  # something happened to it meanwhile, such as an order to keep it
            held = tx.held(number)
            here.store.destroy(held)
            tx.forget(held)
            slot = tx.erase(number)
        if slot is not None:
            here.store.destroy_exchange(slot)
        gone.append(number)
    if gone:
        here.store.checkpoint()
        _log.info("Art. 11(3): the record of %d exchanges reached the end of its term and was deleted", len(gone))
    return gone


def keep_beyond_term(here: Installation, control_number: str, law: str, *, by: str, now: datetime) -> Exchange:
    """Keep the record of an exchange beyond its term because a law orders it, or, with no law, let it end: Article 11(3)."""
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        exchange = replace(before, kept_under=retention.check_hold(law) if law else "")
        tx.step(exchange, before=before.state)
        note = f"kept under {law} by {by}" if law else f"no longer kept, by {by}"
        service.record_act(tx, exchange, "legal hold", article="11(3)", note=note, now=now)
    return exchange


_HOLD: Final = {Side.QUERYING: "8(2)", Side.QUERIED: "8(1)"}
_LAPSES: Final = {
    State.SENT: "no answer came within {}",
    State.PROVIDED: "what was provided is not given again after {}",
}
