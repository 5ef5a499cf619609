"""Places, lines and deadlines: what is begun, what is handed back, and that nothing is half-done."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import admission, main, peer, queried, querying, wire
from contact_point.admission import Deadline, GoneError, Lane, Lanes, NoPlaceError, SlowError
from pcsc.duties import Content
from pcsc.messages import Conclusion, Determination, Query

from .parties import held as kept
from .test_peer import Caller, problem, query, signed_by_us

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx2

    from contact_point.wire import HttpRequest

    from .parties import Finger, Parties

FULL = "as many queries are worked on here, and wait, as can be answered in time; nothing of this message was taken in"


def soon(begin: float = 30.0, end: float = 30.0) -> Deadline:
    now = time.monotonic()
    return Deadline(now + begin, now + end)


async def here() -> bool:
    return False


async def left() -> bool:
    return True


class Work:
    """Work that lasts until it is told to end, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self._end = threading.Event()

    def __call__(self) -> str:
        self.begun += 1
        assert self._end.wait(30)
        return "done"

    def end(self) -> None:
        self._end.set()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - what is waited for happens in threads
            await asyncio.sleep(0.005)


def test_as_many_work_as_there_are_places_a_few_wait_and_the_next_is_told_when_to_come_back() -> None:
    async def played() -> list[int]:
        lane, work = Lane("queries", 2, 2), Work()
        let_in = [asyncio.create_task(lane.run(work, soon(), here)) for _ in range(4)]
        await until(lambda: work.begun == 2 and lane.waiting == 2)
        told = []
        for _ in range(600):
            with pytest.raises(NoPlaceError, match=FULL) as refused:
                await lane.run(work, soon(), here)
            told.append(refused.value.retry_after)
        work.end()
        assert await asyncio.gather(*let_in) == ["done"] * 4
        assert work.begun == 4
        assert await lane.run(work, soon(), here) == "done"
        return told

    told = asyncio.run(played())
    assert told == sorted(told), "each is told to come after those who were told before"
    assert (told[0], told[-1]) == (1, admission.LONGEST_RETRY)


def test_what_waited_for_too_long_is_not_begun() -> None:
    async def played() -> None:
        lane, work = Lane("queries", 1, 1), Work()
        first = asyncio.create_task(lane.run(work, soon(), here))
        await until(lambda: work.begun == 1)
        with pytest.raises(NoPlaceError, match=FULL):
            await lane.run(work, soon(begin=0.05), here)
        work.end()
        assert await first == "done"
        assert work.begun == 1

    asyncio.run(played())


def test_what_nobody_waits_for_is_not_begun_and_its_place_goes_to_the_next() -> None:
    async def played() -> None:
        lane, work = Lane("queries", 1, 2), Work()
        first = asyncio.create_task(lane.run(work, soon(), here))
        await until(lambda: work.begun == 1)
        second, third = (asyncio.create_task(lane.run(work, soon(), each)) for each in (left, here))
        await until(lambda: lane.waiting == 2)
        work.end()
        with pytest.raises(GoneError, match="closed the connection before it was begun"):
            await second
        assert (await first, await third, work.begun) == ("done", "done", 2)

    asyncio.run(played())


def test_work_that_is_given_up_keeps_its_place_until_it_ends() -> None:
    async def played() -> None:
        lane, work = Lane("queries", 1, 0), Work()
        with pytest.raises(TimeoutError, match="when its sender stopped waiting"):
            await lane.run(work, soon(end=0.05), here)
        with pytest.raises(NoPlaceError, match=FULL):
            lane.check()
        work.end()
        await until(lambda: lane._free == 1)
        lane.check()

    asyncio.run(played())


def test_a_line_of_queries_keeps_no_act_waiting() -> None:
    """Articles 8(1), 8(2): the determination that ends a hold comes in another lane, and reachability in a third."""
    assert len({peer.LANES[each] for each in wire.PATHS}) == 3
    assert [each for each, lane in peer.LANES.items() if lane == peer.QUERIES] == [Query]
    assert peer.LANES[Determination] == peer.ACTS

    async def played() -> None:
        lanes, work = Lanes({"queries": Lane("queries", 1, 0), "acts": Lane("acts", 1, 0)}, 10), Work()
        with lanes.admitted("queries") as taken:
            first = asyncio.create_task(taken.run(work, here))
            await until(lambda: work.begun == 1)
            with pytest.raises(NoPlaceError, match=FULL), lanes.admitted("queries"):
                pass
            with lanes.admitted("acts") as act:
                assert await act.run(lambda: "determined", here) == "determined"
            work.end()
            assert await first == "done"

    asyncio.run(played())


async def parts(*said: bytes, then: float = 0.0) -> AsyncIterator[bytes]:
    for each in said:
        yield each
    await asyncio.sleep(then)


def test_a_body_is_read_as_far_as_it_may_be_long_and_held_as_far_as_there_is_room() -> None:
    async def played() -> None:
        lanes = Lanes({"acts": Lane("acts", 1, 0)}, 10)
        with lanes.admitted("acts") as one, lanes.admitted("acts") as other:
            assert await one.body(parts(b"abc", b"def"), 100) == b"abcdef"
            assert await other.body(parts(b"ab", b"c", b"d"), 2) == b"abc"
            with pytest.raises(NoPlaceError, match="hold 10 bytes together, as many as they may"):
                await other.body(parts(b"ab"), 100)
        with lanes.admitted("acts") as one:
            assert await one.body(parts(b"0123456789"), 100) == b"0123456789"

    asyncio.run(played())


