"""For the programs of an authority: query the other contact point through our installation, from Python.

:class:`ContactPoint` does what the commands do, by the same acts (:mod:`contact_point.querying`), and stays with a message
until its answer is there. What it adds is patience:

1. A message is in the outbox, durably, before it is sent (:mod:`contact_point.delivery`). Whatever happens then, the same
   bytes are sent again under the same number, and the other contact point answers them once.
2. What may pass is tried again after a while, until the time that the caller gives is over: exponential backoff with full
   jitter, and never before the time that the other contact point asked for (Retry-After). What is final is raised at once.
3. What is not answered by then stays in the outbox. :meth:`ContactPoint.follow`, :meth:`ContactPoint.resume` and a running
   `pcsc serve` go on from there, in this process or in another one, also after a crash.

:class:`AsyncContactPoint` is the same for programs that await.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial, wraps
from itertools import count
from pathlib import Path
from secrets import SystemRandom
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from contact_point import delivery, files, main, querying, service, wire
from contact_point.prints import probe_of
from contact_point.querying import Justification, read_justification, read_notification
from contact_point.service import Installation
from contact_point.transport import Client, ClientError, RefusedError, UnreachableError, WaitingError
from contact_point.wire import WireError
from matcher import images
from matcher.images import Image
from matcher.jail import JailError
from pcsc.errors import IdempotencyError, RecordError, TreatyError
from pcsc.exchange import Exchange, State
from pcsc.messages import Checkpoints, Search

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from contact_point.examination import Examination
    from contact_point.prints import PrintFile
    from pcsc.messages import Conclusion, Message, WrittenNotification

__all__ = [
    "Answered",
    "AsyncContactPoint",
    "ClientError",
    "ContactPoint",
    "Event",
    "Justification",
    "Outcome",
    "Pace",
    "PendingError",
    "Probe",
    "Read",
    "RefusedError",
    "Sealed",
    "Sending",
    "Stopped",
    "StoppedError",
    "UnreachableError",
    "Waiting",
    "WaitingError",
    "read_justification",
    "read_notification",
]

WITHIN: Final = timedelta(minutes=2)
"""How long an answer is waited for where the caller says nothing: two whole attempts."""

PASSING: Final = (UnreachableError, WaitingError, WireError, JailError, RecordError)
"""What may be over the next time. A WireError too: what stands between the two may have answered in the other's place."""

_LEAST: Final = 0.001  # seconds: what is under way when the time is over is ended, and what begins then too

THREADS: Final = 8
"""Calls of one :class:`AsyncContactPoint` at a time; further ones wait for their turn."""


class PendingError(ClientError):
    """No answer was taken in within the time given. The message is in the outbox and is sent again, the same, later.

    ``control_number`` is that of the exchange; ``trouble``, also the cause, what went wrong the last time.
    """

    def __init__(self, control_number: str, trouble: Exception) -> None:
        super().__init__(
            f"exchange {control_number} waits for its answer ({trouble}); its message is in the outbox and is sent again by "
            "follow() or resume(), `pcsc resume` or a running `pcsc serve`: do not ask anew"
        )
        self.control_number = control_number
        self.trouble = self.__cause__ = trouble


class StoppedError(ClientError):
    """The call was ended by ``stop`` before anything of it was stored or sent."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Prints of the individual: a file of any kind that is read, its bytes, or the grey pixels of one print.

    Pixels have the shape (height, width), 0 black to 255 white, and need ``dpi``, pixels per inch. ``position`` is the
    finger, 1 (right thumb) to 10 (left little finger), of what shows one print and names no finger.
    """

    shown: Path | bytes | NDArray[np.uint8]
    position: int = 0
    dpi: float | None = None

    def read(self, here: Installation) -> PrintFile:
        """Return the prints in it.

        Raises:
            FILE_ERRORS of :mod:`contact_point.files`, OSError: it cannot be read.
            ValueError: pixels came without their resolution, or a position is said for several prints.

        """
        shown = self.shown
        if isinstance(shown, Path):
            shown = files.load(shown)
        elif not isinstance(shown, bytes):
            if self.dpi is None:
                raise ValueError("pixels do not say their resolution: give dpi, pixels per inch, with them")
            shown = images.write_png(Image(shown, self.dpi))
        return here.reader.read_file(shown, at=here.clock(), position=self.position, dpi=self.dpi)


