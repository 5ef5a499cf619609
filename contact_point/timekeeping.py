"""The guarded clock: whether the time may be believed when something is to be deleted for good (Article 11(3)).

A print goes by what happened, or at its hard stop by whichever clock is later: an error of the clock may end it early, never
keep it. A record goes only when its term has passed for certain: a clock set two years ahead must not delete what Article
11(3) orders to keep. So the wall clock is held to others:

- the monotonic clock of the process, which nobody sets: since the first look both must have moved alike;
- the high-water mark: the latest time that was believed, kept in the database over restarts;
- the other contact point, whose messages are signed with their time;
- the kernel, which knows whether a reference (NTP, PTP) disciplines the clock (adjtimex(2)).

Where they come apart by more than :data:`JUMP` there is an :class:`Alarm`, which lasts, over restarts too, until two sources
agree, and as long no record is deleted. What can end an alarm depends on its cause: after a jump in a running process the
kernel alone cannot, for what set the clock is what would say that it is right.
"""

from __future__ import annotations

import ctypes
import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from contact_point.store import Clock
from pcsc.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("contact_point.timekeeping")

JUMP: Final = timedelta(minutes=5)
"""By how much two sources of time may differ and still agree."""


class Cause(StrEnum):
    """Why the time is in doubt."""

    JUMP = "jump"
    """The wall clock and the monotonic clock of the process moved by different amounts."""
    BACK = "back"
    """The wall clock is before a time that was believed."""
    GAP = "gap"
    """Time passed in which nothing ran here, and nobody can say how much."""
    OTHER = "other contact point"
    """The other contact point signs with another time, and no reference disciplines this clock."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """The time is in doubt: no record is deleted until two sources agree. ``words`` say what differed and what ends it."""

    cause: Cause
    words: str

    def __str__(self) -> str:
        """Return the alarm as it is stored and told."""
        return f"{self.cause}: {self.words}"

    @classmethod
    def of(cls, text: str) -> Alarm:
        """Return the alarm that was stored; one whose cause is none of ours is a jump, which is the hardest to end."""
        cause, _, words = text.partition(": ")
        return cls(Cause(cause), words) if cause in set(Cause) else cls(Cause.JUMP, text)


class Clocks(Protocol):
    """What the guard needs of a transaction: the one row of the clock."""

    def clock(self) -> Clock | None:
        """Return what was kept, or None on a new installation."""

    def keep_clock(self, clock: Clock) -> None:
        """Keep the latest time that was believed, and whether it is in doubt."""


class Guard:
    """Holds the clock of one process to the other sources. Every call belongs in a transaction, which makes it thread-safe.

    ``kernel`` tells whether a reference disciplines the clock: True, False, or None where the kernel does not say.
    """

    def __init__(self, kernel: Callable[[], bool | None] | None = None) -> None:
        self._kernel = disciplined if kernel is None else kernel
        self._anchor: tuple[datetime, float] | None = None  # a time that was believed, on both clocks
        self._floor: tuple[datetime, float] | None = None  # a time than which it was not earlier, on both clocks
        self._word = ""  # what had last ended an alarm when the anchor was dropped

    def look(self, tx: Clocks, now: datetime, monotonic: float) -> Alarm | None:
        """Compare ``now`` with the other sources; return the alarm that is on, or None where the time may be believed.

        ``monotonic`` is in seconds from any origin and must count the time that the machine sleeps (CLOCK_BOOTTIME). Costs
        one row read, and one written where the time is believed or an alarm begins.
        """
        kept = tx.clock()
        if self._floor is None and kept is not None:
            self._floor = kept.passed, monotonic
        if self._anchor is not None and kept is not None and not kept.alarmed and kept.reason != self._word:
            self._anchor = None  # another process was told the time meanwhile: its word counts here too
            _log.warning("the clock is believed again, as another process was told: %s", kept.reason)
        alarm = self._doubt(kept, now, monotonic)
        if alarm is None:
            self._believe(tx, kept, now, monotonic)
        elif kept is None or not kept.alarmed:
            _log.error("the clock is in doubt, and no record is deleted: %s", alarm)
            tx.keep_clock(Clock(now if kept is None else kept.seen, alarmed=True, reason=str(alarm)))
        elif self._floor is not None and (least := _moved_on(self._floor, monotonic)) > kept.passed:
            tx.keep_clock(replace(kept, least=least))  # what passed in doubt has passed for the next process too
        return alarm

    def doubts(self, tx: Clocks, now: datetime) -> bool:
        """Whether the time is in doubt, or the next look will find it so."""
        kept = tx.clock()
        if kept is None or kept.alarmed:
            return kept is not None
        if self._floor is None:  # nobody has looked in this process
            return self._since_last_run(kept, now) is not None
        return abs(now - kept.seen) > JUMP

    def day(self, tx: Clocks, now: datetime) -> str:
        """Return the UTC day, as 2026-11-22, whose queries count (Article 4(7)): while in doubt the last that was believed."""
        kept = tx.clock()
        at = now if kept is None or not self.doubts(tx, now) else kept.seen
        return f"{at:%Y-%m-%d}"

    def _doubt(self, kept: Clock | None, now: datetime, monotonic: float) -> Alarm | None:
        if kept is not None and kept.alarmed:
            before = Alarm.of(kept.reason)
            return None if self._over(before, kept, now, monotonic) else before
        if (expected := self._expected(monotonic)) is not None:
            return None if abs(now - expected) <= JUMP else _jumped(now - expected)
        return None if kept is None else self._since_last_run(kept, now)

    def _since_last_run(self, kept: Clock, now: datetime) -> Alarm | None:
        """Hold the first look of a process to the high-water mark."""
        if now < kept.seen - JUMP:
            return Alarm(
                Cause.BACK,
                f"it was {kept.seen:%Y-%m-%d %H:%M:%S} here before and is {now:%Y-%m-%d %H:%M:%S} now: set the clock, or let "
                "a message of the other contact point confirm it, or `pcsc clock confirm`",
            )
        if now > kept.seen + JUMP and not self._kernel():
            return Alarm(
                Cause.GAP,
                f"nothing ran here from {kept.seen:%Y-%m-%d %H:%M:%S} to {now:%Y-%m-%d %H:%M:%S} by this clock, and no "
                "reference disciplines it: synchronise it, or let a message of the other contact point confirm it, "
                "or `pcsc clock confirm`",
            )
        return None

    def _over(self, alarm: Alarm, kept: Clock, now: datetime, monotonic: float) -> bool:
        """Whether two sources agree again; a word of the other contact point ends every alarm, in :meth:`heard`."""
        expected = self._expected(monotonic)
        returned = expected is not None and abs(now - expected) <= JUMP
        match alarm.cause:
            case Cause.JUMP:
                return returned
            case Cause.BACK:
                return returned or (now >= kept.seen - JUMP and self._kernel() is True)
            case Cause.GAP | Cause.OTHER:
                return (expected is None or returned) and now >= kept.seen - JUMP and self._kernel() is True

    def _expected(self, monotonic: float) -> datetime | None:
        """Return the time by the monotonic clock, or None where no time was believed yet."""
        return None if self._anchor is None else _moved_on(self._anchor, monotonic)

    def _believe(self, tx: Clocks, kept: Clock | None, now: datetime, monotonic: float) -> None:
        word = "" if kept is None or kept.alarmed else kept.reason
        if kept is not None and kept.alarmed:
            word = f"two sources agreed again at {now.isoformat()}"
            _log.warning("the clock is believed again: %s", word)
        if self._anchor is None:
            self._anchor = self._floor = now, monotonic
        self._word = word
        seen = now if kept is None or kept.alarmed else max(kept.seen, now)
        tx.keep_clock(Clock(seen, alarmed=False, reason=word))

    def heard(self, tx: Clocks, theirs: datetime, now: datetime) -> Alarm | None:
        """Take in a time that the other contact point signed and that is fresh here; return the alarm that it begins.

        Where it agrees with ``now`` it ends an alarm of any cause: their clock and ours are two sources. Where it does not,
        and no reference disciplines ours, nobody knows whose clock is wrong.
        """
        kept = tx.clock()
        if abs(theirs - now) <= JUMP:
            if kept is not None and kept.alarmed:
                self._told(tx, f"the other contact point agreed at {now.isoformat()}", now)
            return None
        alarm = Alarm(
            Cause.OTHER,
            f"the other contact point signed {theirs:%Y-%m-%d %H:%M:%S} when it was {now:%Y-%m-%d %H:%M:%S} here: synchronise "
            "the clock, and ask the other contact point to look at theirs",
        )
        if self._kernel() is True or (kept is not None and kept.alarmed):
            _log.warning("%s", alarm)
            return None
        _log.error("the clock is in doubt, and no record is deleted: %s", alarm)
        tx.keep_clock(Clock(now if kept is None else kept.seen, alarmed=True, reason=str(alarm)))
        return alarm

    def confirm(self, tx: Clocks, by: str, source: str, now: datetime) -> str:
        """Take the word of a person who compared the clock with another one: it ends an alarm of any cause.

        It counts in every process from its next look on. Return it, as it is kept until the next doubt and told in the logs.

        Raises:
            RecordError: nobody is named, or no other clock.

        """
        if not by.strip() or not source.strip():
            raise RecordError(
                "records are deleted by the time that a person confirms (Art. 11(3)), so it is kept who did and by which other "
                "clock; one of them was not named: name both"
            )
        word = f"{by.strip()} confirmed the time at {now.isoformat()} by {source.strip()}"
        self._told(tx, word, now)
        return word

    def _told(self, tx: Clocks, word: str, now: datetime) -> None:
        """End an alarm by the word of somebody else; the next look begins anew from here."""
        _log.warning("the clock is believed again: %s", word)
        self._anchor = None
        tx.keep_clock(Clock(now, alarmed=False, reason=word))

    def latest(self, tx: Clocks, now: datetime, monotonic: float) -> datetime:
        """Return the latest of the times that the sources give: a print goes by it, so no error of the clock keeps one."""
        times = [now]
        if (kept := tx.clock()) is not None:
            times.append(kept.passed)
        if self._floor is not None:
            times.append(_moved_on(self._floor, monotonic))
        return max(times)


def _moved_on(since: tuple[datetime, float], monotonic: float) -> datetime:
    at, then = since
    return at + timedelta(seconds=monotonic - then)


def _jumped(moved: timedelta) -> Alarm:
    ahead = "ahead" if moved > timedelta() else "back"
    return Alarm(
        Cause.JUMP,
        f"the clock was set {ahead} by {abs(moved).total_seconds():.0f} seconds while the service ran: set it right, or let a "
        "message of the other contact point confirm it, or `pcsc clock confirm`",
    )


# The kernel's own word: adjtimex(2), struct timex of <sys/timex.h> with the longs and the padding of Linux


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("counts", ctypes.c_long * 4),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )


_TIME_ERROR: Final = 5
_STA_UNSYNC: Final = 0x0040


def disciplined() -> bool | None:
    """Return whether a reference disciplines the kernel's clock to within :data:`JUMP`; None where it does not say."""
    try:
        ask = ctypes.CDLL(None, use_errno=True).adjtimex
    except (AttributeError, OSError):
        return None  # another system
    told = _Timex()  # modes 0: nothing is set
    state = ask(ctypes.byref(told))
    if state < 0:
        return None  # a container may forbid it
    return read_timex(state, told.status, told.maxerror)


def read_timex(state: int, status: int, maxerror: int) -> bool:
    """Return what the kernel's answer says: its state (adjtimex(2)), status bits and largest error in microseconds."""
    return state != _TIME_ERROR and not status & _STA_UNSYNC and maxerror <= JUMP / timedelta(microseconds=1)
