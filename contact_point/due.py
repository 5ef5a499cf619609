"""What is due when, written down, and the worker that does it: Articles 8(1), 8(2) and 11(3).

What may be held follows from the state of the exchange, and every act destroys what it no longer permits itself
(:mod:`contact_point.disposal`). What is written here is the backstop of that, and all that the clock alone ends. A row says
only when to look: what is done is decided anew from the exchange by whoever claims the row, in the transaction that claims it.
So a row too many does nothing, a lost one is written again (:func:`replan`, at the start, daily, and when the clock is believed
again), and any number of workers, killed at any moment, do a thing once.

1. :func:`times` says when something is due in an exchange, and :func:`plan` writes it down; with every step.
2. :class:`Worker` claims what is due, does it, and marks it done, one transaction each. What fails waits, longer each time, and
   holds up nothing else.
3. A print goes by whichever clock is later, a record only while the time is believed (:mod:`contact_point.timekeeping`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from contact_point.keys import TokenError
from contact_point.store import Clock, Due, StoreError, Transaction, UnknownExchangeError
from contact_point.timekeeping import JUMP
from pcsc import duties, retention

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contact_point.store import Store
    from contact_point.timekeeping import Alarm, Guard
    from pcsc.arrangement import Arrangement
    from pcsc.duties import Content
    from pcsc.exchange import Exchange

_log = logging.getLogger("contact_point.due")

DISPOSE: Final = "dispose"
"""Something is held that the exchange no longer permits: Articles 8(1), 8(2), 8(9), 10(2)."""
LAPSE: Final = "lapse"
"""A hold reaches the arrangement's hard stop."""
LAPSE_BELIEVED: Final = "lapse believed"
"""The same for a hold that was stamped by a clock set ahead: by the time that was believed."""
EXPIRE: Final = "expire"
"""The term of the record ends: Article 11(3)."""
EXPIRE_BELIEVED: Final = "expire believed"
"""The same for an exchange whose last event was stamped by a clock that was wrong: by the time that was believed."""
DELETION: Final = "deletion "
"""Before a kind of content: its key is destroyed and its rows are gone, and the record is owed the entry."""
KEY: Final = "key "
"""Before a slot: the exchange that rested under its key is erased, and the key is to be destroyed."""
REMOVED: Final = "removed "
"""Before a slot: the person whose prints rested under its key left the gallery, and the key is to be destroyed."""
RETRY: Final = "retry "
"""Before the number of a message of ours: the other contact point asked that it be not sent again before then."""
CHECKPOINT: Final = "checkpoint"
"""Deleted rows wait in the log of the database. Of no exchange."""
COPIES: Final = "copies"
"""A copy of the record, exported or backed up, ends: Article 11(3). Of no exchange."""

QUOTA: Final = "quota"
"""The day ends on which this contact point was restored: what was asked on it before is not known (Article 4(7))."""
NONCES: Final = "nonces"
"""No signature is fresh any more that was made before this contact point was restored (Article 9)."""

OF_RESTORATION: Final = (QUOTA, NONCES)
"""What is refused until then. Of no exchange."""

OUTAGE: Final = "outage "
"""Before a notice and a time: from then on until this is due, this contact point is out of service (Article 4(1))."""
AWAY: Final = "away "
"""The same of the other contact point."""

BY_THE_CLOCK: Final = frozenset({COPIES, *OF_RESTORATION, OUTAGE.strip(), AWAY.strip()})
"""What is of no exchange and is not brought forward: it says until when, and not by when."""

OF_RECORDS: Final = (EXPIRE, EXPIRE_BELIEVED, COPIES)
"""What waits while the time is in doubt."""

AT_ONCE: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""When something is due that no clock may put off."""

IN_DOUBT: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""When something is due that was stamped while the time was in doubt: :func:`replan` says when, once it is over."""

LEEWAY: Final = 2 * JUMP
"""What a term waits longer than it must: each of two clocks may be wrong by a jump unnoticed. Out of the 24 hours there are."""

DAY: Final = 86_400.0
_FIRST_DELAY: Final = timedelta(minutes=1)
_LONGEST_DELAY: Final = timedelta(hours=1)
_BATCH: Final = 100  # exchanges planned in one transaction: others wait for it


def hard_stop(exchange: Exchange, arrangement: Arrangement) -> datetime | None:
    """Return the first moment at which a hold overstays (:func:`pcsc.duties.overstays`), or None where nothing is on hold."""
    # A hold counts from one of these; the first that overstays is the one it counts from.
    counted = (exchange.opened_at, exchange.answered_at, exchange.provided_at, exchange.since)
    stops = (each + timedelta(days=arrangement.follow_up_days) for each in counted if each is not None)
    return min((stop for stop in stops if duties.overstays(exchange, arrangement, stop)), default=None)