# What is told meanwhile: numbers, kinds and codes, and never content.


@dataclass(frozen=True, slots=True)
class Read:
    """The prints of a query were read: so many go with it, and what of the files is left out, and why."""

    control_number: str
    prints: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """The message is in the outbox: from here on nothing that happens to this process loses it."""

    control_number: str
    message: str
    kind: str


@dataclass(frozen=True, slots=True)
class Sending:
    """The message is being sent, for the first time or again."""

    control_number: str
    message: str
    kind: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer is taken in, durably, and the exchange stands so."""

    control_number: str
    state: State


@dataclass(frozen=True, slots=True)
class Waiting:
    """No answer yet: it is sent again in so many seconds. ``because`` is a refusal's code, or the name of the error."""

    control_number: str
    seconds: float
    because: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """It is not tried again in this call; ``because`` as before. Where ``kept``, the message is still in the outbox."""

    control_number: str
    because: str
    kept: bool


Event = Read | Sealed | Sending | Answered | Waiting | Stopped


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of what waited in an exchange: how it stands now, and what went wrong, if anything did."""

    exchange: Exchange
    error: Exception | None = None


def full_jitter(longest: float) -> float:
    """Return any time up to ``longest``."""
    return SystemRandom().uniform(0.0, longest)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited before the next attempt: exponential backoff with full jitter.

    Before attempt n + 1 that is ``jitter`` of the lesser of ``longest`` and ``first`` times two to the nth, in seconds: with
    full jitter any time up to it, so that those who failed together do not come again together (M. Brooker, Exponential
    Backoff And Jitter, 2015).
    """

    first: float = 1.0
    longest: float = 60.0
    jitter: Callable[[float], float] = full_jitter

    def before(self, tries: int, left: float) -> float:
        """Return the seconds before an attempt that follows so many; no more than are ``left``."""
        return self.jitter(min(self.longest, self.first * 2 ** min(tries - 1, 32), left))


_Act = Callable[[Installation, datetime], Exchange]


