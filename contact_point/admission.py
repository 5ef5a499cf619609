"""What is begun when more is asked than can be answered: places for the work, a short line before them, and an end to waiting.

Decoding, extraction and search of a query are costly, and there are as many places for them as cores. Beside those at work a
few wait in a line; whoever comes when it is full is told at once to come back, and when (503, Retry-After). The line is short
on purpose. Under a load that lasts, a long one answers no more queries: it only lets each of them wait, in the end for longer
than its sender listens, and then all that is worked on is thrown away.

Three lanes, so that none waits for another (:data:`contact_point.peer.LANES`): queries; acts, which a query must never delay,
for the determination that ends a hold comes among them (Articles 8(1), 8(2)); and notes, of which nothing is recorded.

A refusal comes before the body is read: who calls is known from the handshake, and no more is needed to say "later". Nothing
of the message was received then, so nothing is recorded of it, as of any message that a technical reason hinders: Article
11(1) is about what is transmitted and received, and the same message is recorded when it comes again and is taken in. The
sender's record has the query once, ours once, however often it came back.

What was begun carries its deadline with it (:func:`in_time`): it is asked before each costly step and once more with the write
lock held. So what the sender no longer waits for is not begun, and what takes too long ends without an effect, not half-done;
whoever was slower than the deadline by the length of a commit has committed, and gives the answer when the query comes again.
:meth:`Lanes.stop` hands back whatever was not begun and shortens the deadlines of the rest.

Everything but :func:`in_time` belongs to the loop that answers, and to no other thread. Times are seconds on the monotonic
clock.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from contact_point.hardening import forget

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Mapping

T = TypeVar("T")

ANSWER_WITHIN: Final = 45.0
"""Seconds until a message that is still worked on is answered with 503: before the other contact point stops listening."""

BEGIN_WITHIN: Final = 35.0
"""Seconds until a message is begun or handed back, its coming included: what remains is enough for a card of ten fingers."""

SLOW_START: Final = 5.0
"""Seconds that a body may take beside those that :data:`LEAST_RATE` gives it."""

LEAST_RATE: Final = 32 * 1024
"""Bytes a second that a body comes at, at least."""

STOP_WITHIN: Final = 20.0
"""Seconds that a message that is at work when the service is told to stop may still take."""

RETRY_AFTER: Final = 5
"""Seconds after which a message that was answered with 503 may be sent again, where nobody can say better."""

LONGEST_RETRY: Final = 60
"""Seconds: nobody is sent away for longer because of load."""

_FIRST_GUESS: Final = 0.25  # seconds of work, before there was any
_WEIGHT: Final = 0.1  # of the latest in the running mean
_TELL_EVERY: Final = 10.0  # seconds between two lines of the log that say how many were sent away


class NoPlaceError(Exception):
    """The message is not taken in now, and nothing was done: it may be sent again ``retry_after`` seconds from now."""

    def __init__(self, message: str, retry_after: int = RETRY_AFTER) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SlowError(Exception):
    """The message came too slowly."""


class GoneError(Exception):
    """Whoever sent the message waits for no answer any more."""


@dataclass(slots=True, eq=False)
class Deadline:
    """Until when a message is to be begun, and when it is given up."""

    begin: float
    end: float


_DEADLINE: Final[ContextVar[Deadline | None]] = ContextVar("_DEADLINE", default=None)


def in_time() -> None:
    """Refuse to go on with a message whose deadline has passed; where none was set, nothing is refused. For any thread.

    Raises:
        NoPlaceError: it has passed. Nothing was committed, and nothing may be.

    """
    deadline = _DEADLINE.get()
    if deadline is not None and time.monotonic() > deadline.end:
        raise NoPlaceError(
            "the message was not answered within its time, and nothing was done about it; this says nothing about whether "
            "there is a match"
        )


class Lane:
    """Places for one kind of work, each with a thread, and the line of those that wait for one."""

    def __init__(self, name: str, places: int, line: int) -> None:
        """Let ``places`` messages be worked on at once and ``line`` wait, for those that log and figures call ``name``."""
        self.name = name
        self._places = places
        self._longest = line
        self._free = places
        self._line: deque[asyncio.Future[None]] = deque()
        self._threads = ThreadPoolExecutor(places, thread_name_prefix=name)
        self._seconds = _FIRST_GUESS
        self._promised = 0.0
        self._refused, self._told = 0, 0.0

    @property
    def waiting(self) -> int:
        """How many wait in the line."""
        return len(self._line)

    def check(self) -> None:
        """Refuse whoever would find no place in the line.

        Raises:
            NoPlaceError: it is full.

        """
        if not self._free and len(self._line) >= self._longest:
            raise self._unavailable()

    async def run(self, act: Callable[[], T], deadline: Deadline, gone: Callable[[], Awaitable[bool]]) -> T:
        """Return what ``act`` returns, in a thread, once it is its turn.

        Given up at its deadline, the thread keeps its place until it notices by :func:`in_time`: there are never more at work
        than places.

        Raises:
            NoPlaceError: the line is full, or the turn did not come in time; ``act`` was not begun.
            GoneError: ``gone`` said, when the turn came, that nobody waits for the answer; ``act`` was not begun.
            TimeoutError: ``act`` was not done by its deadline.

        """
        self.check()
        if self._free:
            self._free -= 1
        else:
            await self._turn(deadline)
            if await self._left(gone):
                raise GoneError("whoever sent the message closed the connection before it was begun")
        return await self._work(act, deadline)

    async def _left(self, gone: Callable[[], Awaitable[bool]]) -> bool:
        """Ask whether nobody waits for the answer; give the place on where that is so, or cannot be asked."""
        left = True
        try:
            left = await gone()
        finally:
            if left:
                self._give_on()
        return left

    async def _turn(self, deadline: Deadline) -> None:
        """Wait for a place that somebody gives on."""
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await asyncio.wait({turn}, timeout=max(0.0, deadline.begin - time.monotonic()))
        except asyncio.CancelledError:
            if turn.done() and turn.exception() is None:
                self._give_on()
            raise
        finally:
            if not turn.done():
                self._line.remove(turn)
        if not turn.done():
            raise self._unavailable()
        turn.result()

    async def _work(self, act: Callable[[], T], deadline: Deadline) -> T:
        context, begun = copy_context(), time.monotonic()
        context.run(_DEADLINE.set, deadline)
        work = asyncio.get_running_loop().run_in_executor(self._threads, context.run, act)
        work.add_done_callback(lambda _: self._done(time.monotonic() - begun))
        try:
            done, _ = await asyncio.wait({work}, timeout=max(0.0, deadline.end - begun))
        except asyncio.CancelledError:
            work.add_done_callback(_let_go)
            raise
        if not done:
            work.add_done_callback(_let_go)
            raise TimeoutError("the message was still worked on when its sender stopped waiting")
        return work.result()

    def _done(self, seconds: float) -> None:
        self._seconds += _WEIGHT * (seconds - self._seconds)
        self._give_on()

    def _give_on(self) -> None:
        """Give a place to the first in the line, or put it back."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def send_away(self, error: Callable[[], NoPlaceError]) -> None:
        """Refuse everybody in the line."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_exception(error())

    def _unavailable(self) -> NoPlaceError:
        """Return the refusal of one more, with the time at which a place will be free for it.

        Places come free one after the other, and each who was sent away before wants one too: whoever is told the same second
        as all others comes back with them, and is sent away again.
        """
        now, each = time.monotonic(), self._seconds / self._places
        before = len(self._line) + self._places - self._free
        self._promised = min(max(self._promised + each, now + before * each), now + LONGEST_RETRY)
        self._tell(now)
        return NoPlaceError(
            f"as many {self.name} are worked on here, and wait, as can be answered in time; nothing of this message was taken "
            "in, and this says nothing about whether there is a match",
            max(1, math.ceil(self._promised - now)),
        )

    def _tell(self, now: float) -> None:
        self._refused += 1
        if now - self._told >= _TELL_EVERY:
            _log.warning("%d %s were sent away since the last line of this kind: too many", self._refused, self.name)
            self._refused, self._told = 0, now


_log = logging.getLogger("contact_point.admission")


def _let_go(work: asyncio.Future[T]) -> None:
    """Art. 8(1): what failed with nobody waiting for it keeps nothing of the print."""
    if not work.cancelled() and (error := work.exception()) is not None:
        forget(error)


class Lanes:
    """All lanes of one service, the bytes of bodies that they hold together, and whether the service is to stop."""

    def __init__(self, lanes: Mapping[str, Lane], most_held: int) -> None:
        """Hold at most ``most_held`` bytes of bodies at once."""
        self._lanes = dict(lanes)
        self._most = most_held
        self._held = 0
        self._stopping = False
        self._under_way: set[Admission] = set()

    def waiting(self) -> int:
        """Return how many messages wait for a place. For any thread."""
        return sum(lane.waiting for lane in self._lanes.values())

    @contextmanager
    def admitted(self, name: str) -> Iterator[Admission]:
        """Let a message in whose head has come, until it is answered.

        Raises:
            NoPlaceError: the lane is full, or the service stops.

        """
        if self._stopping:
            raise _stopping()
        lane = self._lanes[name]
        lane.check()
        admission = Admission(self, lane)
        self._under_way.add(admission)
        try:
            yield admission
        finally:
            self._under_way.discard(admission)
            self._held -= admission.held

    def hold(self, size: int) -> None:
        """Count bytes that a message holds.

        Raises:
            NoPlaceError: all together hold too many.

        """
        if self._held + size > self._most:
            raise NoPlaceError(
                f"the messages that are read here hold {self._most} bytes together, as many as they may; send this one again"
            )
        self._held += size

    @property
    def stopping(self) -> bool:
        """Whether the service is to stop."""
        return self._stopping

    def stop(self) -> None:
        """Hand back whatever was not begun, and let the rest end within :data:`STOP_WITHIN` seconds."""
        self._stopping = True
        for lane in self._lanes.values():
            lane.send_away(_stopping)
        ends = time.monotonic() + STOP_WITHIN
        for each in self._under_way:
            each.hurry(ends)


def _stopping() -> NoPlaceError:
    return NoPlaceError(
        "this contact point is being stopped, and the message was not begun: it says nothing about whether there is a match"
    )


class Admission:
    """One message that was let in: its deadline, and the bytes that it holds."""

    def __init__(self, lanes: Lanes, lane: Lane) -> None:
        now = time.monotonic()
        self.held = 0
        self._lanes = lanes
        self._lane = lane
        self._deadline = Deadline(now + BEGIN_WITHIN, now + ANSWER_WITHIN)
        self._reading: asyncio.Timeout | None = None

    def hurry(self, ends: float) -> None:
        """Let it end by then; a body that is still coming is not waited for."""
        self._deadline.end = min(self._deadline.end, ends)
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def body(self, parts: AsyncIterable[bytes], most: int) -> bytes:
        """Return the body that comes in parts, or so much of it that it is longer than ``most`` bytes.

        Raises:
            SlowError: it came slower than :data:`LEAST_RATE`, or not within :data:`BEGIN_WITHIN`.
            NoPlaceError: there is no room for it, or the service stops.

        """
        body, loop = bytearray(), asyncio.get_running_loop()
        begun, begin = loop.time(), self._deadline.begin - time.monotonic()
        try:
            async with asyncio.timeout(SLOW_START) as self._reading:
                async for part in parts:
                    self._lanes.hold(len(part))
                    self.held += len(part)
                    body += part
                    if len(body) > most:
                        break
                    if not self._lanes.stopping:
                        self._reading.reschedule(begun + min(begin, SLOW_START + len(body) / LEAST_RATE))
        except TimeoutError:
            if self._lanes.stopping:
                raise _stopping() from None
            raise SlowError(
                f"a message comes within {SLOW_START:g} seconds and one more for every {LEAST_RATE} bytes, {BEGIN_WITHIN:g} at "
                f"most; {len(body)} bytes of this one came: send it as a whole, on a line that carries it"
            ) from None
        finally:
            self._reading = None
        return bytes(body)

    async def run(self, act: Callable[[], T], gone: Callable[[], Awaitable[bool]]) -> T:
        """Return what ``act`` returns, as :meth:`Lane.run` does."""
        if self._lanes.stopping:
            raise _stopping()
        return await self._lane.run(act, self._deadline, gone)