def times(
    exchange: Exchange,
    arrangement: Arrangement,
    held: Iterable[Content],
    clock: Clock | None = None,
    *,
    doubted: bool = False,
) -> dict[str, datetime | None]:
    """Return what is due when in an exchange; None is for what is not due at all.

    ``held`` are the kinds of content held for it. ``clock`` is what was believed when the last event was stamped, just now. If
    the time was in doubt, the term of the record counts from the end of the doubt; if the stamp is earlier than what was
    believed, from that. A hold that was stamped later than what was believed, by a clock in doubt, counts from what was;
    ``doubted`` says that the next look will find it so.
    """
    found: dict[str, datetime | None] = dict.fromkeys((DISPOSE, LAPSE_BELIEVED, EXPIRE, EXPIRE_BELIEVED))
    if not duties.permitted(exchange).issuperset(held):
        found[DISPOSE] = AT_ONCE
    found[LAPSE] = stop = hard_stop(exchange, arrangement)
    if clock is not None and stop is not None and (doubted or clock.alarmed):
        latest = clock.passed + timedelta(days=arrangement.follow_up_days)
        if stop > latest + JUMP:
            found |= {LAPSE: None, LAPSE_BELIEVED: latest}
    if (end := retention.ends_at(exchange, arrangement)) is None:
        return found
    behind = timedelta() if clock is None else clock.seen - exchange.last_event_at
    if clock is not None and clock.alarmed:
        found[EXPIRE_BELIEVED] = IN_DOUBT
    elif behind > JUMP:
        found[EXPIRE_BELIEVED] = end + behind + LEEWAY
    else:
        found[EXPIRE] = end + LEEWAY
    return found


def plan(tx: Transaction, exchange: Exchange, arrangement: Arrangement, *, doubted: bool = False) -> None:
    """Write down what is due in an exchange that took a step in this transaction, in place of what was.

    A hold whose stop is known better than by its stamps, as a clock was ahead when it began, is no longer for a further step.
    """
    clock, planned = tx.clock(), tx.planned(exchange.control_number)
    before = planned.get(LAPSE_BELIEVED)
    found = times(exchange, arrangement, condemn(tx, exchange), clock, doubted=doubted)
    if before is not None and clock is not None and (stop := found[LAPSE] or found[LAPSE_BELIEVED]) is not None:
        known = found[LAPSE_BELIEVED] is not None
        if known or stop > clock.passed + timedelta(days=arrangement.follow_up_days) + JUMP:
            found |= {LAPSE: None, LAPSE_BELIEVED: min(before, stop)}
    for what, at in found.items():
        if at != planned.get(what):
            tx.plan(exchange.control_number, what, at)


def condemn(tx: Transaction, exchange: Exchange) -> set[Content]:
    """Condemn what is held and no longer permitted; return the kinds of all that is held.

    Decided while the exchange can be read: what is condemned goes also when it cannot, as its key is in a token that is away.
    """
    kinds = {each.kind for each in tx.held(exchange.control_number)}
    if late := kinds - duties.permitted(exchange):
        tx.condemn(exchange.control_number, late)
    return kinds


def noted(tx: Transaction, exchange: Exchange, arrangement: Arrangement, now: datetime) -> None:
    """Write down that the term begins anew where something was entered in the record and the exchange took no step.

    That is so for a message that was received and not accepted, or came too late to matter: Article 11(1) is about receipt. And
    for an act that changes nothing, such as a use that was refused. When a hold ends (8(1), 8(2)) stays as it was planned.
    """
    found = times(replace(exchange, last_event_at=now), arrangement, (), tx.clock())
    for what in (EXPIRE, EXPIRE_BELIEVED):
        tx.plan(exchange.control_number, what, found[what])


def record_ends(tx: Transaction, exchange: Exchange, arrangement: Arrangement) -> datetime | None:
    """Return when the record of an exchange may go, or None while something keeps it.

    That is the end of its term (:func:`pcsc.retention.ends_at`), and not before its last entry is as old as the term is long.
    What was noted within :data:`LEEWAY` after the last event, such as a deletion, goes with it.
    """
    entered = [entry.at for entry in tx.entries(exchange.control_number)]
    late = entered[-1] if entered and entered[-1] > exchange.last_event_at + LEEWAY else None
    return retention.ends_at(exchange, arrangement, recorded_at=late)