def _nobody(_event: Event) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """Our installation, for a program that queries the other contact point. Thread-safe.

        >>> from pathlib import Path
        >>> from contact_point.client import ContactPoint, Probe, read_justification

        >>> with ContactPoint.open(Path("tokyo")) as here:  # its certificate and keys, which `pcsc init` made
        ...     number = here.new_number()  # write it down: after a crash it finds the query again
        ...     why = read_justification(Path("basis.toml"))
        ...     exchange = here.query(number, [Probe(Path("right-index.png"), position=2)], why)

        >>> print(exchange.state)
        match

    What sends takes ``within``, how long the answer is waited for from when the message is in the outbox; the attempt that
    is under way then is ended. ``told`` hears of every :data:`Event`, in the thread that works; what it raises ends the
    call. ``stop``, once set, ends the call at the next step and wakes one that waits.

    Whatever sends may raise, besides what its act raises:

    - PendingError: no answer was taken in within the time given; the message is in the outbox.
    - RefusedError: the other contact point did not accept the message, finally. It is given up and recorded so, and the
      exchange goes back to where it can go on; a query that was not accepted is CLOSED.
    - TreatyError: the agreement does not allow the act, or the exchange is not there yet; nothing was sent. Or a match came
      with prints that nobody could look at: the message stays in the outbox.
    - TlsError: the other end is not the designated contact point; nothing was sent, and the message stays in the outbox.
    - StoreError, KeysError: the installation cannot be read or written.

    After a crash, :meth:`resume` brings what waits; then go on from the state of the exchange. :meth:`query` alone may be
    called again with the same number: it makes one query.
    """

    here: Installation
    told: Callable[[Event], None] = _nobody
    pace: Pace = field(default_factory=Pace)
    stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextmanager
    def open(cls, root: Path, *, told: Callable[[Event], None] = _nobody) -> Iterator[Self]:
        """Open the installation in the folder ``root``; other processes, such as `pcsc serve`, may have it open too.

        Raises:
            SettingsError, KeysError: the folder is not a whole installation, or its keys lie where destroying one may not erase
                it.

        """
        with main.opened(root) as here:
            yield cls(here, told)

    # The query and its match

    def new_number(self) -> str:
        """Return a fresh control number for one query: write it down before :meth:`query`."""
        return service.new_number(self.here, self.here.clock())

    def query(
        self, number: str, probes: Sequence[Probe], why: Justification, *, within: timedelta = WITHIN
    ) -> Exchange:
        """Query the other Party's prints for one individual: Articles 4(3)-(5). The exchange is at NO_MATCH or MATCH.

        Called again with the same number it makes no second query: it brings the exchange as it stands, and its answer if
        that is still to come. Reading one print of 500 dpi costs about 0.3 s of CPU time.

        Raises:
            IdempotencyError: the number was used for a query with another justification.
            FILE_ERRORS of :mod:`contact_point.files`, OSError, ValueError: a file cannot be read, or the number is none.
            PrintQualityError, BulkQueryError, SearchKindError: the prints cannot be searched with, or not in one query.

        """
        if self._is_made(number, why):
            return self.follow(number, within=within)
        service.check_number(self.here, number)
        found = [each.read(self.here) for each in probes]
        probe = probe_of(found, latent=why.search is Search.LATENT)
        self.told(Read(number, len(probe), tuple(reason for each in found for reason in each.left_out)))
        return self._carry(number, within, lambda here, now: querying.open_query(here, probe, why, now, number=number))

    def _is_made(self, number: str, why: Justification) -> bool:
        """Whether the query of that number is made already. Its circumstances and case are not compared: they may be gone."""
        with self.here.store.transaction() as tx:
            if not tx.has_exchange(number):
                return False
            made = querying.ours(tx, number)
        said = (made.authority, made.basis, made.expectation, made.identified, made.search)
        if said != (why.authority, why.basis, why.expectation, why.identified, why.search):
            raise IdempotencyError(
                f"control number {number} is that of a query with another justification; a number names one query: take a new "
                "number for the new one"
            )
        return True

    def exchange(self, number: str) -> Exchange:
        """Return an exchange as it stands.

        Raises:
            UnknownExchangeError: there is none of that number: nothing was stored or sent.

        """
        with self.here.store.transaction() as tx:
            return tx.exchange(number)

    def follow(self, number: str, *, within: timedelta = WITHIN) -> Exchange:
        """Stay with what waits in the outbox for an exchange until it is answered; return the exchange.

        Raises:
            UnknownExchangeError: there is none of that number.

        """
        return self._carry(number, within, self._again(number), sealed=True)

    def resume(self, *, within: timedelta = WITHIN) -> tuple[Outcome, ...]:
        """Stay with all that waits in the outbox, of every exchange, until it is answered; return what became of each.

        Nothing is brought twice: what was answered before is not in the outbox any more.
        """
        with self.here.store.transaction() as tx:
            waiting = dict.fromkeys(held.exchange for held in delivery.outbox(tx))
        found = self._rounds({number: self._again(number) for number in waiting}, within, sealed=True)
        return tuple(
            Outcome(self.exchange(number), each) if isinstance(each, Exception) else Outcome(each)
            for number, each in found.items()
        )

    def examination(self, number: str) -> Examination:
        """Return the prints of a match for the examiner: Article 4(5). They are not to outlive the determination (8(2))."""
        return querying.examination(self.here, number)

    def write_picture(self, number: str, path: Path) -> None:
        """Write the prints of a match side by side to a new .svg or .png, which is deleted with them: Article 8(2)."""
        querying.write_picture(self.here, number, path, self.here.clock())

    def examine(self, number: str, conclusion: Conclusion, by: str) -> Exchange:
        """Note the conclusion of the examiner: Article 4(5)."""
        return querying.examine(self.here, number, conclusion, by, self.here.clock())

    def determine(self, number: str, *, will_request: bool, within: timedelta = WITHIN) -> Exchange:
        """Determine whether to request further information; the received prints are destroyed at once: Article 8(2)."""
        act = partial(querying.determine, control_number=number, will_request=will_request)
        return self._carry(number, within, lambda here, now: act(here, now=now))

    # Further information

    def request(
        self, number: str, notification: WrittenNotification, *, risk: str = "", within: timedelta = WITHIN
    ) -> Exchange:
        """Request further information: Article 5(1). A person answers it later; the reply comes to `pcsc serve`."""
        return self._carry(
            number, within, lambda here, now: querying.request(here, number, notification, now, risk=risk)
        )

    def accept(self, number: str, *, accepted: bool, signed_by: str, within: timedelta = WITHIN) -> Exchange:
        """Accept the conditions of an offer, and receive the information, or decline it: Article 8(8)."""
        act = partial(querying.accept, control_number=number, accepted=accepted, signed_by=signed_by)
        return self._carry(number, within, lambda here, now: act(here, now=now))

    # Patience

    def _carry(self, number: str, within: timedelta, act: _Act, *, sealed: bool = False) -> Exchange:
        """Do an act and stay with its message."""
        outcome = self._rounds({number: act}, within, sealed=sealed)[number]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _again(self, number: str) -> _Act:
        """Return the act of sending what waits in an exchange; where nothing does, somebody else brought the answer."""

        def act(here: Installation, _now: datetime) -> Exchange:
            for outcome in delivery.resume(here, here.clock, number):
                if isinstance(outcome, Exception):
                    raise outcome
            return self.exchange(number)

        return act

    def _rounds(
        self, acts: Mapping[str, _Act], within: timedelta, *, sealed: bool = False
    ) -> dict[str, Exchange | Exception]:
        """Do each act, and as long as there is time send again what waits for its answer; return what came of each.

        Only the first round does the acts: what waits after it is in the outbox, as with ``sealed`` it is before.
        """
        until = main.boottime() + within.total_seconds()
        found: dict[str, Exchange | Exception] = {}
        waiting = dict(acts)
        for tries in count(1):
            found |= {
                number: self._attempt(number, act, until, sealed=sealed or tries > 1) for number, act in waiting.items()
            }
            pending = [each for number in waiting if isinstance(each := found[number], PendingError)]
            if not pending or not self._pause(pending, tries, until - main.boottime()):
                break
            waiting = {each.control_number: self._again(each.control_number) for each in pending}
        return found

    def _attempt(self, number: str, act: _Act, until: float, *, sealed: bool) -> Exchange | Exception:
        """Do an act; what may still come about is a PendingError."""
        if self.stop.is_set() and not sealed:
            return StoppedError(f"exchange {number}: the call was ended before anything of it was stored or sent")
        way = _Way(self, number, until, sealed=sealed)
        try:
            exchange = act(replace(self.here, other=None if self.here.other is None else way), self.here.clock())
        except delivery.TROUBLE as error:
            given_up = isinstance(error, RefusedError) and error.final
            if way.sealed and not given_up and isinstance(error, (*PASSING, RefusedError)):
                return PendingError(number, error)
            self.told(Stopped(number, _code(error), kept=way.sealed and not given_up))
            return error
        self.told(Answered(number, exchange.state))
        return exchange

    def _pause(self, pending: Sequence[PendingError], tries: int, left: float) -> bool:
        """Wait for the next attempt and return True; or, where it would come too late, return False at once."""
        asked = min(self._asked(each.control_number) for each in pending)
        seconds = max(asked, self.pace.before(tries, max(left, 0.0)))
        goes_on = left > 0 and seconds <= left and not self.stop.is_set()
        for each in pending:
            number, because = each.control_number, _code(each.trouble)
            self.told(Waiting(number, seconds, because) if goes_on else Stopped(number, because, kept=True))
        return goes_on and not self.stop.wait(seconds)

    def _asked(self, number: str) -> float:
        """Return for how many seconds the other contact point asked to be left alone in an exchange (Retry-After)."""
        now = self.here.clock()
        try:
            with self.here.store.transaction() as tx:
                times = [delivery.put_off_until(tx, held, now) for held in delivery.outbox(tx, number)]
        except RecordError:
            return 0.0  # busy, or broken: the next attempt sees
        return max(((each - now).total_seconds() for each in times if each is not None), default=0.0)