def test_told_to_stop_what_was_not_begun_is_handed_back_and_what_is_at_work_ends() -> None:
    async def played() -> None:
        lanes, work = Lanes({"queries": Lane("queries", 1, 1)}, 10), Work()
        with lanes.admitted("queries") as one, lanes.admitted("queries") as two, lanes.admitted("queries") as three:
            at_work, waiting = (asyncio.create_task(each.run(work, here)) for each in (one, two))
            reading = asyncio.create_task(three.body(parts(b"ab", then=60), 100))
            await until(lambda: lanes.waiting() == 1 and three.held == 2)
            lanes.stop()
            for each in (waiting, reading):
                with pytest.raises(NoPlaceError, match="is being stopped, and the message was not begun"):
                    await each
            with pytest.raises(NoPlaceError, match="is being stopped"), lanes.admitted("queries"):
                pass
            work.end()
            assert await at_work == "done"
            assert work.begun == 1
            assert one._deadline.end <= time.monotonic() + admission.STOP_WITHIN

    asyncio.run(played())


def test_4_1_a_query_past_its_deadline_is_refused_with_nothing_done_and_answered_when_it_comes_again(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    message = query(parties.jp, fingers[0])
    body = wire.encode(message)
    with main.opened(parties.us.settings.folder.root, gallery=True) as us:
        context = contextvars.copy_context()
        context.run(admission._DEADLINE.set, Deadline(0.0, 0.0))
        with pytest.raises(NoPlaceError, match="not answered within its time, and nothing was done about it"):
            context.run(queried.receive, us, message, body, main.clock())
        with us.store.transaction() as tx:
            assert tx.next_entry() == 0  # Art. 11(1): nothing was received
        queried.receive(us, message, body, main.clock())
        with us.store.transaction() as tx:
            assert [each.event for each in tx.entries()] == ["query", "no match", "deletion"]


def test_4_1_a_deadline_that_passes_while_a_query_is_worked_on_leaves_nothing_half_done(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """It passes while the store is locked by somebody else, after the search."""
    message = query(parties.jp, fingers[0])
    deadline = Deadline(time.monotonic() + 60, time.monotonic() + 60)
    with main.opened(parties.us.settings.folder.root, gallery=True) as us, ThreadPoolExecutor(1) as pool:
        context = contextvars.copy_context()
        context.run(admission._DEADLINE.set, deadline)
        search = us.holdings.search  # type: ignore[union-attr]

        class Late:
            def search(self, *given: object, **named: object) -> object:
                found = search(*given, **named)  # type: ignore[arg-type]
                deadline.end = 0.0
                return found

        late = replace(us, holdings=Late())  # type: ignore[arg-type]
        acted = pool.submit(context.run, queried.receive, late, message, wire.encode(message), main.clock())
        with pytest.raises(NoPlaceError, match="nothing was done about it"):
            acted.result(60)
        with us.store.transaction() as tx:
            assert (tx.next_entry(), tx.exchanges()) == (0, [])


def test_4_1_what_is_not_taken_in_is_told_with_its_article_and_what_to_do() -> None:
    told = peer.problem_of(NoPlaceError("no place", 7))
    assert (told.status, told.article, told.code, told.detail) == (503, "4(1)", "4-1.UNAVAILABLE", "no place")
    assert told.action == peer.AGAIN
    slow = peer.problem_of(SlowError("slow"))
    assert (slow.status, slow.article, slow.code) == (408, "4(7)", "4-7.SLOW")


def test_4_1_of_many_queries_at_once_some_are_answered_the_rest_sent_away_signed_and_acts_are_taken_in(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """The gallery answers when it is told to, so that the places are full for as long as is looked."""
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US) as us, Caller(parties) as caller, ThreadPoolExecutor(40) as pool:
        number = parties.matched(fingers[0])
        assert us.holdings is not None
        us.holdings._lock.acquire()  # every search looks for changes first
        try:
            bodies = [wire.encode(query(parties.jp, fingers[1])) for _ in range(40)]
            asked = [pool.submit(_ask, caller, body) for body in bodies]
            places = 2 * len(os.sched_getaffinity(0))
            refused = [each.result() for each in islice(as_completed(asked), len(bodies) - places)]
            querying.examine(parties.jp, number, Conclusion.EXCLUSION, "examiner", main.clock())
            querying.determine(parties.jp, number, will_request=False, now=main.clock())
            assert Content.PROBE not in kept(us, number)  # Art. 8(1), while every place for a query is taken
        finally:
            us.holdings._lock.release()
        answers = [each.result() for each in asked]
    for request, response in refused:
        assert problem(response) == (503, "4-1.UNAVAILABLE")
        assert 1 <= int(response.headers["retry-after"]) <= admission.LONGEST_RETRY
        assert signed_by_us(parties, request, response)
    assert [response.status_code for _, response in answers].count(200) == places


def _ask(caller: Caller, body: bytes) -> tuple[HttpRequest, httpx2.Response]:
    request = caller.signed(body)
    return request, caller.send(request, body)