def is_over(tx: Transaction, exchange: Exchange, arrangement: Arrangement, row: Due, now: datetime) -> bool:
    """Whether the record of an exchange goes now that its row is due; if not, write down when to look again.

    Where its last event was stamped by a wrong clock, the row knows better than the stamps.
    """
    end = record_ends(tx, exchange, arrangement)
    if end is None:
        return False  # something keeps it: the step that ends that writes it down again
    if row.what == EXPIRE_BELIEVED or end + LEEWAY <= now:
        return True
    latest = _ends_at_latest(exchange, arrangement, now)
    what, at = (EXPIRE, end) if end <= latest + JUMP else (EXPIRE_BELIEVED, latest)
    tx.plan(exchange.control_number, what, at + LEEWAY)
    return False


def _ends_at_latest(exchange: Exchange, arrangement: Arrangement, now: datetime) -> datetime:
    """Return when the term would end if the last event were now: a later end was stamped by a clock set ahead."""
    return retention.ends_at(replace(exchange, last_event_at=now), arrangement) or now


def is_held_too_long(exchange: Exchange, arrangement: Arrangement, row: Due, now: datetime) -> bool:
    """Whether a hold ends now that its row is due: at its hard stop, or when the row knows better than a wrong stamp."""
    stop = hard_stop(exchange, arrangement)
    return stop is not None and (row.what == LAPSE_BELIEVED or stop <= now)


def replan(tx: Transaction, exchange: Exchange, arrangement: Arrangement, now: datetime | None) -> None:
    """Write down anew what is due in an exchange, whatever was written; ``now`` is None while the time is in doubt."""
    number = exchange.control_number
    before = tx.planned(number)
    found = times(exchange, arrangement, condemn(tx, exchange))
    for stamped, believed in ((LAPSE, LAPSE_BELIEVED), (EXPIRE, EXPIRE_BELIEVED)):
        if found[stamped] is not None and believed in before:
            found |= {stamped: None, believed: before[believed]}
    if now is not None:
        found |= _ahead(exchange, arrangement, before, now)
        # What a retry put off is due at once: the clock by which it was put off may have been wrong.
        found |= {what: AT_ONCE for what, at in before.items() if what.startswith(DELETION) and at > now}
    for what, at in found.items():
        if at != before.get(what):
            tx.plan(number, what, at)


def _ahead(
    exchange: Exchange, arrangement: Arrangement, before: Mapping[str, datetime], now: datetime
) -> dict[str, datetime | None]:
    """Return what is due in an exchange that was stamped by a clock set ahead, or in doubt: from when that was first seen."""
    found: dict[str, datetime | None] = {}
    stop = hard_stop(exchange, arrangement)
    latest = now + timedelta(days=arrangement.follow_up_days)
    if stop is not None and stop > latest + JUMP:
        found |= {LAPSE: None, LAPSE_BELIEVED: min(before.get(LAPSE_BELIEVED, latest), latest)}
    believed = exchange.last_event_at > now + JUMP or EXPIRE_BELIEVED in before
    if believed and retention.ends_at(exchange, arrangement) is not None:
        latest = _ends_at_latest(exchange, arrangement, now) + LEEWAY
        # What was entered since, by a clock that was right, is in the row already.
        first = min(latest, *(before.get(what, latest) for what in (EXPIRE, EXPIRE_BELIEVED)))
        found |= {EXPIRE: None, EXPIRE_BELIEVED: first}
    return found


Act = Callable[[Transaction, Due, datetime], Callable[[], None] | None]
"""What is done when something is due: (transaction, row, time), in the transaction that claimed the row. It marks the row done
itself, or what it returns does, which is called after the commit."""


class Busy(Exception):  # noqa: N818 - nothing is wrong: it is only to be done later
    """The log of the database could not be emptied just now; the row stays as it is and is looked at with the next tick."""