def _code(error: Exception) -> str:
    """Return what went wrong without a word of what it is about."""
    if isinstance(error, RefusedError):
        return error.problem.code
    return error.code if isinstance(error, TreatyError) else type(error).__name__


class _Way:
    """The way to the other contact point in one attempt: it tells what leaves, and lasts no longer than the caller waits."""

    def __init__(self, point: ContactPoint, number: str, until: float, *, sealed: bool) -> None:
        self._point = point
        self._number = number
        self._until = until
        self.sealed = sealed

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        """Send a message, which is in the outbox, and return the answer with its bytes."""
        if not isinstance(message, Checkpoints):  # those are about the record, and of no exchange
            self._tell(message)
        other = delivery.transport(self._point.here)
        if not isinstance(other, Client):
            return other.post(message, body, now)
        return other.post(message, body, now, within=max(self._until - main.boottime(), _LEAST))

    def _tell(self, message: Message) -> None:
        what = (self._number, message.control_number, wire.kind_of(message))
        if not self.sealed:
            self.sealed = True
            self._point.told(Sealed(*what))
        if self._point.stop.is_set():
            raise WaitingError("the call was ended before the message was sent")
        self._point.told(Sending(*what))


_P = ParamSpec("_P")
_T = TypeVar("_T")


def _awaited(
    method: Callable[Concatenate[ContactPoint, _P], _T],
) -> Callable[Concatenate[AsyncContactPoint, _P], Coroutine[Any, Any, _T]]:
    """Return a method of a :class:`ContactPoint` as one that is awaited."""

    @wraps(method)
    async def call(self: AsyncContactPoint, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        stop = threading.Event()
        work = partial(method, replace(self.point, stop=stop), *args, **kwargs)
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, work)
        finally:
            stop.set()  # cancelled: the thread ends at its next step

    return call


@dataclass(frozen=True, slots=True)
class AsyncContactPoint:
    """A :class:`ContactPoint` for programs that await (asyncio): the same calls, each in a thread.

    A call that is cancelled ends at its next step: either nothing was stored or sent, or the message is in the outbox, or its
    answer was on its way and is taken in. ``exchange(number)`` says which. Events are told in the thread that works, so a
    queue of the loop takes them by ``loop.call_soon_threadsafe(queue.put_nowait, event)``.
    """

    point: ContactPoint
    threads: ThreadPoolExecutor

    @classmethod
    @asynccontextmanager
    async def open(cls, root: Path, *, told: Callable[[Event], None] = _nobody) -> AsyncIterator[Self]:
        """Open the installation in the folder ``root``; at the end, wait for what calls that were cancelled still do.

        Raises:
            SettingsError, KeysError: as :meth:`ContactPoint.open`.

        """
        loop, opened = asyncio.get_running_loop(), ExitStack()
        threads = ThreadPoolExecutor(THREADS, "contact point")
        try:
            enter = partial(opened.enter_context, ContactPoint.open(root, told=told))
            yield cls(await loop.run_in_executor(threads, enter), threads)
        finally:
            await asyncio.shield(loop.run_in_executor(None, _end, threads, opened))

    new_number = _awaited(ContactPoint.new_number)
    query = _awaited(ContactPoint.query)
    exchange = _awaited(ContactPoint.exchange)
    follow = _awaited(ContactPoint.follow)
    resume = _awaited(ContactPoint.resume)
    examination = _awaited(ContactPoint.examination)
    write_picture = _awaited(ContactPoint.write_picture)
    examine = _awaited(ContactPoint.examine)
    determine = _awaited(ContactPoint.determine)
    request = _awaited(ContactPoint.request)
    accept = _awaited(ContactPoint.accept)


def _end(threads: ThreadPoolExecutor, opened: ExitStack) -> None:
    """Close an installation when nobody works with it any more."""
    threads.shutdown()
    opened.close()