class Worker:
    """Does what is due in one installation. One for each thread; any number of them, in any number of processes.

    ``acts`` are by the first word of what is due. ``arrangement`` gives the one in force at a time.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        arrangement: Callable[[datetime], Arrangement],
        acts: Mapping[str, Act],
        guard: Guard,
    ) -> None:
        self._name = name
        self._store = store
        self._arrangement = arrangement
        self._acts = acts
        self._guard = guard
        self._failures: dict[tuple[str, str], int] = {}  # by exchange and what is due
        self._planned: float | None = None  # when everything was planned anew, on the monotonic clock
        self._alarm: Alarm | None = None

    @property
    def alarm(self) -> Alarm | None:
        """The doubt about the time at the last look; `pcsc clock` shows it to whoever watches over this installation."""
        return self._alarm

    @property
    def failing(self) -> int:
        """How many things that are due failed and wait to be tried again."""
        return len(self._failures)

    def work(self, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> int:
        """Do all that is due and return how many rows were done; what fails is put off and told in the log.

        Raises:
            RecordError, StoreError: the database can be neither read nor written: nothing can be done now.

        """
        self._look(clock, monotonic)
        if self._planned is None or monotonic() - self._planned >= DAY:
            try:
                self._plan_anew(clock())
                self._planned = monotonic()
            except TokenError as error:  # what is written down already is done meanwhile
                _log.error("what is due cannot be planned anew: %s", error)
        done, waiting = 0, set[str]()
        while (outcome := self._next(clock, monotonic, waiting)) is not None:
            done += outcome
        return done

    def _look(self, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        with self._store.transaction() as tx:
            self._seen(self._guard.look(tx, clock(), monotonic()))

    def _seen(self, alarm: Alarm | None) -> None:
        if alarm is None and self._alarm is not None:
            self._planned = None  # what was planned by a clock in doubt is planned anew
        self._alarm = alarm

    def _plan_anew(self, now: datetime) -> None:
        """Write down what is due in every exchange, a few at a time."""
        with self._store.transaction() as tx:
            every = tx.whole_exchanges()
        believed, arrangement = None if self._alarm is not None else now, self._arrangement(now)
        for first in range(0, len(every), _BATCH):
            with self._store.transaction() as tx:
                for each in every[first : first + _BATCH]:
                    with suppress(UnknownExchangeError):  # it ended meanwhile
                        replan(tx, tx.exchange(each.control_number), arrangement, believed)
        if believed is not None:
            with self._store.transaction() as tx:
                for what, at in tx.planned("").items():
                    if what.partition(" ")[0] not in BY_THE_CLOCK and at > now:
                        tx.plan("", what, AT_ONCE)

    def _next(self, clock: Callable[[], datetime], monotonic: Callable[[], float], waiting: set[str]) -> int | None:
        """Do the next thing that is due; return how many rows were done, or None where nothing is due any more."""
        claimed: list[tuple[Due, datetime]] = []
        try:
            with self._store.transaction() as tx:
                after = self._claim(tx, clock(), monotonic(), waiting, claimed)
            if not claimed:
                return None
            if after is not None:
                after()
        except Exception as error:
            if not claimed:
                raise
            row, now = claimed[0]
            if isinstance(error, Busy):
                waiting.add(row.what)
            else:
                self._put_off(row, now)
            return 0
        row, _ = claimed[0]
        self._failures.pop((row.exchange, row.what), None)
        return 1

    def _claim(
        self,
        tx: Transaction,
        now: datetime,
        monotonic: float,
        waiting: set[str],
        claimed: list[tuple[Due, datetime]],
    ) -> Callable[[], None] | None:
        """Claim what is due first and do it, in one transaction with the look at the clock that lets it be done."""
        self._seen(self._guard.look(tx, now, monotonic))
        at, row = now, tx.claim(now, skip=(*waiting, *OF_RECORDS) if self._alarm is not None else tuple(waiting))
        if row is None:  # a print, and whatever else is no record, goes by the latest clock
            at = self._guard.latest(tx, now, monotonic)
            row = tx.claim(at, skip=(*waiting, *OF_RECORDS))
        if row is None:
            return None
        claimed.append((row, at))
        return self._act(row)(tx, row, at)

    def _act(self, row: Due) -> Act:
        try:
            return self._acts[row.what.split()[0]]
        except (KeyError, IndexError):
            raise StoreError(f"nobody here knows how to do what is due: {row.what!r}") from None

    def _put_off(self, row: Due, now: datetime) -> None:
        """Let what failed wait, twice as long each time and never longer than an hour, so that the rest goes on."""
        failed = self._failures[row.exchange, row.what] = self._failures.get((row.exchange, row.what), 0) + 1
        delay = min(_FIRST_DELAY * 2 ** min(failed - 1, 10), _LONGEST_DELAY)
        _log.exception(
            "%r is due in exchange %s and failed %d times in %s; it is tried again in %d seconds",
            *(row.what, row.exchange or "-", failed, self._name, delay.total_seconds()),
        )
        with self._store.transaction() as tx:
            if row.what in tx.planned(row.exchange):  # it may have been done up to its end
                tx.plan(row.exchange, row.what, now + delay)
